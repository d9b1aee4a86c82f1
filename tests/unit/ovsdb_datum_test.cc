// ovsdb/datum: making, reading and printing values.
#include <gmock/gmock.h>

#include <limits>

#include "ovsdb/datum.h"

namespace ml2::ovsdb {
namespace {

const Uuid kUuid = *Uuid::parse("00000000-0000-4000-8000-000000000001");

TEST(Datum, SetSortsAndDropsDuplicates) {
  const Datum datum = Datum::set({Atom(std::int64_t{3}), Atom(std::int64_t{-1}), Atom(std::int64_t{3})});
  EXPECT_EQ(datum.integer_set(), (std::set<std::int64_t>{-1, 3}));
  EXPECT_EQ(datum.keys.size(), 2U);
  EXPECT_EQ(datum, Datum::set({Atom(std::int64_t{-1}), Atom(std::int64_t{3})}));
}

TEST(Datum, SetBearsNotANumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Datum::set({Atom(nan), Atom(1.0), Atom(nan), Atom(-1.0)}).keys.size(), 3U);
}

TEST(Datum, ScalarReadersWantExactlyOneAtomOfTheirType) {
  EXPECT_EQ(Datum::of(Atom(std::int64_t{7})).integer(), 7);
  EXPECT_EQ(Datum::of(Atom(true)).boolean(), true);
  EXPECT_EQ(Datum::of(Atom(0.5)).real(), 0.5);
  EXPECT_EQ(Datum::of("x").string(), "x");
  EXPECT_EQ(Datum::of(Atom(kUuid)).uuid(), kUuid);

  EXPECT_EQ(Datum::of("7").integer(), std::nullopt);
  EXPECT_EQ(Datum::of(Atom(std::int64_t{1})).boolean(), std::nullopt);
  EXPECT_EQ(Datum::none().string(), std::nullopt);
  EXPECT_EQ(Datum::strings({"a", "b"}).string(), std::nullopt);
  EXPECT_EQ(Datum::map({{"a", "b"}}).string(), std::nullopt);
}

TEST(Datum, SetReadersSkipOtherTypes) {
  const Datum mixed{{Atom(std::int64_t{1}), Atom(std::string("a")), Atom(kUuid)}, {}};
  EXPECT_EQ(mixed.string_set(), std::set<std::string>{"a"});
  EXPECT_EQ(mixed.integer_set(), std::set<std::int64_t>{1});
  EXPECT_EQ(mixed.uuid_set(), std::set<Uuid>{kUuid});
}

TEST(Datum, MapReaderBearsMissingAndForeignValues) {
  const std::map<std::string, std::string> map{{"a", "1"}, {"b", "2"}};
  EXPECT_EQ(Datum::map(map).string_map(), map);
  Datum short_of_values = Datum::map(map);
  short_of_values.values.pop_back();
  EXPECT_EQ(short_of_values.string_map(), (std::map<std::string, std::string>{{"a", "1"}}));
  Datum foreign = Datum::map(map);
  foreign.values[0] = Atom(true);
  EXPECT_EQ(foreign.string_map(), (std::map<std::string, std::string>{{"b", "2"}}));
}

TEST(Datum, PrintsAsOvsVsctlDoes) {
  EXPECT_EQ(Datum::of("tcp").to_string(), "tcp");
  EXPECT_EQ(Datum::of("").to_string(), "\"\"");
  EXPECT_EQ(Datum::of("10.0.0.1").to_string(), "\"10.0.0.1\"");
  EXPECT_EQ(Datum::of("true").to_string(), "\"true\"");
  EXPECT_EQ(Datum::of("a\"b\\c\n\x01").to_string(), "\"a\\\"b\\\\c\\n\\u0001\"");
  EXPECT_EQ(Datum::of(Atom(true)).to_string(), "true");
  EXPECT_EQ(Datum::of(Atom(kUuid)).to_string(), "00000000-0000-4000-8000-000000000001");
  EXPECT_EQ(Datum::none().to_string(), "[]");
  EXPECT_EQ(Datum::strings({"a", "b"}).to_string(), "[a, b]");
  EXPECT_EQ(Datum::map({{"k", "v"}, {"l", "w x"}}).to_string(), "{k=v, l=\"w x\"}");
}

}  // namespace
}  // namespace ml2::ovsdb
