#include "agent/reconcile/fast_path_side.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"

namespace ml2::reconcile {
namespace {

constexpr const char* kSubject = "fast path";
// The kernel asks three times within three seconds, and then gives up.
constexpr std::chrono::seconds kAskAgain{3};
// It does not look by itself whether a neighbour that nobody of the host's own talks to is still there.
constexpr std::chrono::seconds kAskStill{30};

// Whether all records of `part` are in `of`, as they are.
bool is_part(const fp::Tables& part, const fp::Tables& of) {
  bool all = true;
  fp::for_each_kind(
      [&all](fp::abi::Kind, const auto& few, const auto& many) {
        all = all && std::all_of(few.begin(), few.end(), [&many](const auto& entry) {
                const auto found = many.find(entry.first);
                return found != many.end() && fp::same(found->second, entry.second);
              });
      },
      part, of);
  return all;
}

// A port that was refused takes its addresses with it, which may be thousands: one sentence for each reason.
std::vector<std::string> grouped(const std::vector<std::string>& sentences) {
  std::vector<std::string> result;
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const std::string& sentence : sentences) {
    const std::size_t colon = sentence.find(": ");
    const bool address = sentence.starts_with("FDB entry ") || sentence.starts_with("neighbour ");
    if (address && colon != std::string::npos) {
      by_reason[sentence.substr(colon)].push_back(sentence.substr(0, colon));
    } else {
      result.push_back(sentence);
    }
  }
  for (const auto& [reason, names] : by_reason) {
    result.push_back(names.size() == 1
                         ? names.front() + reason
                         : fmt::format("{} and {} more addresses{}", names.front(), names.size() - 1, reason));
  }
  return result;
}

// Whose refusal a sentence is: "port 3: ...", "attachment of port 3 ...".
std::optional<fp::PortId> port_of(const std::string& sentence) {
  for (const auto& [begin, end] : {std::pair("port ", ':'), std::pair("attachment of port ", ' ')}) {
    if (!sentence.starts_with(begin)) continue;
    const std::size_t first = std::string_view(begin).size();
    const auto number = text::to_int(sentence.substr(first, sentence.find(end, first) - first));
    if (number && *number > 0 && *number <= std::numeric_limits<fp::PortId>::max()) {
      return static_cast<fp::PortId>(*number);
    }
  }
  return std::nullopt;
}

// By which option the device is the fast path's, for people.
std::string option_of(const std::string& device, const FastPathConfig& wanted) {
  if (device == wanted.tunnel_device) return "tunnel_device " + device;
  if (device == wanted.host_device) return "tunnel_host_device " + device;
  for (const auto& [physical_network, devargs] : wanted.physnet_devices) {
    if (device == devargs) return fmt::format("physnet_devices {}:{}", physical_network, device);
  }
  return "device " + device;
}

// What does not work while its link is down.
std::string cut_off(const std::string& device, const FastPathConfig& wanted) {
  std::string text;
  if (device == wanted.tunnel_device) text += "; the tunnels of this host carry nothing";
  if (device == wanted.host_device) text += "; the host itself has no way to the underlay";
  for (const auto& [physical_network, devargs] : wanted.physnet_devices) {
    if (device == devargs) text += fmt::format("; physical network {} is cut off", physical_network);
  }
  return text;
}

std::vector<unsigned> sorted(std::vector<unsigned> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

bool FastPathSide::run() {
  if (!enabled()) return false;
  fast_path_->run();
  const fp::FastPathStatus status = fast_path_->status();
  const bool has_tables = fast_path_->tables() != nullptr;
  if (has_tables != had_tables_) {
    had_tables_ = has_tables;
    const std::string text = has_tables ? fmt::format("its tables have been read: generation {}, {}",
                                                      status.generation, fp::summary(*fast_path_->tables()))
                                        : "the connection to ml2-fastpath is lost: " + status.error;
    log::info("reconcile", "fast path: {}", text);
    journal_.add(Event::Kind::Connection, kSubject, text);
    if (has_tables) back_off_.succeeded();
  }
  const bool silence_moved = take_silence(status);
  const bool links_moved = take_troubles(status) || silence_moved;
  auto outcome = fast_path_->take_outcome();
  if (!outcome) return links_moved;
  in_flight_ = false;
  const Monotonic now = clock_.now();
  const std::vector<std::string> before = refused_;
  refuse(grouped(outcome->refused));
  error_ = outcome->status ? std::string() : outcome->status.error().message;
  if (outcome->status && refused_.empty()) {
    back_off_.succeeded();
    last_ = {};
    journal_.add(Event::Kind::Confirmed, kSubject, "the update was carried out");
    return true;
  }
  back_off_.failed(now);
  for (const std::string& sentence : refused_) {
    if (std::find(before.begin(), before.end(), sentence) != before.end()) continue;  // said already
    log::warn("reconcile", "fast path: {}; it is tried again", sentence);
    journal_.add(Event::Kind::Failed, kSubject, sentence);
  }
  if (!error_.empty()) {
    log::warn("reconcile", "fast path: an update failed: {}", error_);
    journal_.add(Event::Kind::Failed, kSubject, error_);
  }
  return true;
}

// That it hangs, or goes on; true: problems() says something else.
bool FastPathSide::take_silence(const fp::FastPathStatus& status) {
  if (status.silent == silent_) return false;
  silent_ = status.silent;
  const std::string text = silent_ ? status.error : "ml2-fastpath answers again, or is gone";
  if (silent_) log::warn("reconcile", "fast path: {}", text);
  journal_.add(Event::Kind::Connection, kSubject, text);
  return true;
}

// NICs of which the link has gone or come; true: problems() says something else.
bool FastPathSide::take_troubles(const fp::FastPathStatus& status) {
  const std::map<std::string, std::string>& now = status.troubles;
  if (now == troubles_) return false;
  if (!status.connected) {  // nobody says how they are
    troubles_.clear();
    return true;
  }
  for (const auto& [device, trouble] : now) {
    const auto before = troubles_.find(device);
    if (before == troubles_.end() || before->second != trouble)
      journal_.add(Event::Kind::Connection, kSubject, fmt::format("device {}: {}", device, trouble));
  }
  for (const auto& [device, trouble] : troubles_) {
    if (!now.contains(device))
      journal_.add(Event::Kind::Connection, kSubject, fmt::format("device {}: no trouble any more", device));
  }
  troubles_ = now;
  return true;
}

void FastPathSide::seen() {
  if (enabled()) seen_ = fast_path_->sequence();
}

std::string FastPathSide::gate() const {
  if (!enabled() || fast_path_->tables() != nullptr) return {};
  const fp::FastPathStatus status = fast_path_->status();
  if (!status.error.empty()) return {};
  return fmt::format("fast path at {} not read yet", status.target);
}

// Whether all of it was sent the last time, and refused.
bool FastPathSide::stuck(const fp::Update& update) const {
  return is_part(update.put, last_.put) && is_part(update.remove, last_.remove);
}

void FastPathSide::send(const fp::Update& update) {
  if (update.empty() || in_flight_ || fast_path_->busy() || fast_path_->tables() == nullptr) return;
  if (fast_path_->sequence() != seen_) return;  // computed from an older reading: the next step's work
  if (!back_off_.due(clock_.now()) && stuck(update)) return;
  if (const Status sent = fast_path_->commit(update); !sent) {
    error_ = sent.error().message;
    back_off_.failed(clock_.now());
    last_ = update;
    return;
  }
  in_flight_ = true;
  last_ = update;
  const std::string text = fmt::format("{}put {}; remove {}", update.full ? "everything: " : "",
                                       fp::summary(update.put), fp::summary(update.remove));
  log::info("reconcile", "fast path: sent {}", text);
  journal_.add(Event::Kind::Records, kSubject, text, update.size());
}

void FastPathSide::make_links(const nl::Batch& links) {
  if (links.empty() || !links_back_off_.due(clock_.now())) return;
  const Status made = kernel_.apply(links);
  // Also when it went well, until the kernel has told of it.
  links_back_off_.failed(clock_.now());
  const std::string error = made ? std::string() : made.error().message;
  if (!error.empty() && error != links_error_) log::warn("reconcile", "fast path: {}", error);
  if (error.empty()) log::info("reconcile", "fast path: {}", nl::to_string(links));
  links_error_ = error;
}

void FastPathSide::resolve(const std::map<NextHop, bool>& next_hops) {
  const Monotonic now = clock_.now();
  if (std::exchange(next_hops_looked_at_, true) && (!ask_next_ || now < *ask_next_)) return;
  ask_next_.reset();
  std::erase_if(ask_at_, [&](const auto& entry) { return !next_hops.contains(entry.first); });
  for (const auto& [hop, known] : next_hops) {
    Monotonic& when = ask_at_.try_emplace(hop, now).first->second;
    if (!known && when > now + kAskAgain) when = now;  // it was known until now
    const bool due = now >= when;
    if (due) when = now + (known ? kAskStill : kAskAgain);
    ask_next_ = std::min(ask_next_.value_or(when), when);
    if (!due) continue;
    // A link that has just gone is no fault: the next step finds another way, or none.
    const Status asked = kernel_.apply({{nl::ResolveNeighbour{.link = hop.link, .address = hop.address}}});
    if (!asked) log::debug("reconcile", "{}", asked.error().message);
  }
}

void FastPathSide::apply(const Plan& plan, const DesiredFastPath& desired) {
  if (!enabled()) return;
  if (plan.links.empty()) {
    links_back_off_.succeeded();
    links_error_.clear();
  }
  if (plan.fast_path.empty() && !plan.fast_path_unread && !in_flight_) {
    refuse({});  // nobody wants it any more
    error_.clear();
  }
  make_links(plan.links);
  resolve(desired.next_hops);
  send(plan.fast_path);
}

void FastPathSide::wait(const Plan& plan, bool in_sync) {
  if (!enabled()) return;
  fast_path_->wait();
  if (!in_sync) return;
  const Monotonic now = clock_.now();
  const auto wake_at = [&](Monotonic when) {
    ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count() + 1);
  };
  if (!plan.links.empty()) wake_at(links_back_off_.until());
  if (!plan.fast_path.empty() && !in_flight_ && fast_path_->tables() != nullptr && !back_off_.due(now))
    wake_at(back_off_.until());
  if (ask_next_) wake_at(*ask_next_);
}

std::set<std::string> FastPathSide::problems(const FastPathConfig& wanted) const {
  std::set<std::string> sentences;
  if (!enabled()) return sentences;
  const fp::FastPathStatus status = fast_path_->status();
  if (status.silent) {
    sentences.insert("fast path: " + status.error);
  } else if (fast_path_->tables() == nullptr && !status.error.empty()) {
    sentences.insert(
        fmt::format("fast path: no ml2-fastpath answers on {}: {}; is it running?", status.target, status.error));
  }
  if (!status.cores.empty() && !wanted.cores.empty() && sorted(status.cores) != sorted(wanted.cores)) {
    sentences.insert(
        fmt::format("fast path: ml2-fastpath runs on processors {}, and [fastpath] cores of this host is {}: restart "
                    "ml2-fastpath, or "
                    "take --cores out of /etc/default/ml2-fastpath",
                    fmt::join(status.cores, ","), fmt::join(wanted.cores, ",")));
  }
  for (const auto& [device, trouble] : troubles_) {
    sentences.insert(fmt::format("fast path: {}: {}{}", option_of(device, wanted), trouble, cut_off(device, wanted)));
  }
  for (const std::string& sentence : refused_) sentences.insert("fast path: " + sentence);
  if (!error_.empty()) sentences.insert("fast path: " + error_);
  if (!links_error_.empty()) sentences.insert("fast path: " + links_error_);
  return sentences;
}

// Of the last update, instead of those of the one before.
void FastPathSide::refuse(std::vector<std::string> sentences) {
  refused_ = std::move(sentences);
  std::map<fp::PortId, std::string> ports;
  for (const std::string& sentence : refused_) {
    if (const auto port = port_of(sentence)) ports.emplace(*port, "fast path: " + sentence);
  }
  for (const auto* side : {&refused_ports_, &ports}) {
    for (const auto& [port, reason] : *side) {
      const auto before = refused_ports_.find(port);
      const auto now = ports.find(port);
      if (before == refused_ports_.end() || now == ports.end() || before->second != now->second) judged_.insert(port);
    }
  }
  refused_ports_ = std::move(ports);
}

std::string FastPathSide::refusal_of(fp::PortId port) const {
  const auto found = refused_ports_.find(port);
  return found == refused_ports_.end() ? std::string() : found->second;
}

}  // namespace ml2::reconcile
