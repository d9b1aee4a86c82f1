// delta: what must change to turn one map into another.
//
// Where in the walk: the heart of diff/; used for flows, rows and kernel objects alike.
// Threading: pure.
// Failure: none.
// What it does not do: no order between the three lists: that is diff/'s business.
#pragma once

#include <map>
#include <vector>

namespace ml2 {

template <class K, class V>
struct Delta {
  std::vector<std::pair<K, V>> add;     // desired, not there
  std::vector<std::pair<K, V>> change;  // there, with another value; holds the desired one
  std::vector<std::pair<K, V>> remove;  // there, not desired; holds the actual one

  [[nodiscard]] bool empty() const { return add.empty() && change.empty() && remove.empty(); }
};

// `same(desired, actual)` says whether two values of one key need no change.
template <class K, class V, class Same>
[[nodiscard]] Delta<K, V> delta(const std::map<K, V>& desired, const std::map<K, V>& actual, Same same) {
  Delta<K, V> result;
  auto d = desired.begin();
  auto a = actual.begin();
  while (d != desired.end() || a != actual.end()) {
    if (a == actual.end() || (d != desired.end() && d->first < a->first)) {
      result.add.push_back(*d++);
    } else if (d == desired.end() || a->first < d->first) {
      result.remove.push_back(*a++);
    } else {
      if (!same(d->second, a->second)) result.change.push_back(*d);
      ++d;
      ++a;
    }
  }
  return result;
}

template <class K, class V>
[[nodiscard]] Delta<K, V> delta(const std::map<K, V>& desired, const std::map<K, V>& actual) {
  return delta(desired, actual, [](const V& d, const V& a) { return d == a; });
}

}  // namespace ml2
