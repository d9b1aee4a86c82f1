// fast_path_ids: which number stands for which port, segment and VTEP in the fast path.
//
// Where in the walk: FastPathReading keeps the known ones (Facts) up to date; FastPathCompiler asks for the ids of what it
//   writes.
// Threading: pure.
// Failure: nullopt when all numbers are in use.
// What it does not do: nothing is stored here: the last step's ids and those read back (FastPathFacts) are the memory, so that
//   a fresh agent gives everything the id that it has. A number is not used again in the step in which its holder goes: the
//   fast path would take the one for the other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "datapath/model/fast_path.h"
#include "datapath/model/segment.h"

namespace ml2 {

// What tells a segment when it is read back, where no other segment has the same.
[[nodiscard]] std::uint32_t mark_of(const Segment& segment);

// Gives what is asked for: the number that is given already, or that is known, or one that nobody has or had.
class FastPathIdAllocation {
 public:
  FastPathIdAllocation(const FastPathIds& known, FastPathIds& given) : known_(known), given_(given) {}

  [[nodiscard]] std::optional<fp::PortId> port(const std::string& device);
  struct SegmentNumber {
    fp::SegmentId id = 0;
    std::uint32_t mark = 0;
  };
  // Of a segment that has none yet.
  [[nodiscard]] std::optional<SegmentNumber> segment(const Segment& segment);
  [[nodiscard]] std::optional<fp::VtepId> vtep(const IpAddress& address);

 private:
  const FastPathIds& known_;
  FastPathIds& given_;
};

// The device's name: "net_tap0,iface=tap0" is net_tap0.
[[nodiscard]] std::string device_name(std::string_view devargs);
// What the keys of ids are made of, of records that were read back; nullopt: of nothing.
[[nodiscard]] std::optional<std::string> id_key_of(const fp::abi::Port& record);
[[nodiscard]] std::optional<std::uint32_t> id_key_of(const fp::abi::Segment& record);
[[nodiscard]] std::optional<IpAddress> id_key_of(const fp::abi::Vtep& record);

// The numbers of one kind that were read back, and what they make of those that were given: of two records with one key
// the lower number counts, and what was given keeps its number where nobody else has it.
template <class Key>
class ReadNumbers {
 public:
  // The record of this number has this key now, or is gone. Into `suspects` goes whose known number may be another.
  void read(std::uint16_t number, const std::optional<Key>& key, const FastPathNumbers<Key>& given,
            std::set<Key>& suspects) {
    const auto before = keys_.find(number);
    if (before == keys_.end() ? !key : key == before->second) return;
    const auto suspect = [&](const Key& of) {
      suspects.insert(of);
      for (const std::uint16_t other : numbers_[of]) {
        if (const Key* holder = given.holder(other)) suspects.insert(*holder);
      }
    };
    if (const Key* holder = given.holder(number)) suspects.insert(*holder);
    if (before != keys_.end()) {
      const Key old = before->second;
      suspect(old);
      numbers_[old].erase(number);
      if (numbers_[old].empty()) numbers_.erase(old);
      keys_.erase(before);
    }
    if (!key) return;
    keys_.emplace(number, *key);
    numbers_[*key].insert(number);
    suspect(*key);
  }
  [[nodiscard]] std::optional<std::uint16_t> known(const Key& key, const FastPathNumbers<Key>& given) const {
    if (const auto found = numbers_.find(key); found != numbers_.end()) return *found->second.begin();
    const auto number = given.of(key);
    if (!number) return std::nullopt;
    const auto holder = keys_.find(*number);
    if (holder != keys_.end() && *numbers_.at(holder->second).begin() == *number) return std::nullopt;
    return number;
  }

 private:
  std::map<std::uint16_t, Key> keys_;
  std::map<Key, std::set<std::uint16_t>> numbers_;
};

// Of records that were read back (nullptr: of none); what `given` knows besides keeps its number where nobody else has it.
[[nodiscard]] FastPathIds known_ids(const fp::Tables* read_back, const FastPathIds& given);

}  // namespace ml2
