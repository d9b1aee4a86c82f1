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
  void serve() override {}
  void close(std::uint16_t id) override { opened.erase(id); }
  std::map<std::uint16_t, std::string> opened;
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
};

class Rig : private Sink {
 public:
  explicit Rig(Isa isa) : isa_(isa), counters_(std::make_unique<Counters>()) {
    copy = [](Sink* sink, const Frame& from, std::uint16_t headroom, Frame* to) {
      return static_cast<Rig*>(sink)->copy_frame(from, headroom, to);
    };
    send = [](Sink* sink, const Frame& frame) { static_cast<Rig*>(sink)->collect(frame); };
  }

  // Every frame of `in` as one burst from `port`; all that came out, copies first.
  std::vector<Out> run(PortIndex port, const std::vector<Bytes>& in, std::uint16_t headroom = 128) {
    out_.clear();
    memory_.clear();
    std::vector<Frame> frames;
    for (const Bytes& bytes : in) frames.push_back(place(bytes.data(), bytes.size(), headroom));
    Walk walk{&program.tables(), counters_.get(), this};
    walk_function(isa_)(walk, port, frames.data(), static_cast<unsigned>(frames.size()));
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

 private:
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
    *to = place(from.data, from.length, static_cast<std::uint16_t>(headroom + 16));
    return true;
  }
  void collect(const Frame& frame) {
    out_.push_back({frame.port, Bytes(frame.data, frame.data + frame.length), frame.dropped, frame.drop});
  }

  Isa isa_;
  std::unique_ptr<Counters> counters_;
  std::vector<std::unique_ptr<std::uint8_t[]>> memory_;
  std::vector<Out> out_;

 public:
  bool no_buffers = false;
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
