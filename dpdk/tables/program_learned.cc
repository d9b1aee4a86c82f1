// Program's learned stations: entries of the FDB that no record asked for. They are told by the workers and forgotten with time;
// a configured entry always stands.
#include "dpdk/tables/program.h"

namespace ml2::fastpath {

bool Program::forget_learned(std::uint64_t key) {
  if (learned_.erase(key) == 0) return false;
  --learned_in_[key >> 48U];
  return true;
}

void Program::learn(std::uint64_t key, std::uint32_t origin, std::uint64_t second) {
  const auto segment = static_cast<SegmentIndex>(key >> 48U);
  const auto record = segments_.find(segment);
  if (record == segments_.end() || record->second.learn_age == 0) return;
  // It was told some time ago: where it was heard may be gone since, or be somebody else now.
  OutputIndex output = 0;
  if ((origin & kFromVtep) != 0) {
    const std::uint32_t told = origin & ~kFromVtep;
    if (told < destinations_.size() && destinations_[told].vtep != 0) output = static_cast<OutputIndex>(told);
  } else if (origin < kMaxPorts) {
    output = output_of_attachment(static_cast<std::uint16_t>(origin), segment);
  }
  if (output == 0) return;
  const std::uint32_t value = pack({output, segment_sequence_[segment], output_sequence_[output]});
  const auto there = fdb_.find(key);
  const auto known = learned_.find(key);
  if (known != learned_.end()) {
    known->second = second;
    if (there && *there == value) return;
    if (!fdb_.insert(key, value)) ++learn_refused_;
    return;
  }
  if (there) return;  // configured
  if (learned_in_[segment] >= kMaxLearnedPerSegment || learned_.size() >= kMaxLearned || !fdb_.insert(key, value)) {
    ++learn_refused_;
    return;
  }
  learned_.emplace(key, second);
  ++learned_in_[segment];
}

void Program::age(std::uint64_t second) {
  for (auto it = learned_.begin(); it != learned_.end();) {
    const auto record = segments_.find(static_cast<std::uint16_t>(it->first >> 48U));
    const std::uint64_t allowed = record == segments_.end() ? 0 : record->second.learn_age;
    if (allowed != 0 && second <= it->second + allowed) {
      ++it;
      continue;
    }
    fdb_.erase(it->first);
    --learned_in_[it->first >> 48U];
    it = learned_.erase(it);
  }
}

void Program::for_each_learned(const std::function<void(const abi::Fdb&, std::uint64_t second)>& visit) const {
  for (const auto& [key, second] : learned_)
    if (const auto value = fdb_.find(key)) visit(fdb_record(key, *value), second);
}

}  // namespace ml2::fastpath
