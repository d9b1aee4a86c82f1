#include "agent/reconcile/fast_path_drops.h"

#include <algorithm>
#include <utility>

#include "datapath/base/poll_loop.h"

namespace ml2::reconcile {

std::set<fp::PortId> FastPathDrops::run(const fp::SpoofCounters* counters) {
  std::set<fp::PortId> news;
  if (counters != nullptr && counters->sequence != heard_.sequence) read(*counters, news);
  const Monotonic now = clock_.now();
  for (auto& [port, spoofer] : spoofers_) {
    for (auto& spoofing : spoofer.kinds) {
      if (!spoofing || now < spoofing->last + kQuiet) continue;
      spoofing.reset();
      news.insert(port);
    }
  }
  std::erase_if(spoofers_, [](const auto& entry) {
    const auto& kinds = entry.second.kinds;
    return std::none_of(kinds.begin(), kinds.end(), [](const auto& spoofing) { return spoofing.has_value(); });
  });
  return news;
}

void FastPathDrops::read(const fp::SpoofCounters& counters, std::set<fp::PortId>& news) {
  const fp::SpoofCounters before = std::exchange(heard_, counters);
  if (before.sequence == 0) return;
  static const fp::SpoofedFrames kNone;
  for (const auto& [port, frames] : counters.ports) {
    const auto found = before.ports.find(port);
    const bool restarted = before.boot != counters.boot;
    const fp::SpoofedFrames& was = restarted || found == before.ports.end() ? kNone : found->second;
    const std::array<std::pair<std::uint64_t, std::uint64_t>, kSpoofedKinds> grown{
        std::pair(was.announcements, frames.announcements), std::pair(was.macs, frames.macs),
        std::pair(was.addresses, frames.addresses)};
    for (std::size_t kind = 0; kind < kSpoofedKinds; ++kind) {
      const auto& [then, now] = grown[kind];
      if (now <= then) continue;
      Spoofer& spoofer = spoofers_[port];
      spoofer.frames += now - then;
      if (!spoofer.kinds[kind]) {
        spoofer.kinds[kind] = Spoofing{.since = clock_.wall()};
        news.insert(port);
      }
      spoofer.kinds[kind]->last = clock_.now();
    }
  }
}

void FastPathDrops::wait() const {
  for (const auto& [port, spoofer] : spoofers_) {
    for (const auto& spoofing : spoofer.kinds) {
      if (!spoofing) continue;
      const auto left = spoofing->last + kQuiet - clock_.now();
      ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1);
    }
  }
}

std::string FastPathDrops::sentence(fp::PortId number, const Uuid& port) const {
  std::string text;
  const auto found = spoofers_.find(number);
  if (found == spoofers_.end()) return text;
  for (std::size_t kind = 0; kind < kSpoofedKinds; ++kind) {
    const auto& spoofing = found->second.kinds[kind];
    if (!spoofing) continue;
    text += (text.empty() ? "" : "; ") + spoof_sentence(static_cast<Spoofed>(kind), spoofing->since, port);
  }
  return text;
}

std::uint64_t FastPathDrops::frames(fp::PortId number) const {
  const auto found = spoofers_.find(number);
  return found == spoofers_.end() ? 0 : found->second.frames;
}

}  // namespace ml2::reconcile
