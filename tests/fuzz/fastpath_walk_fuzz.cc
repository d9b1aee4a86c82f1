// Any bytes from any kind of port: classification, decapsulation, anti-spoofing, ARP and ND, look-up, encapsulation, flood.
// The frame's memory ends where the frame ends, so that the sanitizer sees a read beyond; every frame is accounted for.
#include <cstddef>
#include <cstdint>

#include "tests/unit/fastpath_rig.h"

namespace {

using namespace ml2::fastpath;

// As in fastpath_walk_test: 1 a machine with anti-spoofing, 2 one without, 3 a trunk, 9 and 10 uplinks, 20 the host.
Rig& rig() {
  static const std::unique_ptr<Rig> one = [] {
    auto made = std::make_unique<Rig>(best_isa());
    Batch batch;
    batch.full = true;
    abi::Port guarded = access_port(1);
    guarded.spoof_check = 1;
    abi::Port up = uplink(9, "02:00:00:00:00:01", "192.0.2.1");
    up.peer = 20;
    abi::Port host = access_port(20);
    host.kind = abi::PortKind::Wire;
    host.peer = 9;
    batch.ports.put = {guarded,
                       access_port(2),
                       uplink(3, "02:00:00:00:00:09", nullptr),
                       up,
                       uplink(10, "02:00:00:00:00:01", "2001:db8::1"),
                       host};
    abi::Segment answering = segment(5, 1000);
    answering.answer_neighbours = 1;
    abi::Segment open = segment(6, 0x123456);
    open.vlan_transparent = 1;
    batch.segments.put = {answering, open};
    batch.attachments.put = {{.port = 1, .segment = 5},
                             {.port = 2, .segment = 5},
                             {.port = 3, .segment = 5, .vlan = 50},
                             {.port = 3, .segment = 6, .vlan = 60}};
    batch.vteps.put = {vtep(7, 9, "192.0.2.1", "192.0.2.2"), vtep(8, 10, "2001:db8::1", "2001:db8::2")};
    batch.vteps.put[0].udp_checksum = batch.vteps.put[1].udp_checksum = 1;
    batch.floods.put = {{.segment = 5, .vtep = 7}, {.segment = 5, .vtep = 8}};
    batch.allowed.put = {allowed(1, "fa:16:3e:00:00:01", "10.0.0.1", 32),
                         allowed(1, "fa:16:3e:00:00:01", "2001:db8:1::1", 128)};
    batch.fdb.put = {fdb("fa:16:3e:00:00:01", 5, 1), fdb("fa:16:3e:00:00:03", 5, 0, 7),
                     fdb("fa:16:3e:00:00:06", 5, 0, 8)};
    abi::Neighbour neighbour;
    neighbour.segment = 5;
    set_mac(neighbour.mac, "fa:16:3e:00:00:03");
    set_ip(neighbour.address, "10.0.0.3");
    batch.neighbours.put = {neighbour};
    neighbour.ipv6 = set_ip(neighbour.address, "2001:db8:1::3");
    batch.neighbours.put.push_back(neighbour);
    ML2_CHECK(made->program.apply(batch).refused.empty(), "the rig's records make sense");
    return made;
  }();
  return *one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr PortIndex kPorts[] = {1, 2, 3, 9, 10, 20, 77};
  const PortIndex port = kPorts[(data[0] & 7U) % std::size(kPorts)];
  In in{.bytes = Bytes(data + 1, data + size)};
  // What a virtual machine may ask for, in the other bits: a checksum, segments, and a frame in pieces.
  in.checksum = (data[0] & 0x08U) != 0;
  if ((data[0] & 0x10U) != 0) in.segment_size = size > 3 ? static_cast<std::uint16_t>(data[2] << 2U) : 60;
  if ((data[0] & 0x20U) != 0 && in.bytes.size() > kReadable) in.first_piece = kReadable + data[3];
  if (in.first_piece >= in.bytes.size()) in.first_piece = 0;
  const std::uint8_t takes = (data[0] & 0x40U) != 0 ? 0xff : 0;
  std::fill(std::begin(rig().takes), std::end(rig().takes), takes);
  rig().now += 7;
  const std::vector<Out> out = rig().run_work(port, {in});
  ML2_CHECK(!out.empty(), "a frame does not vanish");
  for (const Out& one : out) ML2_CHECK(one.dropped != (one.port != kNoPort), "it is dropped or it goes somewhere");
  return 0;
}
