// agent/ctl: frames as people describe them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/ctl/frame.h"

namespace ml2::ctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(FrameInHexadecimal, IsLeftAsItIs) {
  const std::string frame = "fa163e000002fa163e0000010806" + std::string(56, '0');
  EXPECT_EQ(frame_in_hexadecimal(frame), frame);
}

TEST(FrameInHexadecimal, OfADescription) {
  const auto frame = frame_in_hexadecimal(
      "icmp,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.4,nw_dst=10.0.0.5,icmp_type=8");
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_THAT(*frame, StartsWith("fa163e000002fa163e00000108004500"));
  EXPECT_EQ(frame->substr(44, 4), "4001") << "a TTL of 64, ICMP";
  EXPECT_EQ(frame->substr(52, 16), "0a0000040a000005");
}

TEST(FrameInHexadecimal, OfARequest) {
  const auto frame = frame_in_hexadecimal("arp,dl_dst=ff:ff:ff:ff:ff:ff,arp_spa=10.0.0.4,arp_tpa=10.0.0.5");
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_EQ(frame->substr(24, 4), "0806");
  EXPECT_EQ(frame->substr(40, 4), "0001");
}

TEST(FrameInHexadecimal, OfATag) {
  const auto frame = frame_in_hexadecimal("udp,dl_vlan=100,nw_dst=10.0.0.5,udp_dst=53");
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_EQ(frame->substr(24, 12), "810000640800");
}

TEST(FrameInHexadecimal, OfNonsenseSaysWhatIsExpected) {
  for (const char* text : {"xyz", "abc", "icmp,nw_dst=10.0.0", "dl_dst=fa:16"}) {
    const auto frame = frame_in_hexadecimal(text);
    ASSERT_FALSE(frame) << text;
    EXPECT_THAT(frame.error().message,
                AllOf(HasSubstr(text), HasSubstr("hexadecimal"), HasSubstr("nw_dst=10.0.0.5")));
  }
}

}  // namespace
}  // namespace ml2::ctl
