// Row: what is packed comes out again, whatever its type and length.
#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>

#include "ovsdb/row.h"

namespace ml2::ovsdb {
namespace {

Datum some_datum(std::mt19937& random) {
  const auto atom = [&](unsigned type) -> Atom {
    switch (type) {
      case 0: return static_cast<std::int64_t>(std::uint64_t{random()} << (random() % 33));
      case 1: return static_cast<double>(random()) / 7;
      case 2: return random() % 2 == 0;
      case 3: return std::string(random() % 300, static_cast<char>(random()));
      default: return Uuid::random();
    }
  };
  const auto key = static_cast<unsigned>(random() % 5);
  const auto value = static_cast<unsigned>(random() % 5);
  const bool is_map = random() % 3 == 0;
  std::vector<Atom> keys;
  for (auto n = random() % 4 == 0 ? random() % 200 : random() % 3; n > 0; --n) keys.push_back(atom(key));
  Datum datum = Datum::set(std::move(keys));
  for (std::size_t i = 0; is_map && i < datum.keys.size(); ++i) datum.values.push_back(atom(value));
  return datum;
}

TEST(Row, WhatIsPutInComesOut) {
  std::mt19937 random(20261126);
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, Datum> expected;
    RowColumns columns;
    for (int step = 0; step < 12; ++step) {
      const std::string name = "column" + std::to_string(random() % 8);
      if (random() % 4 == 0) {
        columns.erase(name);
        expected.erase(name);
      } else {
        const Datum datum = some_datum(random);
        columns.set(name, datum);
        expected.insert_or_assign(name, datum);
      }
      ASSERT_EQ(columns.all(), expected);
    }
    for (const auto& [name, datum] : expected) {
      const Value value = columns.column(name);
      EXPECT_EQ(value.datum(), datum);
      EXPECT_EQ(value.size(), datum.keys.size());
      EXPECT_EQ(value.integer(), datum.integer());
      EXPECT_EQ(value.real(), datum.real());
      EXPECT_EQ(value.boolean(), datum.boolean());
      EXPECT_EQ(value.string(), datum.string());
      EXPECT_EQ(value.uuid(), datum.uuid());
    }
    EXPECT_EQ(columns, RowColumns(expected)) << "the same, whoever made it, and by whatever list of names";
  }
}

TEST(Row, ValuesWithoutKeysAreDropped) {
  RowColumns columns;
  columns.set("odd", Datum{{std::string("a"), std::string("b")}, {std::string("1")}});
  columns.set("zero", Datum{{}, {std::string("1")}});
  EXPECT_EQ(columns.column("odd").datum(), Datum::strings({"a", "b"}));
  EXPECT_TRUE(columns.column("zero").empty());
}

TEST(Row, WhatIsNotThereIsEmpty) {
  RowColumns columns;
  EXPECT_TRUE(columns.column("name").empty());
  EXPECT_FALSE(columns.contains("name"));
  columns.erase("name");
  columns.set("name", Datum::of("n"));
  EXPECT_TRUE(columns.contains("name"));
  EXPECT_TRUE(columns.column("nam").empty());
  EXPECT_EQ(columns.column("name").integer(), std::nullopt) << "of another type";
  EXPECT_NE(columns, RowColumns());
  columns.erase("name");
  EXPECT_EQ(columns, RowColumns());
}

Uuid numbered(unsigned n) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[3] = static_cast<std::uint8_t>(n * 37);  // the order is that of the bytes, not of the numbers
  bytes[15] = static_cast<std::uint8_t>(n);
  return Uuid(bytes);
}

std::set<Uuid> some(std::mt19937& random, unsigned of) {
  std::set<Uuid> uuids;
  for (unsigned n = 0; n < of; ++n) {
    if (random() % 2 == 0) uuids.insert(numbered(n));
  }
  return uuids;
}

TEST(Row, SetsOfUuidsAreToggledAndComparedWhereTheyStand) {
  std::mt19937 random(5);
  const auto names = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"name", "ports"});
  for (int round = 0; round < 300; ++round) {
    const std::set<Uuid> before = some(random, static_cast<unsigned>(random() % 20));
    const std::set<Uuid> toggled = some(random, static_cast<unsigned>(random() % 20));
    std::set<Uuid> after;
    std::ranges::set_symmetric_difference(before, toggled, std::inserter(after, after.end()));
    RowColumns row(names);
    row.append(0, Datum::of("br-int"));
    if (!before.empty()) row.append(1, Datum::uuids(before));
    RowColumns changed(names);
    changed.append(0, row);
    ASSERT_TRUE(changed.append_toggled(1, row, {toggled.begin(), toggled.end()}));
    EXPECT_EQ(changed.column("name").text(), "br-int");
    EXPECT_EQ(changed.column("ports").datum(), Datum::uuids(after));
    EXPECT_EQ(changed.contains("ports"), !after.empty());
    const auto changes = changes_between(row.column("ports"), changed.column("ports"));
    ASSERT_TRUE(changes);
    std::vector<Uuid> come, gone;
    std::ranges::set_difference(after, before, std::back_inserter(come));
    std::ranges::set_difference(before, after, std::back_inserter(gone));
    EXPECT_EQ(changes->come, come);
    EXPECT_EQ(changes->gone, gone);
  }
}

TEST(Row, WhatIsNoSetOfUuidsIsNotToggled) {
  RowColumns row;
  row.set("name", Datum::of("br-int"));
  row.set("options", Datum::map({{"a", "1"}}));
  row.set("ports", Datum::uuids({numbered(1)}));
  row.set("unsorted", Datum{{numbered(3), numbered(2)}, {}});
  EXPECT_FALSE(RowColumns().append_toggled(0, row, {numbered(1)}));
  EXPECT_FALSE(RowColumns().append_toggled(1, row, {numbered(1)}));
  EXPECT_FALSE(changes_between(row.column("ports"), row.column("name")));
  EXPECT_FALSE(changes_between(row.column("options"), row.column("ports")));
  EXPECT_FALSE(changes_between(row.column("ports"), row.column("unsorted")));
  EXPECT_EQ(row.column("ports").text(), std::nullopt);
}

}  // namespace
}  // namespace ml2::ovsdb
