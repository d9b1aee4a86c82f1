// Program's two large kinds: FDB entries and neighbours. They live in the hash tables alone; a record is made back from there.
#include <fmt/format.h>

#include <algorithm>

#include "datapath/base/mac.h"
#include "dpdk/tables/program.h"

namespace ml2::fastpath {

namespace {

std::uint64_t mac_of(const std::uint8_t* bytes) {
  std::uint64_t mac = 0;
  std::memcpy(&mac, bytes, 6);
  return mac;
}
std::uint64_t key_of(const abi::Fdb& record) { return fdb_key(mac_of(record.mac), record.segment); }
std::uint64_t key_of(const abi::Neighbour& record) {
  return neighbour_key(record.address, record.ipv6 != 0, record.segment);
}

std::string name(const abi::Fdb& record) {
  std::array<std::uint8_t, 6> mac;
  std::copy(std::begin(record.mac), std::end(record.mac), mac.begin());
  return fmt::format("FDB entry {} of segment {}", Mac(mac).to_string(), record.segment);
}

// The keys that a full generation has.
template <class Record>
std::vector<std::uint64_t> sorted_keys(const std::vector<Record>& records) {
  std::vector<std::uint64_t> keys;
  keys.reserve(records.size());
  for (const Record& record : records) keys.push_back(key_of(record));
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

abi::Fdb Program::fdb_record(std::uint64_t key, std::uint32_t value) const {
  abi::Fdb record;
  std::memcpy(record.mac, &key, 6);
  record.segment = static_cast<std::uint16_t>(key >> 48U);
  const Destination& destination = destinations_[unpack(value).output];
  record.port = destination.port;
  record.vtep = destination.vtep;
  return record;
}

std::optional<abi::Fdb> Program::find_fdb(std::uint16_t segment, const std::uint8_t* mac) const {
  const std::uint64_t key = fdb_key(mac_of(mac), segment);
  const auto value = fdb_.find(key);
  if (!value || !segments_.contains(segment)) return std::nullopt;
  const FdbValue found = unpack(*value);
  // An entry of an output that has gone meanwhile is forgotten, and swept when there is time.
  if (found.segment_sequence != segment_sequence_[segment] || found.output_sequence != output_sequence_[found.output])
    return std::nullopt;
  return fdb_record(key, *value);
}

bool Program::remove_fdb(std::uint64_t key) {
  const auto value = fdb_.find(key);
  if (!value || learned_.contains(key)) return false;  // what was learned is no record
  abi::subtract(digests_[index(abi::Kind::Fdb)], abi::digest(fdb_record(key, *value)));
  return fdb_.erase(key);
}

bool Program::put_fdb(const abi::Fdb& record, Applied& applied) {
  const auto refuse = [&](const char* reason) {
    // A client that sends a million wrong entries is told of the first hundred.
    if (applied.refused.size() < 100) applied.refused.push_back(name(record) + ": " + reason + "; it is left out");
    return false;
  };
  const std::uint64_t mac = mac_of(record.mac);
  if (record.segment == 0 || !segments_.contains(record.segment)) return refuse("no such segment");
  if (mac == 0 || (mac & 1U) != 0) return refuse("not the address of one station");
  if ((record.port == 0) == (record.vtep == 0)) return refuse("a port or a VTEP, one of them");
  const OutputIndex output =
      record.vtep != 0 ? output_of_vtep(record.vtep) : output_of_attachment(record.port, record.segment);
  if (output == 0) return refuse("no such VTEP, or the port is not attached to the segment");
  if (record.vtep != 0 && segments_.at(record.segment).vni == 0) return refuse("a VTEP, and the segment has no VNI");
  const std::uint64_t key = fdb_key(mac, record.segment);
  const std::uint32_t value = pack({output, segment_sequence_[record.segment], output_sequence_[output]});
  const auto there = fdb_.find(key);
  const bool was_learned = learned_.contains(key);
  const bool configured = there && !was_learned;
  if (configured && *there == value) return true;
  abi::Digest& sum = digests_[index(abi::Kind::Fdb)];
  if (!fdb_.insert(key, value)) return refuse("no memory");
  if (configured) abi::subtract(sum, abi::digest(fdb_record(key, *there)));
  if (was_learned) forget_learned(key);
  abi::add(sum, abi::digest(fdb_record(key, value)));
  ++applied.applied;
  return true;
}

void Program::apply_fdb(const Batch::Changes<abi::Fdb>& changes, bool full, Applied& applied) {
  for (const abi::Fdb& record : changes.remove) applied.applied += remove_fdb(key_of(record));
  if (!fdb_.reserve(std::max(changes.put.size(), fdb_.size())))
    applied.refused.push_back("no memory for a larger FDB");
  constexpr std::size_t kAhead = 8;
  for (std::size_t i = 0; i < changes.put.size(); ++i) {
    if (i + kAhead < changes.put.size()) fdb_.prefetch(key_of(changes.put[i + kAhead]));
    put_fdb(changes.put[i], applied);
  }
  if (!full || fdb_.size() == 0) return;
  const std::vector<std::uint64_t> keys = sorted_keys(changes.put);
  fdb_.sweep(0, SIZE_MAX, [&](std::uint64_t key, std::uint32_t value) {
    if (std::binary_search(keys.begin(), keys.end(), key) || learned_.contains(key)) return true;
    abi::subtract(digests_[index(abi::Kind::Fdb)], abi::digest(fdb_record(key, value)));
    ++applied.applied;
    return false;
  });
}

// The workers ignore entries with an old sequence number already; here their memory is given back, so that a number that
// comes round again finds none of them.
void Program::forget_stale_fdb() {
  fdb_.sweep(0, SIZE_MAX, [&](std::uint64_t key, std::uint32_t packed) {
    const FdbValue value = unpack(packed);
    const auto segment = static_cast<SegmentIndex>(key >> 48U);
    const bool fresh = segments_.contains(segment) && value.segment_sequence == segment_sequence_[segment] &&
                       value.output_sequence == output_sequence_[value.output];
    if (!fresh) forget_learned(key);
    return fresh;
  });
  // Their destinations may be gone, so the digest is made anew.
  abi::Digest sum;
  fdb_.sweep(0, SIZE_MAX, [&](std::uint64_t key, std::uint32_t value) {
    if (!learned_.contains(key)) abi::add(sum, abi::digest(fdb_record(key, value)));
    return true;
  });
  digests_[index(abi::Kind::Fdb)] = sum;
}

void Program::for_each_fdb(const std::function<bool(const abi::Fdb&)>& visit) {
  bool on = true;
  fdb_.sweep(0, SIZE_MAX, [&](std::uint64_t key, std::uint32_t value) {
    if (on && !learned_.contains(key)) on = visit(fdb_record(key, value));
    return true;
  });
}

bool Program::remove_neighbour(std::uint64_t key) {
  const auto at = neighbour_index_.find(key);
  if (!at) return false;
  abi::Neighbour& record = neighbour_records_[*at];
  abi::subtract(digests_[index(abi::Kind::Neighbour)], abi::digest(record));
  neighbour_index_.erase(key);
  replace(tables_->neighbours[*at], static_cast<const Neighbour*>(nullptr));
  record = {};
  free_neighbours_.push_back(*at);
  return true;
}

bool Program::put_neighbour(const abi::Neighbour& record, Applied& applied) {
  const std::uint64_t key = key_of(record);
  const auto refuse = [&](const char* reason) {
    if (applied.refused.size() < 100) {
      applied.refused.push_back(fmt::format("neighbour in segment {}: {}; it is left out", record.segment, reason));
    }
    return false;
  };
  if (record.segment == 0 || !segments_.contains(record.segment)) return refuse("no such segment");
  auto at = neighbour_index_.find(key);
  if (at) {
    const abi::Neighbour& old = neighbour_records_[*at];
    if (std::memcmp(&old, &record, sizeof(record)) == 0) return true;
    if (std::memcmp(old.address, record.address, sizeof(old.address)) != 0) {
      return refuse("another IPv6 address has the same hash");
    }
    abi::subtract(digests_[index(abi::Kind::Neighbour)], abi::digest(old));
  } else {
    if (!free_neighbours_.empty()) {
      at = free_neighbours_.back();
      free_neighbours_.pop_back();
    } else if (neighbour_records_.size() < kMaxNeighbours) {
      at = static_cast<std::uint32_t>(neighbour_records_.size());
      neighbour_records_.emplace_back();
    } else {
      return refuse("the table of neighbours is full");
    }
  }
  auto neighbour = std::make_unique<Neighbour>();
  std::memcpy(neighbour->address, record.address, sizeof(neighbour->address));
  std::memcpy(neighbour->mac, record.mac, sizeof(neighbour->mac));
  neighbour->segment = record.segment;
  neighbour->ipv6 = record.ipv6 != 0;
  neighbour->router = record.router != 0;
  neighbour_records_[*at] = record;
  abi::add(digests_[index(abi::Kind::Neighbour)], abi::digest(record));
  replace(tables_->neighbours[*at], static_cast<const Neighbour*>(neighbour.release()));
  ++applied.applied;
  if (!neighbour_index_.insert(key, *at)) {
    abi::subtract(digests_[index(abi::Kind::Neighbour)], abi::digest(record));
    replace(tables_->neighbours[*at], static_cast<const Neighbour*>(nullptr));
    neighbour_records_[*at] = {};
    free_neighbours_.push_back(*at);
    return refuse("no memory");
  }
  return true;
}

void Program::apply_neighbours(const Batch::Changes<abi::Neighbour>& changes, bool full, bool segments,
                               Applied& applied) {
  for (const abi::Neighbour& record : changes.remove) applied.applied += remove_neighbour(key_of(record));
  for (const abi::Neighbour& record : changes.put) put_neighbour(record, applied);
  if (!segments) return;
  const std::vector<std::uint64_t> keys = full ? sorted_keys(changes.put) : std::vector<std::uint64_t>();
  for (const abi::Neighbour& record : neighbour_records_) {
    if (record.segment == 0) continue;
    const std::uint64_t key = key_of(record);
    const bool unwanted = full && !std::binary_search(keys.begin(), keys.end(), key);
    // A segment that is gone takes its neighbours along.
    if (unwanted || !segments_.contains(record.segment)) applied.applied += remove_neighbour(key);
  }
}

}  // namespace ml2::fastpath
