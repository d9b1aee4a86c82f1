// Contract of the Kernel seam: reading, notifications, addresses, routes, neighbours, FDB.
#include <gmock/gmock.h>

#include "datapath/base/poll_loop.h"
#include "datapath/netlink/next_hop.h"
#include "tests/contract/kernel_backends.h"

namespace ml2::nl {
namespace {

using ::testing::StartsWith;

const IpAddress kFirst = IpAddress::v4({10, 1, 0, 1});
const IpAddress kGateway = IpAddress::v4({10, 1, 0, 2});
const IpAddress kOtherGateway = IpAddress::v4({10, 1, 0, 3});
const Mac kMacA({0xfa, 0x16, 0x3e, 0, 0, 0x01});
const Mac kMacB({0xfa, 0x16, 0x3e, 0, 0, 0x02});

IpNetwork network(const char* text) { return IpNetwork::parse(text).value(); }
IpAddress address(const char* text) { return IpAddress::parse(text).value(); }

class KernelState : public KernelContract {
 protected:
  // A veth pair, both ends up, 10.1.0.1/24 and 2001:db8:1::1/64 on the first.
  void make_wired_pair(Kernel& kernel) {
    must(kernel, CreateVeth{.name = "v1", .peer_name = "v2"});
    must(kernel, SetLink{.name = "v2", .up = true});
    must(kernel, SetLink{.name = "v1", .up = true});
    must(kernel, AddAddress{.link = "v1", .address = kFirst, .prefix_length = 24});
    must(kernel, AddAddress{.link = "v1", .address = address("2001:db8:1::1"), .prefix_length = 64});
  }
  static const Route* route_to(const Snapshot& snapshot, const char* dst) {
    for (const Route& route : snapshot.routes) {
      if (route.dst == network(dst)) return &route;
    }
    return nullptr;
  }
  static std::vector<FdbEntry> entries_of(const Snapshot& snapshot, const Mac& mac) {
    std::vector<FdbEntry> found;
    for (const auto& [key, entry] : snapshot.fdb) {
      if (entry.mac == mac) found.push_back(entry);
    }
    return found;
  }
};
INSTANTIATE_TEST_SUITE_P(, KernelState, ::testing::Values("fake", "real"),
                         [](const auto& test) { return test.param; });

TEST_P(KernelState, NothingUntilTheFirstReadThenEverything) {
  auto kernel = backend_->open(0, Monitor::all());
  EXPECT_EQ(kernel->snapshot(), nullptr);
  EXPECT_EQ(kernel->sequence(), 0U);
  EXPECT_EQ(kernel->full_reads(), 0U);
  kernel->run();
  ASSERT_NE(kernel->snapshot(), nullptr);
  EXPECT_EQ(kernel->sequence(), 1U);
  EXPECT_EQ(kernel->full_reads(), 1U);
  EXPECT_TRUE(kernel->status());
  const Link* lo = find_link(*kernel->snapshot(), "lo");
  ASSERT_NE(lo, nullptr);
  EXPECT_EQ(lo->index.value(), 1U);
  EXPECT_EQ(lo->kind, "");
  EXPECT_FALSE(lo->up);
  // Nothing changes: nothing is told.
  kernel->run();
  EXPECT_EQ(kernel->sequence(), 1U);
}

TEST_P(KernelState, ChangesOfOthersWakeTheLoopAndAreSeen) {
  auto watcher = backend_->open(0, {});
  auto other = backend_->open(0, {});
  watcher->run();
  const std::uint64_t before = watcher->sequence();
  must(*other, CreateVeth{.name = "a", .peer_name = "b"});
  // The loop sleeps until there is something to read; without a wake-up this ends with the deadline.
  EXPECT_TRUE(wait_until({watcher.get()}, [&] { return find_link(*watcher->snapshot(), "b") != nullptr; }));
  EXPECT_GT(watcher->sequence(), before);

  const std::uint64_t created = watcher->sequence();
  must(*other, AddAddress{.link = "a", .address = kFirst, .prefix_length = 24});
  EXPECT_TRUE(wait_until({watcher.get()}, [&] { return has_address(*watcher->snapshot(), kFirst); }));
  EXPECT_GT(watcher->sequence(), created);
  must(*other, DeleteLink{.name = "a"});
  EXPECT_TRUE(wait_until({watcher.get()}, [&] {
    return find_link(*watcher->snapshot(), "a") == nullptr && !has_address(*watcher->snapshot(), kFirst);
  }));
  EXPECT_EQ(watcher->full_reads(), 1U);
}

TEST_P(KernelState, OnlyWhatIsMonitoredIsThere) {
  auto all = backend_->open(0, Monitor::all());
  auto links_only = backend_->open(0, {.addresses = false});
  auto usual = backend_->open(0, {});
  make_wired_pair(*all);
  must(*all, ReplaceNeighbour{.link = "v1", .address = kGateway, .mac = kMacA});
  for (Kernel* kernel : {all.get(), links_only.get(), usual.get()}) {
    ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) { return find_link(s, "v1") != nullptr; }));
  }
  EXPECT_TRUE(has_address(*all->snapshot(), kFirst));
  EXPECT_FALSE(all->snapshot()->routes.empty());
  EXPECT_FALSE(all->snapshot()->neighbours.empty());
  EXPECT_TRUE(has_address(*usual->snapshot(), kFirst));
  EXPECT_TRUE(usual->snapshot()->routes.empty() && usual->snapshot()->neighbours.empty() &&
              usual->snapshot()->fdb.empty());
  EXPECT_TRUE(links_only->snapshot()->addresses.empty());
}

