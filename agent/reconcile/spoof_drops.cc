#include "agent/reconcile/spoof_drops.h"

#include <algorithm>
#include <utility>

#include "agent/reconcile/spoof_sentences.h"
#include "datapath/base/poll_loop.h"
#include "datapath/openflow/cookie.h"
#include "datapath/openflow/match.h"
#include "datapath/openflow/pipeline.h"

namespace ml2::reconcile {
namespace {

constexpr std::array<of::IntTable, 2> kTables{of::IntTable::ArpSpoof, of::IntTable::MacSpoof};

// What the drop flow of `table` has the switch learn.
of::FlowKey learned_of(of::IntTable table, const std::string& match) {
  return {of::number(of::IntTable::Spoofing), of::number(table), match};
}

}  // namespace

std::string SpoofDrops::match_of(const PortState& state) {
  return state.ofport ? of::Match().in_port(*state.ofport).text() : std::string();
}

void SpoofDrops::read(const of::FlowSet& flows, std::set<std::string>& news) {
  std::map<std::string, Spoofer> before = std::exchange(spoofers_, {});
  constexpr std::uint8_t kTable = of::number(of::IntTable::Spoofing);
  for (auto at = flows.lower_bound({kTable, 0, ""}); at != flows.end() && at->first.table == kTable; ++at) {
    const auto& [key, body] = *at;
    if (!of::is_ours(body.cookie)) continue;
    Spoofer& now = spoofers_.try_emplace(std::string(key.match.view())).first->second;
    now.cookie = body.cookie;
    for (std::size_t i = 0; i < kTables.size(); ++i) {
      now.learned[i] = now.learned[i] || key.priority == of::number(kTables[i]);
    }
  }
  for (auto& [match, now] : spoofers_) {
    const auto found = before.find(match);
    const Spoofer was = found == before.end() || found->second.cookie != now.cookie ? Spoofer{} : found->second;
    now.frames = was.frames;
    for (std::size_t i = 0; i < kTables.size(); ++i) {
      if (now.learned[i]) {
        now.since[i] = was.since[i];
        if (!now.since[i]) to_ask_.insert(match);
      }
      if (was.learned[i] && !now.learned[i]) news.insert(match);
    }
    if (found != before.end() && found->second.cookie != now.cookie) news.insert(match);
    if (found != before.end()) before.erase(found);
  }
  for (const auto& [match, was] : before) news.insert(match);
}

void SpoofDrops::take_answer(of::Switch& of_switch, std::set<std::string>& news) {
  if (!request_) return;
  const auto counters = of_switch.take_counters(request_->number);
  if (!counters) return;
  const std::string match = std::exchange(request_, std::nullopt)->match;
  const auto found = spoofers_.find(match);
  if (found == spoofers_.end()) return;
  Spoofer& spoofer = found->second;
  spoofer.frames = 0;
  for (std::size_t i = 0; i < kTables.size(); ++i) {
    const auto dropped = counters->find({of::number(kTables[i]), of::kSpoofDropPriority, match});
    if (dropped != counters->end()) spoofer.frames += dropped->second.packets;
    const auto learned = counters->find(learned_of(kTables[i], match));
    if (learned == counters->end() || !spoofer.learned[i] || spoofer.since[i]) continue;
    spoofer.since[i] = clock_.wall() - std::chrono::duration_cast<WallTime::duration>(learned->second.age);
    news.insert(match);
  }
}

std::set<std::string> SpoofDrops::run(of::Switch* of_switch) {
  std::set<std::string> news;
  const of::FlowSet* flows = of_switch == nullptr ? nullptr : of_switch->flows();
  if (flows == nullptr) {
    request_.reset();  // its answer was lost with the connection
    seen_.reset();
    return news;
  }
  if (seen_ != of_switch->sequence()) {
    if (!seen_) look();
    seen_ = of_switch->sequence();
    read(*flows, news);
  }
  take_answer(*of_switch, news);
  const Monotonic now = clock_.now();
  if (request_ && now >= request_->asked + kAnswer) to_ask_.insert(std::exchange(request_, std::nullopt)->match);
  // One after the other: there are few.
  while (!request_ && !to_ask_.empty()) {
    const auto next = to_ask_.extract(to_ask_.begin());
    const auto found = spoofers_.find(next.value());
    if (found == spoofers_.end()) continue;
    const auto asked = of_switch->request_counters(found->second.cookie);
    if (!asked) break;
    request_ = Request{.number = *asked, .asked = now, .match = next.value()};
  }
  return news;
}

void SpoofDrops::wait() const {
  if (!request_) return;
  const auto left = request_->asked + kAnswer - clock_.now();
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1);
}

void SpoofDrops::look() {
  for (const auto& [match, spoofer] : spoofers_) to_ask_.insert(match);
}

std::string SpoofDrops::sentence(const std::string& match, const Uuid& port) const {
  std::string text;
  const auto found = spoofers_.find(match);
  if (found == spoofers_.end()) return text;
  for (std::size_t i = 0; i < kTables.size(); ++i) {
    if (!found->second.since[i]) continue;
    const Spoofed what = kTables[i] == of::IntTable::ArpSpoof ? Spoofed::Announcement : Spoofed::Mac;
    text += (text.empty() ? "" : "; ") + spoof_sentence(what, *found->second.since[i], port);
  }
  return text;
}

std::uint64_t SpoofDrops::frames(const std::string& match) const {
  const auto found = spoofers_.find(match);
  return found == spoofers_.end() ? 0 : found->second.frames;
}

}  // namespace ml2::reconcile
