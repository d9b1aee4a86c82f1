// Tables: what ml2-fastpath holds, as values: one map per kind of record, by the record's key. And Update: what makes one
//   state of the tables into another.
//
// What it is: the records are those of the socket (dpdk/abi/messages.h), so that what compile() writes, what diff() compares
//   and what the fast path reads back are the same bytes, and have the same digests.
// Where in the walk: compile() writes Tables, the FastPath seam (fast_path.h) reads them back, diff() makes an Update.
// Threading: values. Failure: none.
// What it does not do: no checks of its own: ml2-fastpath refuses what does not make sense, record by record.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "dpdk/abi/messages.h"

namespace ml2::fp {

namespace abi = fastpath::abi;

using PortId = std::uint16_t;     // 1-4095
using SegmentId = std::uint16_t;  // 1-65535
using VtepId = std::uint16_t;     // 1-65535

struct FdbKey {
  SegmentId segment = 0;
  Mac mac;
  friend auto operator<=>(const FdbKey&, const FdbKey&) = default;
};
struct NeighbourKey {
  SegmentId segment = 0;
  IpAddress address;
  friend auto operator<=>(const NeighbourKey&, const NeighbourKey&) = default;
};
using PairKey = std::pair<std::uint16_t, std::uint16_t>;
using BytesKey = std::array<std::uint8_t, sizeof(abi::Allowed)>;

// Between the records' bytes and our types.
[[nodiscard]] Mac mac_of(const std::uint8_t (&bytes)[6]);
[[nodiscard]] IpAddress address_of(const std::uint8_t (&bytes)[16], bool ipv6);
void write(std::uint8_t (&to)[6], const Mac& mac);
void write(std::uint8_t (&to)[16], const IpAddress& address);

[[nodiscard]] inline std::uint16_t key_of(const abi::Port& r) { return r.id; }
[[nodiscard]] inline std::uint16_t key_of(const abi::Segment& r) { return r.id; }
[[nodiscard]] inline PairKey key_of(const abi::Attachment& r) { return {r.port, r.segment}; }
[[nodiscard]] inline std::uint16_t key_of(const abi::Vtep& r) { return r.id; }
[[nodiscard]] inline PairKey key_of(const abi::Flood& r) { return {r.segment, r.vtep}; }
[[nodiscard]] BytesKey key_of(const abi::Allowed& r);
[[nodiscard]] inline FdbKey key_of(const abi::Fdb& r) { return {r.segment, mac_of(r.mac)}; }
[[nodiscard]] inline NeighbourKey key_of(const abi::Neighbour& r) {
  return {r.segment, address_of(r.address, r.ipv6 != 0)};
}

template <class Record>
using Table = std::map<decltype(key_of(std::declval<const Record&>())), Record>;

template <class Record>
[[nodiscard]] bool same(const Record& a, const Record& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

struct Tables {
  Table<abi::Port> ports;
  Table<abi::Segment> segments;
  Table<abi::Attachment> attachments;
  Table<abi::Vtep> vteps;
  Table<abi::Flood> floods;
  Table<abi::Allowed> allowed;
  Table<abi::Fdb> fdb;
  Table<abi::Neighbour> neighbours;

  template <class Record>
  void put(const Record& record);
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const;  // records of all kinds
};

// Keys of records, by kind, in lists of whichever sort.
template <template <class...> class List>
struct KeysOf {
  List<PortId> ports;
  List<SegmentId> segments;
  List<PairKey> attachments;
  List<VtepId> vteps;
  List<PairKey> floods;
  List<BytesKey> allowed;
  List<FdbKey> fdb;
  List<NeighbourKey> neighbours;
};
using RecordKeys = KeysOf<std::set>;

// Calls visit(kind, table of each argument) for one kind after the other, in the order in which a reader wants them: what
// others refer to comes first.
template <class Visit, class... AnyTables>
void for_each_kind(Visit visit, AnyTables&... tables) {
  visit(abi::Kind::Port, tables.ports...);
  visit(abi::Kind::Segment, tables.segments...);
  visit(abi::Kind::Attachment, tables.attachments...);
  visit(abi::Kind::Vtep, tables.vteps...);
  visit(abi::Kind::Flood, tables.floods...);
  visit(abi::Kind::Allowed, tables.allowed...);
  visit(abi::Kind::Fdb, tables.fdb...);
  visit(abi::Kind::Neighbour, tables.neighbours...);
}

template <class Record>
void Tables::put(const Record& record) {
  for_each_kind(
      [&record](abi::Kind, auto& table) {
        if constexpr (std::is_same_v<std::decay_t<decltype(table)>, Table<Record>>) {
          table.insert_or_assign(key_of(record), record);
        }
      },
      *this);
}

[[nodiscard]] bool operator==(const Tables& a, const Tables& b);
[[nodiscard]] bool is_empty(const RecordKeys& keys);
// Adds to `keys` those of what only one of the two has, or the other otherwise.
void add_differences(const Tables& a, const Tables& b, RecordKeys& keys);

using Digests = std::array<abi::Digest, abi::kKinds>;
[[nodiscard]] Digests digests_of(const Tables& tables);
[[nodiscard]] const char* to_string(abi::Kind kind);  // "port", "FDB entry"

struct Update {
  bool full = false;  // `put` is everything; `remove` is empty
  Tables put;
  Tables remove;

  [[nodiscard]] bool empty() const { return !full && put.empty() && remove.empty(); }
  [[nodiscard]] std::size_t size() const { return put.size() + remove.size(); }
};
// What `tables` are after it, if nothing is refused.
void carry_out(const Update& update, Tables& tables);

// For people: "3 ports, 2 FDB entries".
[[nodiscard]] std::string summary(const Tables& tables);
// A line for each record: "put port 3 access net_tap0,iface=tap0", without a newline at the end.
[[nodiscard]] std::string to_text(const Update& update);

}  // namespace ml2::fp
