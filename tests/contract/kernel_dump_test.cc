// NlSocket against the real kernel: a dump of a table that changes meanwhile is known as such.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <optional>

#include "datapath/netlink/nl_kernel_device.h"
#include "datapath/netlink/nl_kernel_socket.h"
#include "tests/contract/kernel_backends.h"

namespace ml2::nl {
namespace {

class KernelDump : public KernelContract {};
INSTANTIATE_TEST_SUITE_P(, KernelDump, ::testing::Values("real"), [](const auto& test) { return test.param; });

TEST_P(KernelDump, AChangeInTheMiddleIsSeenAsAnInterruption) {
  constexpr int kAddresses = 1500;  // several datagrams of a dump
  auto kernel = backend_->open(0, {});
  must(*kernel, SetLink{.name = "lo", .up = true});
  must(*kernel, AddAddress{.link = "lo", .address = IpAddress::v4({10, 1, 0, 1}), .prefix_length = 32});
  Batch batch;
  for (int i = 0; i < kAddresses; ++i) {
    const auto ip =
        IpAddress::v4({127, 1, static_cast<std::uint8_t>(i / 200), static_cast<std::uint8_t>(1 + i % 200)});
    batch.add(AddAddress{.link = "lo", .address = ip, .prefix_length = 32});
  }
  const Status filled = kernel->apply(batch);
  ASSERT_TRUE(filled) << filled.error().message;

  std::optional<NlSocket> socket;
  UniqueFd netns;
  ASSERT_TRUE(open_netns(backend_->netns(0), &netns).ok());
  const Ack entered = in_netns(netns.get(), [&] {
    if (auto opened = NlSocket::open()) socket = std::move(*opened);
    return Ack();
  });
  ASSERT_TRUE(entered.ok() && socket);

  // Deletes an address when the first message has come; the kernel has then not looked at most of the others.
  const auto count = [&](bool disturb, bool* interrupted) {
    int messages = 0;
    NlMessage request(RTM_GETADDR, 0);
    request.header(ifaddrmsg{});
    const Ack ack = socket->dump(
        request,
        [&](nlmsghdr*) {
          if (messages++ == 0 && disturb) {
            must(*kernel, DeleteAddress{.link = "lo", .address = IpAddress::v4({10, 1, 0, 1}), .prefix_length = 32});
          }
        },
        interrupted);
    EXPECT_TRUE(ack.ok()) << ack.error_number << ack.detail;
    return messages;
  };
  bool interrupted = true;
  constexpr int kOthers = 3;  // 127.0.0.1, ::1, 10.1.0.1
  EXPECT_EQ(count(false, &interrupted), kAddresses + kOthers);
  EXPECT_FALSE(interrupted);
  EXPECT_LE(count(true, &interrupted), kAddresses + kOthers);  // kernels differ in what they pass over
  EXPECT_TRUE(interrupted);
  EXPECT_EQ(count(false, &interrupted), kAddresses + kOthers - 1);
  EXPECT_FALSE(interrupted);
}

}  // namespace
}  // namespace ml2::nl
