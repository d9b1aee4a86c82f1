// fastpath_rig: a Program with fake devices, batches in few words, and frames in arrays.
//
// Where in the walk: tests of dpdk/tables and dpdk/walk.
// Threading: one thread. Failure: ML2_CHECK. What it does not do: no DPDK, no socket.
#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "datapath/base/check.h"
#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "dpdk/tables/program.h"
#include "dpdk/walk/walk.h"

namespace ml2::fastpath {

// Every suite runs once per instruction set that this processor has.
inline std::vector<Isa> supported_isas() {
  std::vector<Isa> all;
  for (const Isa isa : {Isa::Scalar, Isa::Avx2, Isa::Avx512})
    if (supported(isa)) all.push_back(isa);
  return all;
}

// No reader holds anything between two calls of a test.
class NoReaders : public GracePeriod {
 public:
  std::uint64_t start() override { return 0; }
  bool passed(std::uint64_t) override { return true; }
};

class FakeDevices : public PortDevices {
 public:
  Status open(const abi::Port& port) override {
    if (std::string(port.devargs) == "bad") return transient("the device 'bad' cannot be opened");
    opened[port.id] = port.devargs;
    return {};
  }
  Status change(const abi::Port& port) override {
    if (port.mtu > 9000) return transient("it does not take that MTU");
    mtu[port.id] = port.mtu;
    return {};
  }
  void serve() override {}
  void close(std::uint16_t id) override { opened.erase(id); }
  std::map<std::uint16_t, std::string> opened;
  std::map<std::uint16_t, std::uint16_t> mtu;  // as changed
};

inline void set_mac(std::uint8_t* to, const char* text) {
  const auto mac = Mac::parse(text);
  ML2_CHECK(mac, "a MAC in a test");
  std::memcpy(to, mac->bytes().data(), 6);
}
inline bool set_ip(std::uint8_t* to, const char* text) {
  const auto ip = IpAddress::parse(text);
  ML2_CHECK(ip, "an address in a test");
  std::memcpy(to, ip->bytes().data(), 16);
  return ip->is_v6();
}

using Bytes = std::vector<std::uint8_t>;

// A frame of `size` bytes: Ethernet, and IPv4 UDP in it. The rest counts up.
inline Bytes ipv4_frame(const char* to, const char* from, const char* source = "10.0.0.1",
                        const char* destination = "10.0.0.2", std::size_t size = 60) {
  Bytes frame(size);
  for (std::size_t i = 0; i < size; ++i) frame[i] = static_cast<std::uint8_t>(i);
  set_mac(frame.data(), to);
  set_mac(frame.data() + 6, from);
  wire::store16(frame.data() + 12, wire::kTypeIpv4);
  std::uint8_t* ip = frame.data() + 14;
  ip[0] = 0x45;
  wire::store16(ip + 2, static_cast<std::uint16_t>(size - 14));
  wire::store16(ip + wire::kIpv4Fragment, 0);
  ip[wire::kIpv4Ttl] = 64;
  ip[wire::kIpv4Protocol] = wire::kProtocolUdp;
  std::uint8_t address[16];
  set_ip(address, source);
  std::memcpy(ip + wire::kIpv4Source, address, 4);
  set_ip(address, destination);
  std::memcpy(ip + wire::kIpv4Destination, address, 4);
  return frame;
}

// A VXLAN packet to an uplink of ours (02:00:00:00:00:01, 192.0.2.1 or 2001:db8::1) with this inner frame.
inline Bytes tunnel_packet(const Bytes& inner, std::uint32_t vni, const char* remote = "192.0.2.2",
                           std::uint16_t vlan = 0) {
  vxlan::Outer outer;
  set_mac(outer.source_mac, "02:00:00:00:00:02");
  set_mac(outer.destination_mac, "02:00:00:00:00:01");
  outer.ipv6 = set_ip(outer.source, remote);
  set_ip(outer.destination, outer.ipv6 ? "2001:db8::1" : "192.0.2.1");
  outer.vlan = vlan;
  const vxlan::Header header = vxlan::prepare(outer);
  Bytes packet(header.bytes + vxlan::Header::kSize - header.length, header.bytes + vxlan::Header::kSize);
  packet.insert(packet.end(), inner.begin(), inner.end());
  if (outer.ipv6) {
    vxlan::patch<true>(header, packet.data(), inner.size(), 55555, vni);
  } else {
    vxlan::patch<false>(header, packet.data(), inner.size(), 55555, vni);
  }
  return packet;
}

inline Bytes with_tag(Bytes frame, std::uint16_t vlan) {
  const std::uint8_t tag[4] = {0x81, 0x00, static_cast<std::uint8_t>(vlan >> 8U), static_cast<std::uint8_t>(vlan)};
  frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
  return frame;
}

// What came out of the walk.
struct Out {
  PortIndex port = kNoPort;
  Bytes bytes;
  bool dropped = false;
  Drop drop{};
  bool checksum = false;
  bool long_tcp = false;
  std::uint16_t segment_size = 0;
  std::uint16_t outer_length = 0;
};

// A frame as a virtual machine may hand it over.
struct In {
  Bytes bytes;
  bool checksum = false;
  std::uint16_t segment_size = 0;  // of long TCP
  std::size_t first_piece = 0;     // bytes in the first piece, 0: all; the rest is in pieces of odd lengths
};

class Rig : private Sink {
 public:
  explicit Rig(Isa isa) : isa_(isa), counters_(std::make_unique<Counters>()) {
    copy = [](Sink* sink, const Frame& from, std::uint16_t headroom, Frame* to) {
      return static_cast<Rig*>(sink)->copy_frame(from, headroom, to);
    };
    allocate = [](Sink* sink, std::uint32_t length, std::uint16_t headroom, Frame* to) {
      return static_cast<Rig*>(sink)->allocate_frame(length, headroom, to);
    };
    send = [](Sink* sink, const Frame& frame) { static_cast<Rig*>(sink)->collect(frame); };
    piece = [](Sink*, const Frame& frame, std::uint32_t offset, std::uint32_t* bytes) -> const std::uint8_t* {
      return static_cast<Pieces*>(frame.handle)->at(frame, offset, bytes);
    };
    missing = [](Sink* sink, const Frame& from) { static_cast<Rig*>(sink)->missed.push_back(bytes_of(from)); };
    learn = [](Sink* sink, std::uint64_t key, std::uint32_t origin, bool news) {
      auto& rig = *static_cast<Rig*>(sink);
      if (rig.deaf) return false;
      rig.heard.push_back({key, origin, news});
      return true;
    };
    now_ms = [](Sink* sink) { return static_cast<Rig*>(sink)->now; };
    walk_.sink = this;
    walk_.counters = counters_.get();
    walk_.takes = takes;
  }

