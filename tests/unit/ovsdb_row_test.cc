// Row: what is packed comes out again, whatever its type and length.
#include <gmock/gmock.h>

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

}  // namespace
}  // namespace ml2::ovsdb
