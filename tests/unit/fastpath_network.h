// fastpath_network: the network that the walk's tests send frames through, and what they ask of the frames that come out.
//
// Where in the walk: tests of dpdk/walk. Threading: one thread. Failure: gtest's. What it does not do: no EAL, no devices.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath {

inline constexpr const char* kVm1 = "fa:16:3e:00:00:01";
inline constexpr const char* kVm2 = "fa:16:3e:00:00:02";
inline constexpr const char* kRemote = "fa:16:3e:00:00:03";
inline constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";

// Ports 1, 2: machines in segment 5 (VNI 1000). Port 3: a trunk with segment 5 as VLAN 50 and 6 as 60. Port 9: the uplink with
// VTEPs 7 and 8 over IPv4; port 10: one over IPv6 with VTEP 17. Port 20: the exception path of 9.
class WalkTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    batch_.full = true;
    abi::Port trunk = uplink(3, "02:00:00:00:00:09", nullptr);
    abi::Port tap = access_port(20);
    tap.kind = abi::PortKind::Wire;
    tap.peer = 9;
    abi::Port up4 = uplink(9, "02:00:00:00:00:01", "192.0.2.1");
    up4.peer = 20;
    up4.mtu = 1600;
    abi::Port up6 = uplink(10, "02:00:00:00:00:01", "2001:db8::1");
    up6.mtu = 1600;
    batch_.ports.put = {access_port(1), access_port(2), trunk, up4, up6, tap, access_port(4)};
    batch_.segments.put = {segment(5, 1000), segment(6, 0xfffffe), segment(11, 11)};
    batch_.attachments.put = {{.port = 1, .segment = 5},
                              {.port = 2, .segment = 5},
                              {.port = 3, .segment = 5, .vlan = 50},
                              {.port = 3, .segment = 6, .vlan = 60},
                              {.port = 4, .segment = 11}};
    batch_.vteps.put = {vtep(7, 9, "192.0.2.1", "192.0.2.2"), vtep(8, 9, "192.0.2.1", "192.0.2.3"),
                        vtep(17, 10, "2001:db8::1", "2001:db8::2")};
    batch_.vteps.put[2].udp_checksum = 1;
    batch_.floods.put = {{.segment = 5, .vtep = 7}, {.segment = 5, .vtep = 8}};
    batch_.fdb.put = {fdb(kVm1, 5, 1), fdb(kVm2, 5, 2), fdb(kRemote, 5, 0, 7), fdb("fa:16:3e:00:00:33", 5, 3),
                      fdb("fa:16:3e:00:00:66", 5, 0, 17),
                      // the same addresses in another segment
                      fdb(kVm1, 6, 3), fdb(kVm2, 6, 0, 7), fdb(kRemote, 11, 4)};
    apply();
  }
  void apply() {
    const Applied applied = rig_.program.apply(batch_);
    ASSERT_TRUE(applied.refused.empty()) << applied.refused.front();
  }
  // Sums of IPv4 header and UDP (0 or right), as a receiver checks them.
  static void expect_sums(const Bytes& packet) {
    const std::uint8_t* ip = packet.data() + 14;
    const bool v6 = (ip[0] >> 4U) == 6;
    const std::size_t header = v6 ? 40 : 20;
    if (!v6) {
      EXPECT_EQ(wire::checksum_fold(wire::checksum_add(0, ip, header)), 0);
    }
    const std::uint8_t* udp = ip + header;
    EXPECT_EQ(wire::load16(udp + 4), packet.size() - 14 - header);
    if (wire::load16(udp + 6) != 0) {
      std::uint64_t sum = std::uint64_t{17} << 8U;
      sum = wire::checksum_add(sum, ip + (v6 ? 8 : 12), v6 ? 32 : 8);
      sum += wire::load_raw<std::uint16_t>(udp + 4);
      EXPECT_EQ(wire::checksum_fold(wire::checksum_add(sum, udp, packet.size() - 14 - header)), 0);
    }
  }
  void expect_drop(PortIndex port, const Bytes& frame, Drop reason) {
    const std::uint64_t before = rig_.drops(port, reason);
    const Out out = rig_.one(port, frame);
    EXPECT_TRUE(out.dropped);
    EXPECT_EQ(kDropNames[static_cast<int>(out.drop)], std::string(kDropNames[static_cast<int>(reason)]));
    EXPECT_EQ(rig_.drops(port, reason), before + 1);
  }
  Batch batch_;
  Rig rig_{GetParam()};
};

}  // namespace ml2::fastpath