  // Every frame of `in` as one burst from `port`; all that came out, copies first.
  std::vector<Out> run(PortIndex port, const std::vector<Bytes>& in, std::uint16_t headroom = 128) {
    std::vector<In> all;
    for (const Bytes& bytes : in) all.push_back({.bytes = bytes});
    return run_work(port, all, headroom);
  }
  std::vector<Out> run_work(PortIndex port, const std::vector<In>& in, std::uint16_t headroom = 128) {
    out_.clear();
    memory_.clear();
    pieces_.clear();
    std::vector<Frame> frames;
    for (const In& one : in) frames.push_back(take_in(one, headroom));
    walk_.tables = &program.tables();
    walk_function(isa_)(walk_, port, frames.data(), static_cast<unsigned>(frames.size()));
    for (const Frame& frame : frames) collect(frame);
    return out_;
  }
  Out one(PortIndex port, const Bytes& in) {
    const auto out = run(port, {in});
    ML2_CHECK(out.size() == 1, "one frame comes out");
    return out.front();
  }
  [[nodiscard]] const Counters& counters() const { return *counters_; }
  [[nodiscard]] std::uint64_t drops(PortIndex port, Drop reason) const {
    return counters_->ports[port].drops[static_cast<std::size_t>(reason)];
  }

  NoReaders grace;
  FakeDevices devices;
  Program program{grace, devices, 0x123456789abcdef1ULL};
  std::uint8_t takes[kMaxPorts] = {};  // bits of Takes, by port
  std::uint64_t now = 1000000;         // milliseconds
  std::vector<Bytes> missed;           // frames of which a copy or a segment was not made
  struct Heard {
    std::uint64_t key;
    std::uint32_t origin;
    bool news;
  };
  std::vector<Heard> heard;
  bool deaf = false;
  // The control thread's part.
  void learn_heard() {
    for (const Heard& one : heard) program.learn(one.key, one.origin, now / 1000);
    heard.clear();
  }

