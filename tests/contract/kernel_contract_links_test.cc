// Contract of the Kernel seam: links and how they are made, changed, moved and taken away.
#include <gmock/gmock.h>

#include "tests/contract/kernel_backends.h"

namespace ml2::nl {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const Mac kMacA({0xfa, 0x16, 0x3e, 0, 0, 0x01});
const Mac kMacB({0xfa, 0x16, 0x3e, 0, 0, 0x02});

class KernelLinks : public KernelContract {};
INSTANTIATE_TEST_SUITE_P(, KernelLinks, ::testing::Values("fake", "real"),
                         [](const auto& test) { return test.param; });

TEST_P(KernelLinks, VethEndsAreDownThenRunWhenBothAreUp) {
  auto kernel = backend_->open(0, {});
  must(*kernel, CreateVeth{.name = "tap1", .peer_name = "eth1"});
  kernel->run();
  const Link* tap = find_link(*kernel->snapshot(), "tap1");
  const Link* eth = find_link(*kernel->snapshot(), "eth1");
  ASSERT_TRUE(tap != nullptr && eth != nullptr);
  EXPECT_EQ(tap->kind, "veth");
  EXPECT_EQ(tap->mtu, 1500U);
  EXPECT_EQ(tap->peer, eth->index);
  EXPECT_EQ(eth->peer, tap->index);
  EXPECT_EQ(tap->peer_netnsid, std::nullopt);
  EXPECT_FALSE(tap->up || eth->up || tap->running || eth->running);
  EXPECT_FALSE(tap->mac.is_zero());
  EXPECT_NE(tap->mac, eth->mac);

  must(*kernel, SetLink{.name = "tap1", .up = true});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) { return find_link(s, "tap1")->up; }));
  EXPECT_FALSE(find_link(*kernel->snapshot(), "tap1")->running);
  must(*kernel, SetLink{.name = "eth1", .up = true});
  EXPECT_TRUE(eventually(
      *kernel, [](const Snapshot& s) { return find_link(s, "tap1")->running && find_link(s, "eth1")->running; }));
  must(*kernel, SetLink{.name = "eth1", .up = false});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return !find_link(s, "tap1")->running; }));
}

TEST_P(KernelLinks, PeerIsBornInAnotherNamespace) {
  auto host = backend_->open(0, {});
  auto vm = backend_->open(1, {});
  must(*host, CreateVeth{.name = "tap1",
                         .peer_name = "eth0",
                         .peer_netns = backend_->netns(1),
                         .mac = kMacA,
                         .peer_mac = kMacB,
                         .mtu = 1450});
  host->run();
  vm->run();
  const Link* tap = find_link(*host->snapshot(), "tap1");
  const Link* eth = find_link(*vm->snapshot(), "eth0");
  ASSERT_TRUE(tap != nullptr && eth != nullptr);
  EXPECT_EQ(find_link(*host->snapshot(), "eth0"), nullptr);
  EXPECT_EQ(tap->mac, kMacA);
  EXPECT_EQ(tap->mtu, 1450U);
  EXPECT_TRUE(tap->peer_netnsid.has_value());
  EXPECT_EQ(tap->peer, eth->index);
  EXPECT_EQ(eth->mac, kMacB);
  EXPECT_EQ(eth->mtu, 1450U);

  must(*host, DeleteLink{.name = "tap1"});
  EXPECT_TRUE(eventually(*vm, [](const Snapshot& s) { return find_link(s, "eth0") == nullptr; }));
  EXPECT_TRUE(eventually(*host, [](const Snapshot& s) { return find_link(s, "tap1") == nullptr; }));
}