TEST_P(KernelState, AddressesOfBothFamilies) {
  auto kernel = backend_->open(0, {});
  make_wired_pair(*kernel);
  must(*kernel, AddAddress{.link = "v2", .address = address("192.168.100.20"), .prefix_length = 32});
  kernel->run();
  const Snapshot& snapshot = *kernel->snapshot();
  EXPECT_TRUE(has_address(snapshot, kFirst));
  EXPECT_TRUE(has_address(snapshot, address("2001:db8:1::1")));
  EXPECT_FALSE(has_address(snapshot, kGateway));
  ASSERT_NE(link_with_address(snapshot, address("192.168.100.20")), nullptr);
  EXPECT_EQ(link_with_address(snapshot, address("192.168.100.20"))->name, "v2");
  EXPECT_EQ(link_with_address(snapshot, kGateway), nullptr);
  const auto it = snapshot.addresses.find({find_link(snapshot, "v1")->index, kFirst, 24});
  ASSERT_NE(it, snapshot.addresses.end());
  EXPECT_EQ(it->second.scope, Scope::Global);

  const Error again = error_from(*kernel, AddAddress{.link = "v1", .address = kFirst, .prefix_length = 24});
  EXPECT_EQ(again.kind, ErrorKind::Conflict);
  EXPECT_THAT(again.message, StartsWith("cannot add address 10.1.0.1/24 to 'v1': File exists"));
  must(*kernel, DeleteAddress{.link = "v1", .address = kFirst, .prefix_length = 24});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return !has_address(s, kFirst); }));
  const Error gone = error_from(*kernel, DeleteAddress{.link = "v1", .address = kFirst, .prefix_length = 24});
  EXPECT_EQ(gone.kind, ErrorKind::Invalid);
  EXPECT_THAT(gone.message,
              StartsWith("cannot delete address 10.1.0.1/24 from 'v1': Cannot assign requested address"));
  EXPECT_EQ(error_from(*kernel, AddAddress{.link = "v9", .address = kFirst, .prefix_length = 24}).message,
            "cannot add address 10.1.0.1/24 to 'v9': No such device");
}

TEST_P(KernelState, LoopbackGetsItsAddressesWhenItComesUp) {
  auto kernel = backend_->open(1, {});
  must(*kernel, SetLink{.name = "lo", .up = true});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) {
    return has_address(s, address("127.0.0.1")) && has_address(s, address("::1"));
  }));
  EXPECT_EQ(kernel->snapshot()->addresses.at({IfIndex::of<1>(), address("127.0.0.1"), 8}).scope, Scope::Host);
}