 private:
  // A frame in pieces, the first of them with room before it.
  struct Pieces {
    const std::uint8_t* first_end = nullptr;
    std::vector<Bytes> rest;
    const std::uint8_t* at(const Frame& frame, std::uint32_t offset, std::uint32_t* bytes) const {
      const auto first = static_cast<std::uint32_t>(first_end - frame.data);
      if (offset < first) return *bytes = first - offset, frame.data + offset;
      offset -= first;
      for (const Bytes& piece : rest) {
        if (offset < piece.size()) {
          *bytes = static_cast<std::uint32_t>(piece.size()) - offset;
          return piece.data() + offset;
        }
        offset -= static_cast<std::uint32_t>(piece.size());
      }
      return nullptr;
    }
  };
  Frame take_in(const In& in, std::uint16_t headroom) {
    const std::size_t first = in.first_piece == 0 ? in.bytes.size() : in.first_piece;
    Frame frame = place(in.bytes.data(), first, headroom);
    if (first != in.bytes.size()) {
      auto pieces = std::make_unique<Pieces>();
      pieces->first_end = frame.data + first;
      for (std::size_t at = first, size = 101; at < in.bytes.size(); at += size, size += 2) {
        const std::size_t end = std::min(at + size, in.bytes.size());
        pieces->rest.emplace_back(in.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                  in.bytes.begin() + static_cast<std::ptrdiff_t>(end));
      }
      frame.handle = pieces.get();
      pieces_.push_back(std::move(pieces));
      frame.length = static_cast<std::uint32_t>(in.bytes.size());
      frame.scattered = true;
    }
    frame.checksum = in.checksum;
    frame.long_tcp = in.segment_size != 0;
    if (frame.checksum || frame.long_tcp) frame.set_work(in.segment_size, 0);
    return frame;
  }
  bool allocate_frame(std::uint32_t length, std::uint16_t headroom, Frame* to) {
    if (no_buffers || length > longest_piece) return false;
    memory_.emplace_back(std::make_unique<std::uint8_t[]>(headroom + length));
    to->start(memory_.back().get() + headroom, length, headroom, nullptr);
    return true;
  }
  static Bytes bytes_of(const Frame& frame) {
    if (!frame.scattered) return Bytes(frame.data, frame.data + frame.length);
    Bytes all;
    while (all.size() < frame.length) {
      std::uint32_t bytes = 0;
      const auto* at = static_cast<Pieces*>(frame.handle)->at(frame, static_cast<std::uint32_t>(all.size()), &bytes);
      ML2_CHECK(at != nullptr, "a frame is as long as its pieces");
      bytes = std::min(bytes, frame.length - static_cast<std::uint32_t>(all.size()));
      all.insert(all.end(), at, at + bytes);
    }
    return all;
  }
  // The bytes stand at the very end of their memory, so that a sanitizer sees a read beyond.
  Frame place(const std::uint8_t* bytes, std::size_t size, std::uint16_t headroom) {
    memory_.emplace_back(std::make_unique<std::uint8_t[]>(headroom + size));
    Frame frame;
    frame.start(memory_.back().get() + headroom, static_cast<std::uint32_t>(size), headroom, nullptr);
    if (size != 0) std::memcpy(frame.data, bytes, size);
    return frame;
  }
  bool copy_frame(const Frame& from, std::uint16_t headroom, Frame* to) {
    if (no_buffers) return false;
    const Bytes bytes = bytes_of(from);
    *to = place(bytes.data(), bytes.size(), static_cast<std::uint16_t>(headroom + 16));
    return true;
  }
  void collect(const Frame& frame) {
    if (frame.port == kNoPort && !frame.dropped) return;  // its parts went by the Sink
    out_.push_back({frame.port, bytes_of(frame), frame.dropped, frame.drop, frame.checksum, frame.long_tcp,
                    frame.long_tcp ? frame.segment_size() : std::uint16_t{0},
                    frame.checksum || frame.long_tcp ? frame.outer_length() : std::uint16_t{0}});
  }

  Isa isa_;
  std::unique_ptr<Counters> counters_;
  Walk walk_{};
  std::vector<std::unique_ptr<std::uint8_t[]>> memory_;
  std::vector<std::unique_ptr<Pieces>> pieces_;
  std::vector<Out> out_;

 public:
  bool no_buffers = false;
  std::uint32_t longest_piece = 2048;
};

// Batches in few words.
inline abi::Port access_port(std::uint16_t id) {
  abi::Port port;
  port.id = id;
  return port;
}
inline abi::Port uplink(std::uint16_t id, const char* mac, const char* local) {
  abi::Port port;
  port.id = id;
  port.kind = abi::PortKind::Tagged;
  if (local != nullptr) {
    port.tunnel = 1;
    port.local_ipv6 = set_ip(port.local, local);
  }
  set_mac(port.mac, mac);
  return port;
}
inline abi::Segment segment(std::uint16_t id, std::uint32_t vni = 0) {
  abi::Segment s;
  s.id = id;
  s.vni = vni;
  return s;
}
inline abi::Vtep vtep(std::uint16_t id, std::uint16_t port, const char* local, const char* remote) {
  abi::Vtep v;
  v.id = id;
  v.port = port;
  v.ipv6 = set_ip(v.local, local);
  set_ip(v.remote, remote);
  set_mac(v.source_mac, "02:00:00:00:00:01");
  set_mac(v.next_hop_mac, "02:00:00:00:00:02");
  return v;
}
inline abi::Fdb fdb(const char* mac, std::uint16_t segment_id, std::uint16_t port, std::uint16_t vtep_id = 0) {
  abi::Fdb f;
  set_mac(f.mac, mac);
  f.segment = segment_id;
  f.port = port;
  f.vtep = vtep_id;
  return f;
}
inline abi::Allowed allowed(std::uint16_t port, const char* mac, const char* address, std::uint8_t prefix) {
  abi::Allowed a;
  a.port = port;
  set_mac(a.mac, mac);
  a.ipv6 = set_ip(a.address, address);
  a.prefix = prefix;
  return a;
}

}  // namespace ml2::fastpath
