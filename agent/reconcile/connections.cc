#include "agent/reconcile/connections.h"

#include <fmt/format.h>

#include <utility>

#include "datapath/base/log.h"
#include "datapath/base/text.h"

namespace ml2::reconcile {

bool Connections::run(const std::map<std::string, of::SwitchStatus>& switches) {
  const std::set<std::string> before = std::exchange(problems_, {});
  in_short_.clear();
  look_at_switches(switches);
  return problems_ != before;
}

void Connections::look_at_switches(const std::map<std::string, of::SwitchStatus>& switches) {
  const Monotonic now = clock_.now();
  std::erase_if(silent_, [&](const auto& entry) {
    const auto& [name, since] = entry;
    const auto found = switches.find(name);
    if (found != switches.end() && found->second.silent.count() > 0) return false;
    if (found != switches.end() && found->second.connected) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - since.time).count();
      log::info("reconcile", "bridge {}: ovs-vswitchd answers again after {} s", name, seconds);
      journal_.add(Event::Kind::Connection, name, fmt::format("ovs-vswitchd answers again after {} s", seconds));
    }
    return true;
  });
  for (const auto& [name, status] : switches) {
    if (status.silent.count() == 0) continue;
    const auto [silent, is_new] =
        silent_.try_emplace(name, Since{now - status.silent, clock_.wall() - status.silent});
    if (is_new) {
      journal_.add(Event::Kind::Connection, name,
                   fmt::format("ovs-vswitchd has not answered for {} s",
                               std::chrono::duration_cast<std::chrono::seconds>(status.silent).count()));
    }
    problems_.insert(
        fmt::format("bridge {}: ovs-vswitchd has not answered since {}: it hangs, or is busy with a large change; "
                    "what stands is kept "
                    "and changes wait for it; its log and its CPU time say more",
                    name, text::time(silent->second.wall)));
    in_short_.insert("ovs-vswitchd does not answer");
  }
}

}  // namespace ml2::reconcile
