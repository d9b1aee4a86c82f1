// ovsdb: VswitchReading by changes equals read_vswitch() of the whole, over random walks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "ovsdb/vswitch_reading.h"

namespace ml2::ovsdb {
namespace {

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) {
    for (const char* table : {"Open_vSwitch", "Bridge", "Port", "Interface"}) snapshot_.tables[table];
    put("Open_vSwitch", id(), {{"next_cfg", number(1)}});
    for (const char* name : {"br-int", "br-tun"}) put("Bridge", id(), {{"name", Datum::of(name)}});
  }
  void change() {
    switch (pick(8)) {
      case 0:
      case 1:
      case 2: add_port(); break;
      case 3: remove_port(); break;
      case 4: edit("Interface", "ofport", number(pick(9))); break;
      case 5: edit("Port", "tag", number(pick(9))); break;
      case 6: edit("Open_vSwitch", "cur_cfg", number(pick(9))); break;
      default: replace_interface(); break;
    }
  }
  [[nodiscard]] const Snapshot& snapshot() const { return snapshot_; }
  RowChanges take_changes() { return std::exchange(changes_, {}); }

 private:
  using Fields = std::map<std::string, Datum>;
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  static Datum number(int value) { return Datum::of(Atom(std::int64_t{value})); }
  Uuid id() {
    std::array<std::uint8_t, 16> bytes{};
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(pick(256));
    return Uuid(bytes);
  }
  void put(const std::string& table, Uuid uuid, Fields fields) {  // `uuid` may be that of the row that goes
    auto row = std::make_shared<Row>();
    row->uuid = uuid;
    row->columns = RowColumns(fields);
    snapshot_.tables[table][uuid] = std::move(row);
    changes_.emplace(table, uuid);
  }
  void erase(const std::string& table, const Uuid& uuid) {
    snapshot_.tables[table].erase(uuid);
    changes_.emplace(table, uuid);
  }
  const Row* any(const std::string& table) {
    const Table& rows = snapshot_.table(table);
    if (rows.empty()) return nullptr;
    auto at = rows.begin();
    std::advance(at, pick(static_cast<int>(rows.size())));
    return at->second.get();
  }
  void edit(const std::string& table, const std::string& column, const Datum& value) {
    const Row* row = any(table);
    if (row == nullptr) return;
    Fields fields = row->columns.all();
    fields[column] = value;
    put(table, row->uuid, fields);
  }
  void add_port() {
    const std::string name = fmt::format("tap{}", pick(12));
    for (const auto& [uuid, row] : snapshot_.table("Port")) {
      if (row->column("name").string() == name) return;
    }
    const Uuid interface = id();
    const Uuid port = id();
    put("Interface", interface, {{"name", Datum::of(name)}});
    put("Port", port, {{"name", Datum::of(name)}, {"interfaces", Datum::uuids({interface})}});
    change_bridge(*any("Bridge"), port, /*add=*/true);
  }
  void change_bridge(const Row& bridge, const Uuid& port, bool add) {
    std::set<Uuid> ports = bridge.column("ports").uuid_set();
    if (add) {
      ports.insert(port);
    } else {
      ports.erase(port);
    }
    Fields fields = bridge.columns.all();
    fields["ports"] = Datum::uuids(ports);
    put("Bridge", bridge.uuid, fields);
  }
  void remove_port() {
    const Row* port = any("Port");
    if (port == nullptr) return;
    const Uuid gone = port->uuid;
    const std::set<Uuid> interfaces = port->column("interfaces").uuid_set();
    const Table bridges = snapshot_.table("Bridge");
    for (const auto& [uuid, bridge] : bridges) {
      if (bridge->column("ports").uuid_set().contains(gone)) change_bridge(*bridge, gone, /*add=*/false);
    }
    for (const Uuid& interface : interfaces) erase("Interface", interface);
    erase("Port", gone);
    if (pick(3) == 0) add_port();  // a name may pass from one row to another
  }
  void replace_interface() {
    const Row* port = any("Port");
    if (port == nullptr) return;
    Fields fields = port->columns.all();
    const Uuid uuid = port->uuid;
    for (const Uuid& old : port->column("interfaces").uuid_set()) erase("Interface", old);
    const Uuid fresh = id();
    put("Interface", fresh, {{"name", fields.at("name")}});
    fields["interfaces"] = Datum::uuids({fresh});
    put("Port", uuid, fields);
  }

  std::mt19937 random_;
  Snapshot snapshot_;
  RowChanges changes_;
};

class VswitchWalks : public ::testing::TestWithParam<unsigned> {};

TEST_P(VswitchWalks, ByChangesIsAsFromNothing) {
  SCOPED_TRACE(fmt::format("seed {}", GetParam()));
  Walk walk(GetParam());
  VswitchReading reading;
  static_cast<void>(reading.update(walk.snapshot(), std::nullopt));
  static_cast<void>(walk.take_changes());
  int by_changes = 0;
  for (int step = 0; step < 300; ++step) {
    SCOPED_TRACE(fmt::format("step {}", step));
    for (int i = 0; i < 1 + step % 3; ++i) walk.change();
    const Vswitch before = reading.value();
    const VswitchChanges changes = reading.update(walk.snapshot(), walk.take_changes());
    const Vswitch whole = read_vswitch(walk.snapshot());
    ASSERT_EQ(reading.value(), whole);
    if (changes.all) continue;
    ++by_changes;
    for (const auto& [name, row] : whole.interfaces) {
      const auto old = before.interfaces.find(name);
      const bool same = old != before.interfaces.end() && old->second == row &&
                        before.interface_port.contains(name) == whole.interface_port.contains(name);
      ASSERT_TRUE(same || changes.interfaces.contains(name)) << name;
    }
    for (const auto& [name, row] : whole.ports) {
      const auto old = before.ports.find(name);
      const auto bridge = before.port_bridge.find(name);
      const bool same = old != before.ports.end() && old->second == row && bridge != before.port_bridge.end() &&
                        bridge->second == whole.port_bridge.at(name);
      ASSERT_TRUE(same || changes.ports.contains(name)) << name;
      ASSERT_EQ(changes.new_rows.contains(row.uuid), old == before.ports.end() || old->second.uuid != row.uuid)
          << name;
    }
    for (const auto& [name, row] : before.interfaces) {
      ASSERT_TRUE(whole.interfaces.contains(name) || changes.interfaces.contains(name)) << name;
    }
  }
  EXPECT_GT(by_changes, 250);
}

INSTANTIATE_TEST_SUITE_P(Seeds, VswitchWalks, ::testing::Range(1U, 13U));

}  // namespace
}  // namespace ml2::ovsdb