TEST_P(KernelState, RoutesAreReplacedAndGoWithTheLink) {
  auto kernel = backend_->open(0, Monitor::all());
  make_wired_pair(*kernel);
  must(*kernel, ReplaceRoute{.dst = network("192.0.2.0/24"), .gateway = kGateway, .link = "v1"});
  must(*kernel, ReplaceRoute{.dst = network("198.51.100.0/24"), .link = "v1", .priority = 7});
  must(*kernel, ReplaceRoute{.dst = network("2001:db8:2::/64"), .gateway = address("2001:db8:1::2"), .link = "v1"});
  kernel->run();
  const IfIndex v1 = find_link(*kernel->snapshot(), "v1")->index;
  const Route* connected = route_to(*kernel->snapshot(), "10.1.0.0/24");
  ASSERT_NE(connected, nullptr);
  EXPECT_EQ(*connected, (Route{.dst = network("10.1.0.0/24"), .oif = v1, .protocol = kProtocolKernel}));
  const Route* route = route_to(*kernel->snapshot(), "192.0.2.0/24");
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(*route, (Route{.dst = network("192.0.2.0/24"), .gateway = kGateway, .oif = v1}));
  ASSERT_NE(route_to(*kernel->snapshot(), "198.51.100.0/24"), nullptr);
  EXPECT_EQ(route_to(*kernel->snapshot(), "198.51.100.0/24")->priority, 7U);
  ASSERT_NE(route_to(*kernel->snapshot(), "2001:db8:2::/64"), nullptr);
  EXPECT_EQ(route_to(*kernel->snapshot(), "2001:db8:2::/64")->priority, 1024U);

  must(*kernel, ReplaceRoute{.dst = network("192.0.2.0/24"), .gateway = kOtherGateway});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) {
    const Route* now = route_to(s, "192.0.2.0/24");
    return now != nullptr && now->gateway == kOtherGateway;
  }));
  must(*kernel, DeleteRoute{.dst = network("198.51.100.0/24")});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return route_to(s, "198.51.100.0/24") == nullptr; }));
  EXPECT_EQ(error_from(*kernel, DeleteRoute{.dst = network("198.51.100.0/24")}).message,
            "cannot delete route 198.51.100.0/24: No such process");

  // The kernel tells nothing of the IPv4 routes that go with a link.
  must(*kernel, SetLink{.name = "v1", .up = false});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) {
    return route_to(s, "192.0.2.0/24") == nullptr && route_to(s, "10.1.0.0/24") == nullptr &&
           route_to(s, "2001:db8:2::/64") == nullptr;
  }));
  EXPECT_EQ(error_from(*kernel, ReplaceRoute{.dst = network("192.0.2.0/24"), .link = "v1"}).kind,
            ErrorKind::Transient);
  const Error far = error_from(*kernel, ReplaceRoute{.dst = network("192.0.2.0/24"), .gateway = kGateway});
  EXPECT_EQ(far.kind, ErrorKind::Invalid);
  EXPECT_THAT(far.message, StartsWith("cannot set route 192.0.2.0/24 via 10.1.0.2: Network is unreachable"));
}

