// Rows of both databases as no server would serve them: whatever the datums hold, reading them does not crash, and what
// was read can be written and read again to the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "datapath/base/check.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/vswitch.h"

namespace ml2::ovsdb {
namespace {

// The input as a stream of small decisions; zeros at its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::string text() {
    std::string out;
    for (std::size_t n = byte() % 16U; n > 0 && !empty(); --n) out += static_cast<char>(byte());
    return out;
  }
  // Few different ones, so that references meet their rows.
  Uuid uuid() {
    return Uuid({0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(byte() % 8U)});
  }
  Atom atom() {
    switch (byte() % 5U) {
      case 0: {
        std::uint64_t number = 0;
        for (int i = 0; i < 8; ++i) number = number << 8U | byte();
        return static_cast<std::int64_t>(number);
      }
      case 1: return (static_cast<double>(byte()) - 128.0) / static_cast<double>(byte());  // infinity, NaN too
      case 2: return (byte() & 1U) != 0;
      case 3: return text();
      default: return uuid();
    }
  }
  std::vector<Atom> atoms() {
    std::vector<Atom> out;
    for (std::size_t n = byte() % 6U; n > 0; --n) out.push_back(atom());
    return out;
  }
  Datum datum() {
    switch (byte() % 3U) {
      case 0: return Datum::of(atom());
      case 1: return Datum::set(atoms());
      default: return Datum{atoms(), atoms()};  // unsorted, with more or fewer values than keys
    }
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

Snapshot read_snapshot(Input& input, const MonitoredColumns& columns) {
  std::vector<std::string> tables;
  for (const auto& [table, names] : columns) tables.push_back(table);
  Snapshot snapshot;
  for (std::size_t rows = 0; !input.empty() && rows < 64; ++rows) {
    const std::string& table = tables[input.byte() % tables.size()];
    auto row = std::make_shared<Row>();
    row->uuid = input.uuid();
    for (const std::string& column : columns.at(table)) {
      if ((input.byte() & 3U) != 0) row->columns.set(column, input.datum());
    }
    for (const auto& [name, datum] : row->columns.all())
      ML2_CHECK(!datum.to_string().empty(), "every value has a text");
    snapshot.tables[table][row->uuid] = std::move(row);
  }
  return snapshot;
}

template <class T>
void put_back(Snapshot& snapshot, const std::map<Uuid, T>& rows) {
  for (const auto& [uuid, typed] : rows) {
    auto row = std::make_shared<Row>();
    row->uuid = uuid;
    for (auto& [column, datum] : to_columns(typed)) row->columns.set(column, datum);
    snapshot.tables[table_of<T>()][uuid] = std::move(row);
  }
}

}  // namespace
}  // namespace ml2::ovsdb

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ml2::ovsdb;
  Input input(data, size);
  if ((input.byte() & 1U) != 0) {
    const Vswitch vswitch = read_vswitch(read_snapshot(input, vswitch_columns()));
    for (const auto& [name, bridge] : vswitch.bridges) ML2_CHECK(name == bridge.name, "bridges are by name");
    return 0;
  }
  const Ml2Rows rows = read_ml2(read_snapshot(input, ml2_columns()));
  Snapshot again;
  put_back(again, rows.globals);
  put_back(again, rows.networks);
  put_back(again, rows.segments);
  put_back(again, rows.subnets);
  put_back(again, rows.ports);
  put_back(again, rows.fixed_ips);
  put_back(again, rows.address_pairs);
  put_back(again, rows.bindings);
  put_back(again, rows.hosts);
  put_back(again, rows.endpoints);
  put_back(again, rows.security_groups);
  put_back(again, rows.security_group_rules);
  ML2_CHECK(read_ml2(again) == rows, "rows survive the way into columns and back");
  return 0;
}