TEST_P(KernelLinks, MovesToAnotherNamespaceUnderANewName) {
  auto host = backend_->open(0, {});
  auto vm = backend_->open(1, {});
  must(*host, CreateVeth{.name = "tap1", .peer_name = "tmp1", .peer_mac = kMacB});
  must(*host, SetLink{.name = "tmp1", .up = true});
  must(*host, AddAddress{.link = "tmp1", .address = IpAddress::v4({10, 0, 0, 1}), .prefix_length = 24});
  host->run();
  ASSERT_TRUE(has_address(*host->snapshot(), IpAddress::v4({10, 0, 0, 1})));

  must(*host, MoveToNetns{.name = "tmp1", .netns = backend_->netns(1), .new_name = "eth0"});
  ASSERT_TRUE(eventually(*host, [](const Snapshot& s) { return find_link(s, "tmp1") == nullptr; }));
  ASSERT_TRUE(eventually(*vm, [](const Snapshot& s) { return find_link(s, "eth0") != nullptr; }));
  EXPECT_FALSE(has_address(*host->snapshot(), IpAddress::v4({10, 0, 0, 1})));
  EXPECT_FALSE(has_address(*vm->snapshot(), IpAddress::v4({10, 0, 0, 1})));
  const Link* eth = find_link(*vm->snapshot(), "eth0");
  EXPECT_EQ(eth->mac, kMacB);
  EXPECT_FALSE(eth->up);
  EXPECT_TRUE(eth->peer_netnsid.has_value());
}

TEST_P(KernelLinks, MtuMacAndAliasAreSet) {
  auto kernel = backend_->open(0, {});
  must(*kernel, CreateVeth{.name = "tap1", .peer_name = "eth1"});
  must(*kernel, SetLink{.name = "tap1", .up = true, .mtu = 1400, .mac = kMacA, .alias = "ml2-agent:port-1"});
  kernel->run();
  const Link* tap = find_link(*kernel->snapshot(), "tap1");
  ASSERT_NE(tap, nullptr);
  EXPECT_TRUE(tap->up);
  EXPECT_EQ(tap->mtu, 1400U);
  EXPECT_EQ(tap->mac, kMacA);
  EXPECT_EQ(tap->alias, "ml2-agent:port-1");

  must(*kernel, SetLink{.name = "tap1", .alias = ""});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return find_link(s, "tap1")->alias.empty(); }));
  // What was not named stays.
  EXPECT_EQ(find_link(*kernel->snapshot(), "tap1")->mtu, 1400U);
  EXPECT_TRUE(find_link(*kernel->snapshot(), "tap1")->up);
}

TEST_P(KernelLinks, RenameKeepsTheIndex) {
  auto kernel = backend_->open(0, {});
  must(*kernel, CreateVeth{.name = "a", .peer_name = "b"});
  kernel->run();
  const IfIndex index_a = find_link(*kernel->snapshot(), "a")->index;
  const IfIndex index_b = find_link(*kernel->snapshot(), "b")->index;
  must(*kernel, SetLink{.name = "a", .rename = "c"});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) { return find_link(s, "a") == nullptr; }));
  ASSERT_NE(find_link(*kernel->snapshot(), "c"), nullptr);
  EXPECT_EQ(find_link(*kernel->snapshot(), "c")->index, index_a);

  // Two names change places within one run().
  must(*kernel, SetLink{.name = "b", .rename = "a"});
  must(*kernel, SetLink{.name = "c", .rename = "b"});
  ASSERT_TRUE(eventually(*kernel, [&](const Snapshot& s) {
    const Link* b = find_link(s, "b");
    return b != nullptr && b->index == index_a;
  }));
  EXPECT_EQ(find_link(*kernel->snapshot(), "a")->index, index_b);
  EXPECT_EQ(find_link(*kernel->snapshot(), "c"), nullptr);
}

TEST_P(KernelLinks, TapIsPersistent) {
  auto kernel = backend_->open(0, {});
  must(*kernel, CreateTap{.name = "tap7", .owner = 0});
  must(*kernel, SetLink{.name = "tap7", .up = true, .mtu = 1450});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) {
    const Link* tap = find_link(s, "tap7");
    return tap != nullptr && tap->up;
  }));
  const Link* tap = find_link(*kernel->snapshot(), "tap7");
  EXPECT_EQ(tap->kind, "tun");
  EXPECT_EQ(tap->mtu, 1450U);
  EXPECT_FALSE(tap->running) << "nobody has it open";

  const Error again = error_from(*kernel, CreateTap{.name = "tap7"});
  EXPECT_EQ(again.kind, ErrorKind::Conflict);
  EXPECT_EQ(again.message, "cannot create tap 'tap7': File exists");
  must(*kernel, DeleteLink{.name = "tap7"});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return find_link(s, "tap7") == nullptr; }));
}