TEST_P(KernelState, NeighboursAreSetAndDeleted) {
  auto kernel = backend_->open(0, Monitor::all());
  make_wired_pair(*kernel);
  must(*kernel, ReplaceNeighbour{.link = "v1", .address = kGateway, .mac = kMacA});
  must(*kernel, ReplaceNeighbour{.link = "v1", .address = address("2001:db8:1::2"), .mac = kMacB});
  kernel->run();
  const IfIndex v1 = find_link(*kernel->snapshot(), "v1")->index;
  const auto& neighbours = kernel->snapshot()->neighbours;
  ASSERT_TRUE(neighbours.contains({v1, kGateway}));
  EXPECT_EQ(neighbours.at({v1, kGateway}),
            (Neighbour{.link = v1, .address = kGateway, .mac = kMacA, .state = NeighbourState::Permanent}));
  EXPECT_TRUE(neighbours.contains({v1, address("2001:db8:1::2")}));

  must(*kernel, ReplaceNeighbour{.link = "v1", .address = kGateway, .mac = kMacB});
  EXPECT_TRUE(eventually(*kernel, [&](const Snapshot& s) { return s.neighbours.at({v1, kGateway}).mac == kMacB; }));
  must(*kernel, DeleteNeighbour{.link = "v1", .address = kGateway});
  EXPECT_TRUE(eventually(*kernel, [&](const Snapshot& s) { return !s.neighbours.contains({v1, kGateway}); }));
  const Error gone = error_from(*kernel, DeleteNeighbour{.link = "v1", .address = kOtherGateway});
  EXPECT_EQ(gone.kind, ErrorKind::Invalid);
  EXPECT_THAT(gone.message, StartsWith("cannot delete neighbour 10.1.0.3 of 'v1': No such file or directory"));
}

TEST_P(KernelState, ANeighbourIsAskedForAndItsAnswerIsSeen) {
  auto kernel = backend_->open(0, Monitor::all());
  auto there = backend_->open(1, {});
  must(*kernel, CreateVeth{.name = "v1", .peer_name = "v2", .peer_netns = backend_->netns(1), .peer_mac = kMacB});
  must(*there, AddAddress{.link = "v2", .address = kGateway, .prefix_length = 24});
  must(*there, SetLink{.name = "v2", .up = true});
  must(*kernel, SetLink{.name = "v1", .up = true});
  must(*kernel, AddAddress{.link = "v1", .address = kFirst, .prefix_length = 24});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) {
    const Link* v1 = find_link(s, "v1");
    return v1 != nullptr && v1->running && !s.routes.empty();
  }));
  const auto hop = [&](const Snapshot& s) { return find_next_hop(s, kGateway); };
  ASSERT_TRUE(hop(*kernel->snapshot()));
  EXPECT_EQ(hop(*kernel->snapshot())->address, kGateway);
  EXPECT_EQ(hop(*kernel->snapshot())->mac, std::nullopt);
  must(*kernel, ResolveNeighbour{.link = "v1", .address = kGateway});
  EXPECT_TRUE(eventually(*kernel, [&](const Snapshot& s) { return hop(s)->mac == kMacB; }));

  must(*kernel, ResolveNeighbour{.link = "v1", .address = kOtherGateway});  // nobody answers, and that is no error
  EXPECT_EQ(find_next_hop(*kernel->snapshot(), address("192.0.2.1")), std::nullopt);
  must(*kernel, ReplaceRoute{.dst = network("192.0.2.0/24"), .gateway = kGateway});
  EXPECT_TRUE(eventually(*kernel, [&](const Snapshot& s) {
    const auto way = find_next_hop(s, address("192.0.2.1"));
    return way && way->address == kGateway && way->mac == kMacB;
  }));
  EXPECT_EQ(error_from(*kernel, ResolveNeighbour{.link = "gone", .address = kGateway}).kind, ErrorKind::Invalid);
}

