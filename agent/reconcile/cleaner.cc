#include "agent/reconcile/cleaner.h"

#include <fmt/format.h>

#include <utility>

#include "agent/reconcile/wired_marks.h"
#include "datapath/base/poll_loop.h"

namespace ml2::reconcile {

Cleaner::Cleaner(ovsdb::Database& vswitch, OpenSwitch open_switch, NodeConfig node, const Clock& clock, Mode mode)
    : vswitch_(vswitch),
      open_switch_(std::move(open_switch)),
      node_(std::move(node)),
      clock_(clock),
      mode_(mode),
      deadline_(clock.now() + kLimit) {}

void Cleaner::run() {
  if (answer_) return;
  vswitch_.run();
  for (auto& [name, of_switch] : switches_) of_switch->run();
  if (const auto outcome = vswitch_.take_outcome()) {
    dirty_ = true;
    if (!outcome->status) failed("Open_vSwitch database: " + outcome->status.error().message);
  }
  for (auto& [name, of_switch] : switches_) {
    const auto outcome = of_switch->take_outcome();
    if (!outcome) continue;
    dirty_ = true;
    if (!*outcome) failed(fmt::format("bridge {}: {}", name, outcome->error().message));
  }
  const std::string missing = read();
  if (missing.empty()) {
    step();
  } else {
    trouble_ = missing;
  }
  if (!answer_ && clock_.now() >= deadline_) {
    answer_ = Result<std::string>(
        transient(fmt::format("cleanup has not come to its end within {} s: {}", kLimit.count(), trouble_)));
  }
}

std::string Cleaner::read() {
  if (vswitch_.snapshot() == nullptr) {
    const ovsdb::DatabaseStatus status = vswitch_.status();
    return fmt::format("the Open_vSwitch database at {} could not be read{}{}", status.remote,
                       status.error.empty() ? "" : ": ", status.error);
  }
  const std::set<std::string> bridges = cleanup_bridges(node_, ovsdb::read_vswitch(*vswitch_.snapshot()));
  std::erase_if(switches_, [&](const auto& entry) { return !bridges.contains(entry.first); });
  std::string missing;
  for (const std::string& name : bridges) {
    std::unique_ptr<of::Switch>& of_switch = switches_[name];
    if (of_switch == nullptr) {
      of_switch = open_switch_(name);
      of_switch->run();
    }
    if (of_switch->flows() != nullptr) continue;
    const std::string error = of_switch->status().error;
    missing = fmt::format("the flows of bridge {} could not be read{}{}", name, error.empty() ? "" : ": ", error);
  }
  return missing;
}

void Cleaner::step() {
  bool busy = vswitch_.busy();
  std::uint64_t sequence = vswitch_.sequence();
  Actual actual{.vswitch = ovsdb::read_vswitch(*vswitch_.snapshot())};
  for (const auto& [name, of_switch] : switches_) {
    busy = busy || of_switch->busy();
    sequence += of_switch->sequence();
    actual.flows[name] = of_switch->flows();
  }
  if (busy || (!dirty_ && sequence == seen_) || !back_off_.due(clock_.now())) return;
  dirty_ = false;
  seen_ = sequence;
  Cleanup cleanup = diff_to_nothing(node_, actual);
  const std::size_t before = cleanup.plan.ovsdb.operations.size();
  for (const auto& [name, row] : actual.vswitch.interfaces) {
    auto mark = wired_mark(row, /*wired=*/false, /*complete=*/true, clock_.wall());
    if (mark) cleanup.plan.ovsdb.operations.push_back(*std::move(mark));
  }
  if (before == 0 && !cleanup.plan.ovsdb.empty()) cleanup.plan.ovsdb.comment = "ml2-agent: unmark interfaces";
  if (const std::size_t marks = cleanup.plan.ovsdb.operations.size() - before; marks != 0) {
    cleanup.ours.push_back(fmt::format("the mark {} of {} interfaces", kInstalledKey, marks));
  }
  if (!ours_) ours_ = cleanup.ours;
  stays_.insert(cleanup.stays.begin(), cleanup.stays.end());
  if (cleanup.plan.empty() || mode_ == Mode::Look) {
    answer_ = Result<std::string>(account());
    return;
  }
  if (!cleanup.plan.held.empty()) trouble_ = cleanup.plan.held.front();
  apply(cleanup.plan);
}

void Cleaner::apply(const Plan& plan) {
  if (!plan.ovsdb.empty()) {
    if (const Status sent = vswitch_.commit(plan.ovsdb); !sent) failed(sent.error().message);
  }
  for (const auto& [name, bundle] : plan.bundles) {
    if (const Status sent = switches_.at(name)->commit(bundle); !sent) failed(sent.error().message);
  }
}

void Cleaner::failed(std::string trouble) {
  trouble_ = std::move(trouble);
  dirty_ = true;
  back_off_.failed(clock_.now());
}

std::string Cleaner::account() const {
  std::string text;
  const char* word = mode_ == Mode::Look ? "would remove" : "removed";
  for (const std::string& line : *ours_) text += fmt::format("{} {}\n", word, line);
  for (const std::string& line : stays_) text += fmt::format("left alone: {}\n", line);
  if (ours_->empty()) text += "there is nothing of ml2-agent in this Open vSwitch\n";
  return text;
}

void Cleaner::wait() {
  if (answer_) {
    ml2_poll_immediate();
    return;
  }
  vswitch_.wait();
  for (auto& [name, of_switch] : switches_) of_switch->wait();
  const Monotonic now = clock_.now();
  const auto wake_at = [&](Monotonic when) {
    ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count() + 1);
  };
  wake_at(deadline_);
  if (dirty_ && !back_off_.due(now)) wake_at(back_off_.until());
}

}  // namespace ml2::reconcile
