// The fault menu of FakeKernel, and the devices that no operation makes.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/fakes/fake_kernel.h"

namespace ml2::nl {
namespace {

const Mac kMac({0x52, 0x54, 0, 0, 0, 1});

Batch one(Operation operation) {
  Batch batch;
  batch.add(std::move(operation));
  return batch;
}

TEST(FakeKernelTest, FailsTheNextOperationOfAType) {
  FakeHost host;
  FakeKernel kernel(host);
  kernel.fail_next<SetLink>(EBUSY);
  EXPECT_TRUE(kernel.apply(one(CreateBridge{.name = "br0"})));
  const Status busy = kernel.apply(one(SetLink{.name = "br0", .up = true}));
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().kind, ErrorKind::Transient);
  kernel.run();
  EXPECT_FALSE(find_link(*kernel.snapshot(), "br0")->up);
  EXPECT_TRUE(kernel.apply(one(SetLink{.name = "br0", .up = true})));
  EXPECT_EQ(kernel.operations_done(), 2U);
  kernel.run();
  EXPECT_TRUE(find_link(*kernel.snapshot(), "br0")->up);
}

TEST(FakeKernelTest, FailsTheNextOperationOfAnyType) {
  FakeHost host;
  FakeKernel kernel(host);
  kernel.fail_next_operation(EPERM);
  EXPECT_EQ(kernel.apply(one(CreateTap{.name = "t"})).error().kind, ErrorKind::Fatal);
  EXPECT_TRUE(kernel.apply(one(CreateTap{.name = "t"})));
}

TEST(FakeKernelTest, AReadThatFailsKeepsTheOldSnapshot) {
  FakeHost host;
  FakeKernel kernel(host);
  kernel.fail_next_read();
  kernel.run();
  EXPECT_EQ(kernel.snapshot(), nullptr);
  ASSERT_FALSE(kernel.status());
  EXPECT_EQ(kernel.status().error().kind, ErrorKind::Transient);
  kernel.run();
  EXPECT_TRUE(kernel.status());
  ASSERT_NE(kernel.snapshot(), nullptr);
  EXPECT_EQ(kernel.full_reads(), 1U);

  ASSERT_TRUE(kernel.apply(one(CreateTap{.name = "t"})));
  kernel.fail_next_read();
  kernel.run();
  EXPECT_EQ(find_link(*kernel.snapshot(), "t"), nullptr);
  kernel.run();
  EXPECT_NE(find_link(*kernel.snapshot(), "t"), nullptr);
  EXPECT_EQ(kernel.full_reads(), 2U);
}

TEST(FakeKernelTest, HardwareHasACarrierAndCannotBeDeleted) {
  FakeHost host;
  const IfIndex eth1 = host.add_device("eth1", kMac);
  FakeKernel kernel(host);
  ASSERT_TRUE(kernel.apply(one(SetLink{.name = "eth1", .up = true})));
  kernel.run();
  EXPECT_EQ(find_link(*kernel.snapshot(), "eth1")->index, eth1);
  EXPECT_EQ(find_link(*kernel.snapshot(), "eth1")->mac, kMac);
  EXPECT_TRUE(find_link(*kernel.snapshot(), "eth1")->running);
  host.set_carrier("eth1", false);
  kernel.run();
  EXPECT_FALSE(find_link(*kernel.snapshot(), "eth1")->running);
  EXPECT_FALSE(kernel.apply(one(DeleteLink{.name = "eth1"})));
}

}  // namespace
}  // namespace ml2::nl