TEST_P(KernelState, VxlanFdbFloodsToManyAndForwardsToOne) {
  auto kernel = backend_->open(0, Monitor::all());
  must(*kernel, CreateVxlan{.name = "vx", .vni = TunnelKey::of<42>(), .local = kFirst, .learning = false});
  must(*kernel, SetLink{.name = "vx", .up = true});
  must(*kernel, ReplaceFdb{.link = "vx", .mac = Mac(), .dst = kGateway});
  must(*kernel, ReplaceFdb{.link = "vx", .mac = Mac(), .dst = kOtherGateway});
  must(*kernel, ReplaceFdb{.link = "vx", .mac = Mac(), .dst = kOtherGateway});  // once more is no error
  must(*kernel, ReplaceFdb{.link = "vx", .mac = kMacA, .dst = kGateway});
  must(*kernel, ReplaceFdb{.link = "vx", .mac = kMacB, .dst = kGateway, .vni = TunnelKey::of<43>()});
  kernel->run();
  const Link* vx = find_link(*kernel->snapshot(), "vx");
  ASSERT_NE(vx, nullptr);
  EXPECT_EQ(vx->kind, "vxlan");
  EXPECT_EQ(entries_of(*kernel->snapshot(), Mac()).size(), 2U);
  ASSERT_EQ(entries_of(*kernel->snapshot(), kMacA).size(), 1U);
  EXPECT_EQ(entries_of(*kernel->snapshot(), kMacA)[0],
            (FdbEntry{.link = vx->index, .mac = kMacA, .dst = kGateway, .state = FdbState::Permanent}));
  ASSERT_EQ(entries_of(*kernel->snapshot(), kMacB).size(), 1U);
  EXPECT_EQ(entries_of(*kernel->snapshot(), kMacB)[0].vni, TunnelKey::of<43>());

  // The MAC moved to another VTEP.
  must(*kernel, ReplaceFdb{.link = "vx", .mac = kMacA, .dst = kOtherGateway});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) {
    const auto entries = entries_of(s, kMacA);
    return entries.size() == 1 && entries[0].dst == kOtherGateway;
  }));
  must(*kernel, DeleteFdb{.link = "vx", .mac = Mac(), .dst = kGateway});
  ASSERT_TRUE(eventually(*kernel, [](const Snapshot& s) { return entries_of(s, Mac()).size() == 1; }));
  EXPECT_EQ(entries_of(*kernel->snapshot(), Mac())[0].dst, kOtherGateway);
  must(*kernel, DeleteFdb{.link = "vx", .mac = kMacA});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return entries_of(s, kMacA).empty(); }));
  const Error gone = error_from(*kernel, DeleteFdb{.link = "vx", .mac = kMacA, .dst = kGateway});
  EXPECT_EQ(gone.kind, ErrorKind::Invalid);
  EXPECT_THAT(gone.message,
              StartsWith("cannot delete FDB entry fa:16:3e:00:00:01 of 'vx' to 10.1.0.2: No such file"));
  must(*kernel, DeleteLink{.name = "vx"});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return entries_of(s, Mac()).empty(); }));
}

TEST_P(KernelState, BridgeFdbMovesFromPortToPort) {
  auto kernel = backend_->open(0, Monitor::all());
  must(*kernel, CreateBridge{.name = "br0"});
  must(*kernel, CreateVeth{.name = "p1", .peer_name = "q1"});
  must(*kernel, CreateVeth{.name = "p2", .peer_name = "q2"});
  must(*kernel, SetLink{.name = "p1", .master = "br0"});
  must(*kernel, SetLink{.name = "p2", .master = "br0"});
  must(*kernel, ReplaceFdb{.link = "p1", .mac = kMacA, .in_bridge = true});
  kernel->run();
  const IfIndex bridge = find_link(*kernel->snapshot(), "br0")->index;
  const IfIndex p1 = find_link(*kernel->snapshot(), "p1")->index;
  const IfIndex p2 = find_link(*kernel->snapshot(), "p2")->index;
  ASSERT_EQ(entries_of(*kernel->snapshot(), kMacA).size(), 1U);
  EXPECT_EQ(entries_of(*kernel->snapshot(), kMacA)[0],
            (FdbEntry{.link = p1, .mac = kMacA, .bridge = bridge, .state = FdbState::Static}));

  must(*kernel, ReplaceFdb{.link = "p2", .mac = kMacA, .in_bridge = true});
  ASSERT_TRUE(eventually(*kernel, [&](const Snapshot& s) {
    const auto entries = entries_of(s, kMacA);
    return entries.size() == 1 && entries[0].link == p2;
  }));
  must(*kernel, DeleteFdb{.link = "p2", .mac = kMacA, .in_bridge = true});
  EXPECT_TRUE(eventually(*kernel, [](const Snapshot& s) { return entries_of(s, kMacA).empty(); }));
  EXPECT_EQ(error_from(*kernel, ReplaceFdb{.link = "q1", .mac = kMacA, .in_bridge = true}).kind, ErrorKind::Invalid);
}

