// fastpath_works: the four works of the fast path's benches as batches and frames: VLAN push and pop, VXLAN encap and decap.
//
// Where in the walk: benches. Port 1 is a guarded machine's, 9 a trunk or an uplink with 64 VTEPs; stations are fa:16:3f:*.
// Threading: values. Failure: none. What it does not do: devices: the ports' devargs are the caller's.
#pragma once

#include <fmt/format.h>

#include <algorithm>

#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath::works {

inline constexpr const char* kVm = "fa:16:3e:00:00:01";
inline constexpr const char* kLocalMac = "02:00:00:00:00:01";
inline constexpr std::uint16_t kVteps = 64;

inline std::string vtep_ip(std::uint16_t i) { return fmt::format("192.0.2.{}", 2 + i % kVteps); }

inline std::array<std::uint8_t, 6> station(std::uint32_t i) {
  return {0xfa,
          0x16,
          0x3f,
          static_cast<std::uint8_t>(i >> 16U),
          static_cast<std::uint8_t>(i >> 8U),
          static_cast<std::uint8_t>(i)};
}

inline Batch batch_of(const std::string& work, std::uint32_t entries) {
  Batch batch;
  batch.full = true;
  batch.generation = 1;
  abi::Port vm = access_port(1);
  vm.spoof_check = 1;
  abi::Port up = uplink(9, kLocalMac, work == "encap" || work == "decap" ? "192.0.2.1" : nullptr);
  up.mtu = 1600;
  batch.ports.put = {vm, up};
  batch.allowed.put = {allowed(1, kVm, "10.0.0.1", 32), allowed(1, kVm, "2001:db8::1", 128)};
  batch.segments.put = {segment(1, 1000)};
  batch.segments.put[0].answer_neighbours = 1;
  batch.attachments.put = {{.port = 1, .segment = 1}};
  const bool tunnel = work == "encap" || work == "decap";
  if (!tunnel) batch.attachments.put.push_back({.port = 9, .segment = 1, .vlan = 100});
  for (std::uint16_t i = 0; tunnel && i < kVteps; ++i) {
    batch.vteps.put.push_back(vtep(static_cast<std::uint16_t>(1 + i), 9, "192.0.2.1", vtep_ip(i).c_str()));
  }
  for (std::uint32_t i = 0; i < entries; ++i) {
    abi::Fdb entry;
    const auto mac = station(i);
    std::copy(mac.begin(), mac.end(), entry.mac);
    entry.segment = 1;
    if (work == "encap") {
      entry.vtep = static_cast<std::uint16_t>(1 + i % kVteps);
    } else {
      entry.port = work == "vlan-push" ? 9 : 1;
    }
    batch.fdb.put.push_back(entry);
  }
  return batch;
}

inline Bytes frame_of(const std::string& work, std::uint32_t i) {
  Bytes frame = ipv4_frame("00:00:00:00:00:00", kVm);
  const auto mac = station(i);
  std::copy(mac.begin(), mac.end(), frame.begin());
  wire::store16(frame.data() + 34, static_cast<std::uint16_t>(1024 + i % 50000));
  if (work == "vlan-pop") return with_tag(frame, 100);
  if (work != "decap") return frame;
  vxlan::Outer outer;
  set_mac(outer.source_mac, "02:00:00:00:00:02");
  set_mac(outer.destination_mac, kLocalMac);
  set_ip(outer.source, vtep_ip(static_cast<std::uint16_t>(i % kVteps)).c_str());
  set_ip(outer.destination, "192.0.2.1");
  const vxlan::Header header = vxlan::prepare(outer);
  Bytes packet(header.length);
  std::copy(header.bytes + vxlan::Header::kSize - header.length, header.bytes + vxlan::Header::kSize, packet.begin());
  vxlan::patch<false>(header, packet.data(), frame.size(), static_cast<std::uint16_t>(49152 + i % 16384), 1000);
  packet.insert(packet.end(), frame.begin(), frame.end());
  return packet;
}

// Where its frames come from, and where they go.
inline PortIndex source_of(const std::string& work) { return work == "vlan-push" || work == "encap" ? 1 : 9; }

}  // namespace ml2::fastpath::works
