#include "agent/reconcile/connections.h"

#include <fmt/format.h>

#include <utility>

#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"

namespace ml2::reconcile {

bool Connections::run(const std::map<std::string, of::SwitchStatus>& switches, const ovsdb::DatabaseStatus& vswitch,
                      const intent::SourceStatus& source, const Status& kernel) {
  const std::set<std::string> before = std::exchange(problems_, {});
  in_short_.clear();
  look_at_switches(switches);
  look_at_database("Open_vSwitch database", vswitch.remote, vswitch.connected, vswitch.error);
  look_at_database(source.kind, source.where, source.connected, source.error);
  // Connected, and yet it does not take what this node has to say.
  if (source.connected && !source.error.empty()) problems_.insert(source.error);
  if (!kernel)
    problems_.insert(
        fmt::format("netlink: {}; what was read before stands, and it is tried again", kernel.error().message));
  return problems_ != before;
}

void Connections::wait() const {
  for (const auto& [name, database] : databases_) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(database.since.time + kAway - clock_.now());
    if (!database.connected && left.count() >= 0) ml2_poll_timer(left.count() + 1);
  }
}

void Connections::look_at_database(const std::string& name, const std::string& where, bool connected,
                                   const std::string& error) {
  const auto [found, is_first] = databases_.try_emplace(name, Database{connected, since_now()});
  Database& database = found->second;
  if (!is_first && connected != database.connected) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock_.now() - database.since.time).count();
    journal_.add(Event::Kind::Connection, name,
                 connected ? fmt::format("connected after {} s", seconds)
                           : fmt::format("the connection is lost{}{}", error.empty() ? "" : ": ", error));
    database = {connected, since_now()};
  }
  if (connected || clock_.now() < database.since.time + kAway) return;
  problems_.insert(fmt::format("{} at {} not connected since {}{}{}; what stands is kept", name, where,
                               text::time(database.since.wall), error.empty() ? "" : ": ", error));
  in_short_.insert(name + " not connected");
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