// What is followed by notifications is what a fresh reader sees.
TEST_P(KernelState, FollowedEqualsFreshlyRead) {
  auto kernel = backend_->open(0, Monitor::all());
  kernel->run();
  make_wired_pair(*kernel);
  must(*kernel, SetLink{.name = "lo", .up = true});
  must(*kernel, CreateBridge{.name = "br0"});
  must(*kernel, SetLink{.name = "br0", .up = true});
  must(*kernel, CreateVeth{.name = "p1", .peer_name = "eth0", .peer_netns = backend_->netns(1)});
  must(*kernel, SetLink{.name = "p1", .up = true, .alias = "ml2", .master = "br0"});
  must(*kernel, ReplaceFdb{.link = "p1", .mac = kMacA, .in_bridge = true});
  must(*kernel, CreateVxlan{.name = "vx", .vni = TunnelKey::of<42>()});
  must(*kernel, SetLink{.name = "vx", .up = true, .master = "br0"});
  must(*kernel, ReplaceFdb{.link = "vx", .mac = Mac(), .dst = kGateway});
  must(*kernel, CreateTap{.name = "tap1"});
  must(*kernel, ReplaceRoute{.dst = network("192.0.2.0/24"), .gateway = kGateway});
  must(*kernel, ReplaceNeighbour{.link = "v1", .address = kGateway, .mac = kMacA});
  const auto settled = [&] {
    auto fresh = backend_->open(0, Monitor::all());
    fresh->run();
    return fresh->snapshot() != nullptr && kernel->snapshot() != nullptr && *fresh->snapshot() == *kernel->snapshot();
  };
  EXPECT_TRUE(wait_until({kernel.get()}, settled)) << to_string(*kernel->snapshot());

  must(*kernel, SetLink{.name = "v1", .up = false});
  must(*kernel, SetLink{.name = "p1", .master = ""});
  must(*kernel, DeleteLink{.name = "br0"});
  must(*kernel, SetLink{.name = "tap1", .rename = "tap2"});
  must(*kernel, SetLink{.name = "v1", .up = true});
  EXPECT_TRUE(wait_until({kernel.get()}, settled)) << to_string(*kernel->snapshot());

  must(*kernel, DeleteLink{.name = "v2"});
  must(*kernel, DeleteLink{.name = "vx"});
  must(*kernel, MoveToNetns{.name = "tap2", .netns = backend_->netns(1)});
  EXPECT_TRUE(wait_until({kernel.get()}, settled)) << to_string(*kernel->snapshot());
  EXPECT_EQ(kernel->full_reads(), 1U);
}

TEST_P(KernelState, LostNotificationsLeadToARightSnapshot) {
  auto forgetful = backend_->open_forgetful();
  auto other = backend_->open(0, {});
  forgetful->run();
  ASSERT_NE(forgetful->snapshot(), nullptr);
  Batch storm;
  for (int i = 0; i < 100; ++i) {
    const std::string number = std::to_string(i);
    storm.add(CreateVeth{.name = "a" + number, .peer_name = "b" + number});
    if (i % 2 == 1) storm.add(DeleteLink{.name = "a" + number});
  }
  storm.add(SetLink{.name = "a98", .rename = "last"});
  const Status status = other->apply(storm);
  ASSERT_TRUE(status) << status.error().message;
  backend_->after_storm(*forgetful);

  const std::uint64_t before = forgetful->sequence();
  EXPECT_TRUE(wait_until({forgetful.get()}, [&] { return find_link(*forgetful->snapshot(), "last") != nullptr; }));
  EXPECT_GE(forgetful->full_reads(), 2U);
  EXPECT_GT(forgetful->sequence(), before);
  other->run();
  EXPECT_EQ(forgetful->snapshot()->links.size(), 101U);  // 50 pairs and lo
  EXPECT_TRUE(wait_until({forgetful.get(), other.get()},
                         [&] { return forgetful->snapshot()->links == other->snapshot()->links; }));
}

}  // namespace
}  // namespace ml2::nl