TEST_P(KernelLinks, TapIsMadeInTheNamespaceOfTheKernel) {
  auto vm = backend_->open(1, {});
  auto host = backend_->open(0, {});
  must(*vm, CreateTap{.name = "tap8", .multi_queue = true, .vnet_hdr = false});
  vm->run();
  host->run();
  EXPECT_NE(find_link(*vm->snapshot(), "tap8"), nullptr);
  EXPECT_EQ(find_link(*host->snapshot(), "tap8"), nullptr);
}

TEST_P(KernelLinks, BridgeTakesAndReleasesPorts) {
  auto kernel = backend_->open(0, {});
  must(*kernel, CreateBridge{.name = "br0"});
  must(*kernel, CreateVeth{.name = "p1", .peer_name = "p2"});
  must(*kernel, SetLink{.name = "p1", .master = "br0"});
  kernel->run();
  const Link* bridge = find_link(*kernel->snapshot(), "br0");
  ASSERT_NE(bridge, nullptr);
  EXPECT_EQ(bridge->kind, "bridge");
  EXPECT_EQ(find_link(*kernel->snapshot(), "p1")->master, bridge->index);

  must(*kernel, SetLink{.name = "p1", .master = ""});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return !find_link(s, "p1")->master; }));
  must(*kernel, SetLink{.name = "p1", .master = "br0"});
  must(*kernel, DeleteLink{.name = "br0"});
  EXPECT_TRUE(eventually(
      *kernel, [](const Snapshot& s) { return find_link(s, "br0") == nullptr && !find_link(s, "p1")->master; }));
}

TEST_P(KernelLinks, DummyOrAClearReason) {
  auto kernel = backend_->open(0, {});
  Batch batch;
  batch.add(CreateDummy{.name = "dummy7"});
  if (const Status status = kernel->apply(batch); !status) {
    EXPECT_EQ(status.error().kind, ErrorKind::Invalid);
    EXPECT_THAT(status.error().message, StartsWith("cannot create dummy 'dummy7': Operation not supported"));
    EXPECT_THAT(status.error().message, HasSubstr("this kernel has no driver for such a device"));
    return;
  }
  kernel->run();
  ASSERT_NE(find_link(*kernel->snapshot(), "dummy7"), nullptr);
  EXPECT_EQ(find_link(*kernel->snapshot(), "dummy7")->kind, "dummy");
}

TEST_P(KernelLinks, OffloadsAreSetInsideTheVm) {
  auto host = backend_->open(0, {});
  auto vm = backend_->open(1, {});
  must(*host, CreateVeth{.name = "tap1", .peer_name = "eth0", .peer_netns = backend_->netns(1)});
  EXPECT_EQ(vm->offloads("eth0").value(), (Offloads{true, true, true}));
  must(*vm, SetOffloads{.link = "eth0"});
  EXPECT_EQ(vm->offloads("eth0").value(), (Offloads{false, false, false}));
  EXPECT_EQ(host->offloads("tap1").value(), (Offloads{true, true, true}));
  must(*vm, SetOffloads{.link = "eth0", .tx_checksum = true, .tso = true, .gso = true});
  EXPECT_EQ(vm->offloads("eth0").value(), (Offloads{true, true, true}));

  const auto none = vm->offloads("eth9");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(none.error().message, "cannot read the offloads of 'eth9': No such device");
  EXPECT_EQ(error_from(*vm, SetOffloads{.link = "eth9"}).kind, ErrorKind::Invalid);
}

