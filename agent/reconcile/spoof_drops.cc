#include "agent/reconcile/spoof_drops.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>

#include "datapath/base/poll_loop.h"
#include "datapath/compile/compile.h"
#include "datapath/openflow/match.h"
#include "datapath/openflow/pipeline.h"

namespace ml2::reconcile {
namespace {

constexpr std::uint16_t kDropPriority = 1;  // compile/flows_antispoof.cc

constexpr std::array<of::IntTable, 2> kTables{of::IntTable::ArpSpoof, of::IntTable::MacSpoof};

std::string what_and_how(of::IntTable table, const std::string& since, const Uuid& port) {
  if (table == of::IntTable::ArpSpoof) {
    return fmt::format(
        "anti-spoofing drops ARP or neighbour advertisements for addresses that are not this port's, since {}; if it "
        "shall "
        "have them: ml2ctl port set {} --allowed-address ip-address=ADDRESS",
        since, port.to_string());
  }
  return fmt::format(
      "anti-spoofing drops frames from MACs that are not this port's, since {}; if it shall send them: ml2ctl port "
      "set {} "
      "--allowed-address ip-address=ADDRESS,mac-address=MAC, or --disable-port-security",
      since, port.to_string());
}

}  // namespace

std::string SpoofDrops::match_of(const PortState& state) {
  return state.ofport ? of::Match().in_port(*state.ofport).text() : std::string();
}

void SpoofDrops::read(const std::map<of::FlowKey, of::FlowCounters>& counters, std::set<std::string>& news) {
  std::erase_if(counts_, [&](const auto& entry) {
    if (counters.contains(entry.first)) return false;
    if (entry.second.rising) {
      news.insert(entry.first.match);
      --rising_;
    }
    return true;
  });
  const Monotonic now = clock_.now();
  for (const auto& [key, seen] : counters) {
    const auto [at, is_new] = counts_.try_emplace(key);
    Count& count = at->second;
    if (is_new && !read_once_) {
      count.packets = seen.packets;
      continue;
    }
    if (seen.packets < count.packets) {  // the flow was made anew
      count.packets = 0;
      if (count.rising) count.before = 0;
    }
    if (seen.packets == count.packets) continue;
    if (!count.rising) {
      count.rising = true;
      ++rising_;
      count.before = count.packets;
      count.since = clock_.wall();
      news.insert(key.match);
    }
    count.packets = seen.packets;
    count.last = now;
  }
  read_once_ = true;
}

void SpoofDrops::take_answer(of::Switch& of_switch, std::set<std::string>& news) {
  if (!request_) return;
  if (request_->one_by_one) {
    const auto counters = of_switch.take_counters(request_->number);
    if (!counters) return;
    request_.reset();
    read(*counters, news);
    return;
  }
  const auto sum = of_switch.take_packets(request_->number);
  if (!sum) return;
  request_.reset();
  if (sum == sum_) return;
  if (const auto asked = of_switch.request_counters(cookie_of_spoofed())) {
    sum_ = sum;
    request_ = Request{.number = *asked, .asked = clock_.now(), .one_by_one = true};
  }
}

std::set<std::string> SpoofDrops::run(of::Switch* of_switch) {
  std::set<std::string> news;
  active_ = of_switch != nullptr && of_switch->flows() != nullptr;
  const Monotonic now = clock_.now();
  if (rising_ != 0) {  // mostly none of thousands is
    for (auto& [key, count] : counts_) {
      if (!count.rising || now < count.last + kQuiet) continue;
      count.rising = false;
      --rising_;
      news.insert(key.match);
    }
  }
  if (!active_) {
    request_.reset();  // its answer was lost with the connection
    sum_.reset();
    return news;
  }
  take_answer(*of_switch, news);
  if (request_ && now >= request_->asked + kAnswer) {
    request_.reset();
    sum_.reset();
  }
  if (request_ || now < next_) return news;
  next_ = now + kEvery;
  if (const auto asked = of_switch->request_packets(cookie_of_spoofed())) {
    request_ = Request{.number = *asked, .asked = now};
  }
  return news;
}

void SpoofDrops::wait() const {
  if (!active_) return;
  const Monotonic until = request_ ? request_->asked + kAnswer : next_;
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(until - clock_.now()).count() + 1);
}

std::string SpoofDrops::sentence(const std::string& match, const Uuid& port) const {
  std::string text;
  for (const of::IntTable table : kTables) {
    const auto found = counts_.find({of::number(table), kDropPriority, match});
    if (found == counts_.end() || !found->second.rising) continue;
    const std::string since =
        fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(WallTime::clock::to_time_t(found->second.since)));
    text += (text.empty() ? "" : "; ") + what_and_how(table, since, port);
  }
  return text;
}

std::uint64_t SpoofDrops::frames(const std::string& match) const {
  std::uint64_t frames = 0;
  for (const of::IntTable table : kTables) {
    const auto found = counts_.find({of::number(table), kDropPriority, match});
    if (found != counts_.end() && found->second.rising) frames += found->second.packets - found->second.before;
  }
  return frames;
}

}  // namespace ml2::reconcile
