#include "agent/ml2/mechanism_manager.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "agent/ml2/lookup.h"
#include "datapath/base/log.h"
#include "datapath/base/text.h"

namespace ml2::plugin {
namespace {

// neutron/plugins/ml2/managers.py MAX_BINDING_LEVELS.
constexpr std::size_t kMaxBindingLevels = 10;
// Neutron's own, which people's ini files name (neutron setup.cfg, neutron.ml2.mechanism_drivers).
constexpr std::array kOthers{"linuxbridge", "macvtap", "sriovnicswitch", "ovn", "baremetal", "logger"};

Status named(const MechanismDriver& driver, const Status& failed) {
  return tl::unexpected<Error>(
      Error{failed.error().kind, fmt::format("mechanism driver {}: {}", driver.name(), failed.error().message)});
}

template <class Context, class Call>
Status postcommit_all(const std::vector<std::unique_ptr<MechanismDriver>>& drivers, const Context& context,
                      Call call) {
  for (const auto& driver : drivers) {
    const Status status = call(*driver);
    if (status) continue;
    if (context.action == Action::Create) return named(*driver, status);
    log::err("ml2", "mechanism driver {} after {}: {}", driver->name(),
             context.action == Action::Update ? "an update" : "a delete", status.error().message);
  }
  return {};
}

template <class Call>
Status precommit_all(const std::vector<std::unique_ptr<MechanismDriver>>& drivers, Call call) {
  for (const auto& driver : drivers) {
    const Status status = call(*driver);
    if (!status) return named(*driver, status);
  }
  return {};
}

}  // namespace

const std::map<std::string, MechanismDriverFactory>& mechanism_driver_registry() {
  static const std::map<std::string, MechanismDriverFactory> kRegistry{
      {"openvswitch", make_openvswitch_mechanism},
  };
  return kRegistry;
}

Status check_alive(const ovsdb::Ml2Host& host, std::int64_t agent_down_time, std::int64_t now) {
  if (host.heartbeat == 0) return transient("its agent has never sent a heartbeat");
  const std::int64_t age = now - host.heartbeat;
  if (age > agent_down_time) {
    return transient(fmt::format(
        "its agent is down: the last heartbeat was {} s ago (agent_down_time is {} s); if it runs, its clock "
        "is behind this machine's: synchronize them (chrony)",
        age, agent_down_time));
  }
  if (-age > agent_down_time) {
    return transient(fmt::format("whether its agent is alive cannot be told: {}", clock_trouble(host, now)));
  }
  return {};
}

std::string clock_trouble(const ovsdb::Ml2Host& host, std::int64_t now) {
  constexpr std::int64_t kTolerated = 10;  // seconds; less does no harm
  const std::int64_t ahead = host.heartbeat - now;
  if (ahead <= kTolerated) return {};
  return fmt::format("its clock is {} s ahead of this machine's: synchronize them (chrony)", ahead);
}

std::string heartbeat_age(const ovsdb::Ml2Host& host, std::int64_t now) {
  const std::string trouble = clock_trouble(host, now);
  if (!trouble.empty()) return "alive, but " + trouble;
  return fmt::format("reported {} s ago", std::max<std::int64_t>(0, now - host.heartbeat));
}

Result<MechanismManager> MechanismManager::make(const PluginOptions& options) {
  std::vector<std::unique_ptr<MechanismDriver>> drivers;
  const auto& registry = mechanism_driver_registry();
  std::vector<std::string> known;
  for (const auto& [name, factory] : registry) known.push_back(name);
  for (const std::string& name : options.mechanism_drivers) {
    const auto found = registry.find(name);
    if (found == registry.end()) {
      // l2population is no driver of its own here: hosts learn each other's ports from the same database.
      if (name == "l2population") continue;
      if (std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end()) {
        log::warn("ml2", "mechanism_drivers of [ml2]: {} is not part of ml2-agent: its ports stay unbound", name);
        continue;
      }
      return invalid(fmt::format("mechanism_drivers of [ml2]: there is no mechanism driver {} (known: {})", name,
                                 fmt::join(known, ", ")));
    }
    drivers.push_back(found->second(options));
  }
  return MechanismManager(std::move(drivers));
}

Status MechanismManager::precommit(const NetworkContext& context, ovsdb::Transaction& transaction) {
  return precommit_all(drivers_,
                       [&](MechanismDriver& driver) { return driver.network_precommit(context, transaction); });
}
Status MechanismManager::precommit(const SubnetContext& context, ovsdb::Transaction& transaction) {
  return precommit_all(drivers_,
                       [&](MechanismDriver& driver) { return driver.subnet_precommit(context, transaction); });
}
Status MechanismManager::precommit(const PortContext& context, ovsdb::Transaction& transaction) {
  return precommit_all(drivers_,
                       [&](MechanismDriver& driver) { return driver.port_precommit(context, transaction); });
}

Status MechanismManager::postcommit(const NetworkContext& context) {
  return postcommit_all(drivers_, context,
                        [&](MechanismDriver& driver) { return driver.network_postcommit(context); });
}
Status MechanismManager::postcommit(const SubnetContext& context) {
  return postcommit_all(drivers_, context,
                        [&](MechanismDriver& driver) { return driver.subnet_postcommit(context); });
}
Status MechanismManager::postcommit(const PortContext& context) {
  return postcommit_all(drivers_, context, [&](MechanismDriver& driver) { return driver.port_postcommit(context); });
}

// Who has already chosen which segment on the way down.
struct MechanismManager::Level {
  const MechanismDriver* driver;
  Uuid segment;
};

bool MechanismManager::bind_level(const ovsdb::Ml2Rows& rows, const ovsdb::Ml2Port& port, const ovsdb::Ml2Host* host,
                                  std::int64_t now, const std::vector<ovsdb::Ml2Segment>& segments,
                                  std::vector<Level>& above, BoundPort& bound, std::vector<std::string>& reasons) {
  if (above.size() >= kMaxBindingLevels) {
    reasons.push_back(fmt::format("more than {} levels of drivers", kMaxBindingLevels));
    return false;
  }
  const bool has_address = !fixed_ips_of(rows, port.uuid).empty();
  for (const auto& driver : drivers_) {
    if (!has_address && driver->connectivity() != "l2") {
      reasons.push_back(fmt::format("driver {} binds no port without a fixed IP", driver->name()));
      continue;
    }
    // A driver may not choose the same segment again further down: that would never end.
    std::vector<ovsdb::Ml2Segment> offered;
    std::copy_if(segments.begin(), segments.end(), std::back_inserter(offered), [&](const auto& segment) {
      return std::none_of(above.begin(), above.end(), [&](const Level& level) {
        return level.driver == driver.get() && level.segment == segment.uuid;
      });
    });
    const BindAnswer answer = driver->bind_port({rows, port, bound.binding, host, offered, now});
    if (const auto* not_bound = std::get_if<NotBound>(&answer)) {
      if (!not_bound->reason.empty()) reasons.push_back(not_bound->reason);
      continue;
    }
    const auto chose = [&](const Uuid& segment) {
      return std::any_of(offered.begin(), offered.end(), [&](const auto& one) { return one.uuid == segment; });
    };
    if (const auto* set = std::get_if<SetBinding>(&answer)) {
      if (!chose(set->segment)) {
        reasons.push_back(fmt::format("driver {} chose a segment that it was not offered", driver->name()));
        continue;
      }
      bound.binding.segment = set->segment;
      bound.binding.vif_type = set->vif_type;
      bound.binding.vif_details = set->vif_details;
      std::string names;
      for (const Level& level : above) names += std::string(level.driver->name()) + ",";
      bound.binding.mechanism_driver = names + std::string(driver->name());
      return true;
    }
    const auto& next = std::get<ContinueBinding>(answer);
    if (!chose(next.segment)) {
      reasons.push_back(fmt::format("driver {} chose a segment that it was not offered", driver->name()));
      continue;
    }
    above.push_back({driver.get(), next.segment});
    const std::size_t new_before = bound.new_segments.size();
    for (ovsdb::Ml2Segment segment : next.next_segments) {
      if (rows.segments.contains(segment.uuid)) continue;
      segment.network = port.network;
      segment.is_dynamic = true;
      bound.new_segments.push_back(std::move(segment));
    }
    if (bind_level(rows, port, host, now, next.next_segments, above, bound, reasons)) return true;
    bound.new_segments.resize(new_before);
    above.pop_back();
  }
  return false;
}

BoundPort MechanismManager::bind(const ovsdb::Ml2Rows& rows, const ovsdb::Ml2Port& port,
                                 const ovsdb::Ml2Binding& binding, std::int64_t now) {
  BoundPort bound{binding, {}};
  bound.binding.segment.reset();
  bound.binding.vif_details.clear();
  bound.binding.mechanism_driver.clear();
  bound.binding.failure.clear();
  bound.binding.vif_type = "unbound";
  if (binding.host.empty()) return bound;

  std::vector<ovsdb::Ml2Segment> segments;
  for (ovsdb::Ml2Segment& segment : segments_of(rows, port.network)) {
    if (!segment.is_dynamic) segments.push_back(std::move(segment));
  }
  std::vector<Level> above;
  std::vector<std::string> reasons;
  if (bind_level(rows, port, ovsdb::host_named(rows, binding.host), now, segments, above, bound, reasons))
    return bound;
  bound.binding.vif_type = "binding_failed";
  bound.binding.failure = fmt::format(
      "host {}: {}", text::printable(binding.host),
      reasons.empty() ? "no mechanism driver of [ml2] binds ports" : fmt::format("{}", fmt::join(reasons, "; ")));
  return bound;
}

}  // namespace ml2::plugin