TEST_P(KernelLinks, ErrorsNameTheOperationAndTheReason) {
  auto kernel = backend_->open(0, {});
  must(*kernel, CreateVeth{.name = "tap1", .peer_name = "eth1"});

  const Error exists = error_from(*kernel, CreateVeth{.name = "tap1", .peer_name = "eth2"});
  EXPECT_EQ(exists.kind, ErrorKind::Conflict);
  EXPECT_THAT(exists.message, StartsWith("cannot create veth 'tap1' with peer 'eth2': File exists"));
  const Error peer_exists = error_from(*kernel, CreateVeth{.name = "tap2", .peer_name = "eth1"});
  EXPECT_EQ(peer_exists.kind, ErrorKind::Conflict);

  const Error missing = error_from(*kernel, SetLink{.name = "tap9", .up = true});
  EXPECT_EQ(missing.kind, ErrorKind::Invalid);
  EXPECT_EQ(missing.message, "cannot set link 'tap9' up: No such device");
  EXPECT_EQ(error_from(*kernel, DeleteLink{.name = "tap9"}).message, "cannot delete link 'tap9': No such device");

  const Error rename = error_from(*kernel, SetLink{.name = "tap1", .rename = "eth1"});
  EXPECT_EQ(rename.kind, ErrorKind::Conflict);
  const Error master = error_from(*kernel, SetLink{.name = "tap1", .master = "br9"});
  EXPECT_EQ(master.kind, ErrorKind::Invalid);
  EXPECT_EQ(master.message, "cannot set link 'tap1' master 'br9': No such device (master br9)");

  const auto nowhere = *NetnsRef::make_named("ml2-contract-no-such-namespace");
  const Error no_netns = error_from(*kernel, MoveToNetns{.name = "tap1", .netns = nowhere});
  EXPECT_EQ(no_netns.kind, ErrorKind::Invalid);
  EXPECT_EQ(no_netns.message,
            "cannot move link 'tap1' to namespace 'ml2-contract-no-such-namespace': No such file or directory "
            "(network namespace /run/netns/ml2-contract-no-such-namespace)");
  EXPECT_EQ(error_from(*kernel, CreateVeth{.name = "a", .peer_name = "b", .peer_netns = nowhere}).kind,
            ErrorKind::Invalid);

  const Error lo = error_from(*kernel, DeleteLink{.name = "lo"});
  EXPECT_EQ(lo.kind, ErrorKind::Invalid);
  EXPECT_EQ(lo.message, "cannot delete link 'lo': Operation not supported");

  const Error long_name = error_from(*kernel, CreateTap{.name = "a-name-too-long-for-linux"});
  EXPECT_EQ(long_name.kind, ErrorKind::Invalid);
  EXPECT_THAT(long_name.message, HasSubstr("1 to 15 bytes"));
}

TEST_P(KernelLinks, BatchStopsAtTheOperationThatFails) {
  auto kernel = backend_->open(0, {});
  Batch batch;
  batch.add(CreateVeth{.name = "a", .peer_name = "b"});
  batch.add(DeleteLink{.name = "none"});
  batch.add(DeleteLink{.name = "a"});
  const Status status = kernel->apply(batch);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "cannot delete link 'none': No such device; of the 3 operations of this batch 1 were done and 1 were "
            "not tried");
  kernel->run();
  EXPECT_NE(find_link(*kernel->snapshot(), "a"), nullptr);
}

TEST_P(KernelLinks, WithoutRightsNamesTheCapability) {
  auto kernel = backend_->open(0, {});
  Batch batch;
  batch.add(CreateVeth{.name = "a", .peer_name = "b"});
  const Status status = backend_->apply_without_rights(*kernel, batch);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::Fatal);
  EXPECT_THAT(status.error().message, HasSubstr("Operation not permitted"));
  EXPECT_THAT(status.error().message, HasSubstr("CAP_NET_ADMIN"));
  kernel->run();
  EXPECT_EQ(find_link(*kernel->snapshot(), "a"), nullptr);
}

}  // namespace
}  // namespace ml2::nl
