// The values of datapath/netlink: how they print, what they refuse, how a Snapshot keeps identities apart.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "datapath/netlink/batch.h"
#include "datapath/netlink/types.h"

namespace ml2::nl {
namespace {

const Mac kMac({0xfa, 0x16, 0x3e, 0, 0, 0x01});
const IpAddress kIp = IpAddress::v4({10, 0, 0, 1});
const IpAddress kIp6 = IpAddress::parse("2001:db8::1").value();
constexpr auto kOne = IfIndex::of<1>();
constexpr auto kTwo = IfIndex::of<2>();
constexpr auto kThree = IfIndex::of<3>();

TEST(NetnsRefTest, NamesArePathsBelowRunNetns) {
  EXPECT_EQ(NetnsRef::parse("vm1")->path, "/run/netns/vm1");
  EXPECT_EQ(NetnsRef::parse("/proc/17/ns/net")->path, "/proc/17/ns/net");
  for (const char* bad : {"", ".", ".."}) EXPECT_FALSE(NetnsRef::parse(bad)) << bad;
  EXPECT_FALSE(NetnsRef::make_named("a/b"));
  EXPECT_FALSE(NetnsRef::parse(std::string_view("a\0b", 3)));
  EXPECT_FALSE(NetnsRef::parse(std::string_view("/a\0b", 4)));
  EXPECT_EQ(to_string(*NetnsRef::parse("vm1")), "vm1");
  EXPECT_EQ(to_string(*NetnsRef::parse("/proc/17/ns/net")), "/proc/17/ns/net");
  EXPECT_EQ(to_string(NetnsRef()), "current");
  EXPECT_TRUE(NetnsRef().is_current());
}

TEST(NetlinkPrintTest, ValuesReadLikeIpAndBridge) {
  Link link{.index = kThree, .name = "tap1", .mac = kMac, .mtu = 1450, .up = true, .running = true, .kind = "veth"};
  EXPECT_EQ(to_string(link), "link 3 tap1 kind veth mac fa:16:3e:00:00:01 mtu 1450 up running");
  link.running = false;
  link.up = false;
  link.peer = kTwo;
  link.peer_netnsid = 0;
  link.master = kOne;
  link.alias = "port\n1";
  EXPECT_EQ(to_string(link),
            "link 3 tap1 kind veth mac fa:16:3e:00:00:01 mtu 1450 down peer 2 peer-netnsid 0 master 1 "
            "alias \"port\\x0a1\"");
  EXPECT_EQ(to_string(Address{.link = kTwo, .address = kIp, .prefix_length = 24}),
            "address 10.0.0.1/24 dev 2 scope global");
  EXPECT_EQ(to_string(Address{.link = kTwo, .address = kIp6, .prefix_length = 64, .scope = Scope::Link}),
            "address 2001:db8::1/64 dev 2 scope link");
  Route route{.dst = *IpNetwork::parse("192.0.2.0/24"), .gateway = kIp, .oif = kTwo};
  EXPECT_EQ(to_string(route), "route 192.0.2.0/24 via 10.0.0.1 dev 2 proto 4 table 254 metric 0");
  EXPECT_EQ(to_string(Neighbour{.link = kTwo, .address = kIp, .mac = kMac}),
            "neighbour 10.0.0.1 dev 2 lladdr fa:16:3e:00:00:01 permanent");
  FdbEntry entry{.link = kTwo, .mac = kMac, .dst = kIp, .vni = TunnelKey::of<7>()};
  EXPECT_EQ(to_string(entry), "fdb fa:16:3e:00:00:01 dev 2 dst 10.0.0.1 vni 7 self permanent");
  entry = {.link = kTwo, .mac = kMac, .bridge = kThree, .vlan = VlanId::of<9>(), .state = FdbState::Learned};
  EXPECT_EQ(to_string(entry), "fdb fa:16:3e:00:00:01 dev 2 vlan 9 master 3 learned");

  Snapshot snapshot;
  snapshot.put(Link{.index = kOne, .name = "lo", .mtu = 65536});
  snapshot.put(Address{.link = kOne, .address = kIp, .prefix_length = 32});
  EXPECT_EQ(to_string(snapshot),
            "link 1 lo mac 00:00:00:00:00:00 mtu 65536 down\naddress 10.0.0.1/32 dev 1 scope global\n");
}

TEST(NetlinkPrintTest, EveryOperationHasItsWords) {
  const auto vm = *NetnsRef::make_named("vm1");
  Batch batch;
  batch.add(CreateVeth{.name = "tap1", .peer_name = "eth0", .peer_netns = vm});
  batch.add(CreateTap{.name = "tap2"});
  batch.add(CreateBridge{.name = "br0"});
  batch.add(CreateDummy{.name = "d0"});
  batch.add(CreateVxlan{.name = "vx", .vni = TunnelKey::of<42>()});
  batch.add(DeleteLink{.name = "tap1"});
  batch.add(SetLink{.name = "a", .up = true, .mtu = 1400, .mac = kMac, .alias = "x", .rename = "b", .master = "br0"});
  batch.add(SetLink{.name = "a", .up = false, .master = ""});
  batch.add(MoveToNetns{.name = "a", .netns = vm, .new_name = "eth0"});
  batch.add(AddAddress{.link = "a", .address = kIp, .prefix_length = 24});
  batch.add(DeleteAddress{.link = "a", .address = kIp6, .prefix_length = 64});
  batch.add(ReplaceRoute{.dst = *IpNetwork::parse("0.0.0.0/0"), .gateway = kIp, .link = "a"});
  batch.add(DeleteRoute{.dst = *IpNetwork::parse("::/0")});
  batch.add(ReplaceNeighbour{.link = "a", .address = kIp, .mac = kMac});
  batch.add(DeleteNeighbour{.link = "a", .address = kIp});
  batch.add(ResolveNeighbour{.link = "a", .address = kIp});
  batch.add(ReplaceFdb{.link = "vx", .mac = Mac(), .dst = kIp});
  batch.add(DeleteFdb{.link = "p1", .mac = kMac, .vlan = VlanId::of<5>(), .in_bridge = true});
  batch.add(SetOffloads{.link = "eth0", .gso = true});
  EXPECT_EQ(to_string(batch),
            "create veth 'tap1' with peer 'eth0' in namespace 'vm1'\n"
            "create tap 'tap2'\n"
            "create bridge 'br0'\n"
            "create dummy 'd0'\n"
            "create vxlan 'vx' with VNI 42\n"
            "delete link 'tap1'\n"
            "set link 'a' up MTU 1400 MAC fa:16:3e:00:00:01 alias 'x' name 'b' master 'br0'\n"
            "set link 'a' down without master\n"
            "move link 'a' to namespace 'vm1' as 'eth0'\n"
            "add address 10.0.0.1/24 to 'a'\n"
            "delete address 2001:db8::1/64 from 'a'\n"
            "set route 0.0.0.0/0 via 10.0.0.1 dev 'a'\n"
            "delete route ::/0\n"
            "set neighbour 10.0.0.1 of 'a' to fa:16:3e:00:00:01\n"
            "delete neighbour 10.0.0.1 of 'a'\n"
            "ask for neighbour 10.0.0.1 on 'a'\n"
            "set FDB entry 00:00:00:00:00:00 of 'vx' to 10.0.0.1\n"
            "delete FDB entry fa:16:3e:00:00:01 of 'p1' VLAN 5 in its bridge\n"
            "set offloads of 'eth0': tx off tso off gso on\n");
  for (const Operation& operation : batch.operations) {
    const Status checked = check(operation);
    EXPECT_TRUE(checked) << checked.error().message;
  }
}

TEST(NetlinkCheckTest, WhatCanNeverSucceedIsRefused) {
  const Mac group({0x01, 0, 0x5e, 0, 0, 1});
  const std::vector<std::pair<Operation, const char*>> faults = {
      {CreateTap{.name = ""}, "cannot create tap '': '' is no name of a link: 1 to 15 bytes"},
      {CreateTap{.name = "sixteen-bytes-xx"}, "'sixteen-bytes-xx' is no name of a link"},
      {CreateTap{.name = "a b"}, "'a b' is no name of a link"},
      {CreateTap{.name = "a/b"}, "'a/b' is no name of a link"},
      {CreateTap{.name = "a:b"}, "'a:b' is no name of a link"},
      {CreateTap{.name = ".."}, "'..' is no name of a link"},
      {CreateTap{.name = std::string("a\0b", 3)}, "is no name of a link"},
      {CreateVeth{.name = "a", .peer_name = "a"}, "both ends have the same name"},
      {CreateVeth{.name = "a", .peer_name = "b", .mac = group}, "01:00:5e:00:00:01 is no MAC address of a host"},
      {CreateVeth{.name = "a", .peer_name = "b", .peer_mac = Mac()}, "00:00:00:00:00:00 is no MAC address of a host"},
      {CreateVeth{.name = "a", .peer_name = "b", .mtu = 67}, "MTU 67 is not in 68-65535"},
      {SetLink{.name = "a", .mtu = 65536}, "MTU 65536 is not in 68-65535"},
      {SetLink{.name = "a", .alias = std::string(256, 'x')}, "the alias is longer than 255 bytes"},
      {SetLink{.name = "a", .alias = std::string("x\0y", 3)}, "the alias has a NUL byte"},
      {SetLink{.name = "a", .rename = ""}, "'' is no name of a link"},
      {SetLink{.name = "a", .master = "b/c"}, "'b/c' is no name of a link"},
      {MoveToNetns{.name = "a"}, "no namespace is named"},
      {AddAddress{.link = "a", .address = kIp, .prefix_length = 33}, "prefix length 33 is not in 0-32"},
      {AddAddress{.link = "a", .address = kIp6, .prefix_length = 129}, "prefix length 129 is not in 0-128"},
      {AddAddress{.link = "a", .address = IpAddress::v4({224, 0, 0, 1})}, "224.0.0.1 is no address of a host"},
      {ReplaceRoute{.dst = *IpNetwork::parse("::/0"), .gateway = kIp, .link = "a"}, "are not of one address family"},
      {ReplaceRoute{.dst = *IpNetwork::parse("0.0.0.0/0")}, "neither a gateway nor a link is given"},
      {ReplaceNeighbour{.link = "a", .address = kIp, .mac = group}, "is no MAC address of a host"},
      {CreateVxlan{.name = "a", .vni = TunnelKey::of<0x1000000>()}, "VNI 16777216 is not in 1-16777215"},
      {CreateVxlan{.name = "a", .vni = TunnelKey::of<1>(), .udp_port = 0}, "UDP port 0"},
      {ReplaceFdb{.link = "a", .vni = TunnelKey::of<0x1000000>()}, "VNI 16777216 is not in 1-16777215"},
  };
  for (const auto& [operation, words] : faults) {
    const Status status = check(operation);
    ASSERT_FALSE(status) << to_string(operation);
    EXPECT_EQ(status.error().kind, ErrorKind::Invalid);
    EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
    EXPECT_EQ(status.error().message.find("cannot "), 0U);
    EXPECT_EQ(status.error().message.find('\0'), std::string::npos);
  }
  // The two ends of a veth may share a name when they are in two namespaces.
  EXPECT_TRUE(check(CreateVeth{.name = "a", .peer_name = "a", .peer_netns = NetnsRef::make_named("vm1")}));
  EXPECT_TRUE(is_link_name("fifteen-bytes-x"));
}

TEST(NetlinkErrorTest, ErrnoSaysWhatToDoNext) {
  EXPECT_EQ(kind_of(EEXIST), ErrorKind::Conflict);
  EXPECT_EQ(kind_of(EPERM), ErrorKind::Fatal);
  EXPECT_EQ(kind_of(EBUSY), ErrorKind::Transient);
  EXPECT_EQ(kind_of(ENOBUFS), ErrorKind::Transient);
  EXPECT_EQ(kind_of(ENODEV), ErrorKind::Invalid);
  EXPECT_EQ(kind_of(EINVAL), ErrorKind::Invalid);
  const Operation create = CreateVeth{.name = "tap1", .peer_name = "eth0"};
  EXPECT_EQ(error_of(create, EEXIST, ""),
            (Error{ErrorKind::Conflict, "cannot create veth 'tap1' with peer 'eth0': File exists"}));
  EXPECT_EQ(error_of(SetLink{.name = "a", .mtu = 9000}, EINVAL, "mtu greater than device maximum").message,
            "cannot set link 'a' MTU 9000: Invalid argument (mtu greater than device maximum)");
  const Error base{ErrorKind::Invalid, "no"};
  EXPECT_EQ(error_in_batch(base, 0, 1), base);
  EXPECT_EQ(error_in_batch(base, 1, 4).message,
            "no; of the 4 operations of this batch 1 were done and 2 were not tried");
}

TEST(SnapshotTest, NamesFollowTheLinks) {
  Snapshot snapshot;
  EXPECT_TRUE(snapshot.put(Link{.index = kOne, .name = "a"}));
  EXPECT_FALSE(snapshot.put(Link{.index = kOne, .name = "a"}));
  EXPECT_TRUE(snapshot.put(Link{.index = kTwo, .name = "b"}));
  // a and b change names, and the messages come in an order in which both are called "b" for a moment.
  EXPECT_TRUE(snapshot.put(Link{.index = kOne, .name = "b"}));
  EXPECT_TRUE(snapshot.put(Link{.index = kTwo, .name = "a"}));
  EXPECT_EQ(find_link(snapshot, "a")->index, kTwo);
  EXPECT_EQ(find_link(snapshot, "b")->index, kOne);
  EXPECT_EQ(snapshot.link_names.size(), 2U);
  EXPECT_TRUE(snapshot.erase_link(kTwo));
  EXPECT_FALSE(snapshot.erase_link(kTwo));
  EXPECT_EQ(find_link(snapshot, "a"), nullptr);
  EXPECT_EQ(find_link(snapshot, kTwo), nullptr);
  EXPECT_EQ(find_link(snapshot, "b"), find_link(snapshot, kOne));
}

TEST(SnapshotTest, ALinkTakesAllThatHangsOnItAlong) {
  Snapshot snapshot;
  for (const IfIndex index : {kOne, kTwo}) {
    snapshot.put(Link{.index = index, .name = "l" + to_string(index)});
    snapshot.put(Address{.link = index, .address = kIp, .prefix_length = 24});
    snapshot.put(Neighbour{.link = index, .address = kIp, .mac = kMac});
    snapshot.put(FdbEntry{.link = index, .mac = kMac});
    snapshot.routes.insert(Route{.dst = *IpNetwork::make(kIp, 24), .oif = index});
  }
  snapshot.put(FdbEntry{.link = kOne, .mac = kMac, .bridge = kTwo});
  Snapshot only_one;
  only_one.put(Link{.index = kOne, .name = "l1"});
  only_one.put(Address{.link = kOne, .address = kIp, .prefix_length = 24});
  only_one.put(Neighbour{.link = kOne, .address = kIp, .mac = kMac});
  only_one.put(FdbEntry{.link = kOne, .mac = kMac});
  only_one.routes.insert(Route{.dst = *IpNetwork::make(kIp, 24), .oif = kOne});
  EXPECT_TRUE(snapshot.erase_link(kTwo));
  EXPECT_EQ(snapshot, only_one) << to_string(snapshot);
}

TEST(SnapshotTest, AUnicastMacHasOnePlaceFloodHasMany) {
  Snapshot snapshot;
  const IpAddress other = IpAddress::v4({10, 0, 0, 2});
  EXPECT_TRUE(snapshot.put(FdbEntry{.link = kOne, .mac = kMac, .dst = kIp}));
  EXPECT_FALSE(snapshot.put(FdbEntry{.link = kOne, .mac = kMac, .dst = kIp}));
  EXPECT_TRUE(snapshot.put(FdbEntry{.link = kOne, .mac = kMac, .dst = other}));
  EXPECT_EQ(snapshot.fdb.size(), 1U);
  EXPECT_TRUE(snapshot.put(FdbEntry{.link = kTwo, .mac = kMac, .dst = other}));  // another device's own table
  EXPECT_EQ(snapshot.fdb.size(), 2U);
  snapshot.put(FdbEntry{.link = kOne, .dst = kIp});
  snapshot.put(FdbEntry{.link = kOne, .dst = other});
  EXPECT_EQ(snapshot.fdb.size(), 4U);
  // In a bridge the place is the port; each VLAN has its own.
  snapshot.put(FdbEntry{.link = kOne, .mac = kMac, .bridge = kThree, .vlan = VlanId::of<1>()});
  snapshot.put(FdbEntry{.link = kOne, .mac = kMac, .bridge = kThree, .vlan = VlanId::of<2>()});
  EXPECT_EQ(snapshot.fdb.size(), 6U);
  snapshot.put(FdbEntry{.link = kTwo, .mac = kMac, .bridge = kThree, .vlan = VlanId::of<1>()});
  EXPECT_EQ(snapshot.fdb.size(), 6U);
}

TEST(SnapshotTest, FindsTheLinkOfAnAddress) {
  Snapshot snapshot;
  snapshot.put(Link{.index = kTwo, .name = "b"});
  snapshot.put(Address{.link = kTwo, .address = kIp, .prefix_length = 24});
  EXPECT_TRUE(has_address(snapshot, kIp));
  EXPECT_FALSE(has_address(snapshot, kIp6));
  EXPECT_EQ(link_with_address(snapshot, kIp)->name, "b");
  EXPECT_EQ(link_with_address(snapshot, kIp6), nullptr);
}

}  // namespace
}  // namespace ml2::nl
