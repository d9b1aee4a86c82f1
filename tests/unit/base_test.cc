// datapath/base: parsing at its edges, and the generic diff.
#include <gmock/gmock.h>

#include "datapath/base/delta.h"
#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/result.h"
#include "datapath/base/shared_text.h"
#include "datapath/base/strong_id.h"
#include "datapath/base/text.h"
#include "datapath/base/uuid.h"

namespace ml2 {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;
using ::testing::Pair;

TEST(Mac, ParsesTheLongFormOnly) {
  EXPECT_EQ(Mac::parse("FA:16:3e:00:01:ff")->to_string(), "fa:16:3e:00:01:ff");
  for (const char* bad : {"", "fa:16:3e:00:01", "fa:16:3e:00:01:ff:00", "fa-16-3e-00-01-ff", "fa:16:3e:00:01:fg",
                          "fa:16:3e:00:1:ff", "fa:16:3e:00:01:ff ", "0"}) {
    EXPECT_FALSE(Mac::parse(bad)) << bad;
  }
  EXPECT_TRUE(Mac::parse("01:00:5e:00:00:01")->is_multicast());
  EXPECT_FALSE(Mac::parse("fa:16:3e:00:00:01")->is_multicast());
}

TEST(IpAddress, ParsesBothFamilies) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->to_string(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0::1")->to_string(), "2001:db8::1");
  for (const char* bad : {"", "1.2.3", "1.2.3.256", "::g", "1.2.3.4/24", "fe80::1%eth0", "01.2.3.4 "}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
}

TEST(IpAddress, NextCarriesAndEnds) {
  EXPECT_EQ(IpAddress::parse("10.0.0.255")->next()->to_string(), "10.0.1.0");
  EXPECT_FALSE(IpAddress::parse("255.255.255.255")->next());
  EXPECT_EQ(IpAddress::parse("fd00::ffff")->next()->to_string(), "fd00::1:0");
}

TEST(IpNetwork, ClearsHostBitsAndCompares) {
  const auto network = IpNetwork::parse("10.0.0.77/26");
  EXPECT_EQ(network->to_string(), "10.0.0.64/26");
  EXPECT_EQ(network->last().to_string(), "10.0.0.127");
  EXPECT_TRUE(network->contains(*IpAddress::parse("10.0.0.65")));
  EXPECT_FALSE(network->contains(*IpAddress::parse("10.0.0.63")));
  EXPECT_FALSE(network->contains(*IpAddress::parse("fd00::1")));
  EXPECT_TRUE(network->overlaps(*IpNetwork::parse("10.0.0.0/8")));
  EXPECT_FALSE(network->overlaps(*IpNetwork::parse("10.0.0.128/26")));
  EXPECT_TRUE(IpNetwork::parse("0.0.0.0/0")->contains(*IpAddress::parse("255.1.2.3")));
  for (const char* bad : {"10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/x", "/24", ""}) {
    EXPECT_FALSE(IpNetwork::parse(bad)) << bad;
  }
}

TEST(Uuid, RoundTripsAndIsRandom) {
  const std::string text = "0b6f8d1c-36f1-4a1f-9d4e-0123456789ab";
  EXPECT_EQ(Uuid::parse(text)->to_string(), text);
  EXPECT_NE(Uuid::random(), Uuid::random());
  EXPECT_EQ(Uuid::parse(Uuid::random().to_string())->to_string()[14], '4');
  for (const char* bad :
       {"", "0b6f8d1c", "0b6f8d1c-36f1-4a1f-9d4e-0123456789ag", "0b6f8d1c36f1-4a1f-9d4e-0123456789ab-"}) {
    EXPECT_FALSE(Uuid::parse(bad)) << bad;
  }
}

TEST(StrongId, ChecksItsRange) {
  EXPECT_FALSE(VlanId::make(0));
  EXPECT_FALSE(VlanId::make(4095));
  EXPECT_EQ(VlanId::make(4094)->value(), 4094);
  EXPECT_FALSE(TunnelKey::make(-1));
  EXPECT_EQ(TunnelKey::make(0xffffffffLL)->value(), 0xffffffffU);
}

TEST(Delta, ListsAddChangeRemove) {
  const std::map<int, char> desired{{1, 'a'}, {2, 'b'}, {4, 'd'}};
  const std::map<int, char> actual{{2, 'x'}, {3, 'c'}, {4, 'd'}};
  const auto result = delta(desired, actual);
  EXPECT_THAT(result.add, ElementsAre(Pair(1, 'a')));
  EXPECT_THAT(result.change, ElementsAre(Pair(2, 'b')));
  EXPECT_THAT(result.remove, ElementsAre(Pair(3, 'c')));
  EXPECT_TRUE(delta(desired, desired).empty());
}

TEST(Text, NearestFindsTyposOnly) {
  const std::vector<std::string> known{"tunnel_types", "local_ip", "l2_population"};
  EXPECT_THAT(text::nearest("tunnel_type", known), Optional(std::string("tunnel_types")));
  EXPECT_FALSE(text::nearest("datapath_type", known));
}

TEST(Text, PrintableHidesControlCharactersAndCuts) {
  EXPECT_EQ(text::printable("a\nb\x1b"), "a\\x0ab\\x1b");
  EXPECT_EQ(text::printable("abcdef", 3), "abc...");
}

TEST(Result, CarriesKindAndSentence) {
  const Result<int> bad = invalid("vni: 0 is not in 1-16777215");
  EXPECT_EQ(bad.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(bad.error().message, "vni: 0 is not in 1-16777215");
  EXPECT_EQ(*Result<int>(3), 3);
}

TEST(SharedText, ItsCopiesAreTheSameBytes) {
  const SharedText drop = "drop";
  SharedText copy = drop;
  EXPECT_EQ(copy.view().data(), drop.view().data());
  const SharedText& same = copy;
  copy = same;
  EXPECT_EQ(copy, "drop");
  copy = SharedText(std::string("NORMAL"));
  EXPECT_EQ(copy, std::string("NORMAL"));
  EXPECT_EQ(drop, "drop");
  const SharedText moved = std::move(copy);
  EXPECT_EQ(moved.size(), 6U);
}

TEST(SharedText, ComparesAsItsWordsDo) {
  EXPECT_EQ(SharedText("arp"), SharedText("arp"));
  EXPECT_NE(SharedText("arp").view().data(), SharedText("arp").view().data());
  EXPECT_LT(SharedText(), SharedText("a"));
  EXPECT_LT(SharedText("a"), SharedText("ab"));
  EXPECT_GT(SharedText("b"), SharedText("ab"));
  EXPECT_TRUE(SharedText("").empty());
  EXPECT_EQ(SharedText(""), SharedText());
  EXPECT_EQ(fmt::format("{:>5}", SharedText("ip")), "   ip");
}

}  // namespace
}  // namespace ml2
