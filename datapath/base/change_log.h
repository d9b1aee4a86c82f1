// ChangeLog: what has changed since a reader last looked, as keys; or "nobody knows", and then the reader looks at all.
//
// Where in the walk: whoever holds a state that others follow (an OVSDB snapshot, a switch's flows, the intent) keeps
//   one beside the state's sequence number. By it a step of the agent costs what has changed, not what there is.
// Threading: one owner.
// Failure: it forgets: the oldest entries go when there are many. A reader that is too far behind is told so.
// What it does not do: no values: those are read from the state as it is now. A key may be told that is as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>

namespace ml2 {

template <class Key>
class ChangeLog {
 public:
  static constexpr std::size_t kMaxEntries = 4096;

  // `key` differs between the states of number `sequence` and of the one before.
  void add(std::uint64_t sequence, Key key) {
    entries_.emplace_back(sequence, std::move(key));
    if (entries_.size() <= kMaxEntries) return;
    known_after_ = entries_.front().first;
    entries_.pop_front();
  }
  // Anything may differ between the states of number `sequence` and of the one before.
  void add_all(std::uint64_t sequence) {
    entries_.clear();
    known_after_ = sequence;
  }
  // What may differ between the state of number `sequence` and the present one; nullopt: nobody knows.
  [[nodiscard]] std::optional<std::set<Key>> since(std::uint64_t sequence) const {
    if (sequence < known_after_) return std::nullopt;
    std::set<Key> keys;
    for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->first > sequence; ++entry) {
      keys.insert(entry->second);
    }
    return keys;
  }

 private:
  std::deque<std::pair<std::uint64_t, Key>> entries_;  // by sequence, rising
  std::uint64_t known_after_ = 0;                      // all changes after this number are in entries_
};

}  // namespace ml2
