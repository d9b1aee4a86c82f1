// MechanismDriver: what carries segments to hosts. It may refuse or add to a change, and it binds ports.
//
// Where in the walk: MechanismManager calls the drivers of the ini file in order: precommit while a change is being
//   computed, postcommit after the database has it, bind_port when a port has a host.
// Threading: one thread.
// Failure: an error of precommit refuses the change, and nothing was written; one of postcommit undoes a create and
//   is logged otherwise. precommit may be called again for the same change (a lost race): it must have no other
//   effect.
// What it does not do: no waiting in precommit.
// Source: neutron-lib neutron_lib/plugins/ml2/api.py, class MechanismDriver.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/ml2/options.h"
#include "datapath/base/result.h"
#include "datapath/base/uuid.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/transaction.h"

namespace ml2::plugin {

enum class Action { Create, Update, Delete };

// Of a delete, the resource is what it was; `original` is there for updates alone.
struct NetworkContext {
  Action action = Action::Create;
  ovsdb::Ml2Network network;
  std::optional<ovsdb::Ml2Network> original;
  std::vector<ovsdb::Ml2Segment> segments;
};
struct SubnetContext {
  Action action = Action::Create;
  ovsdb::Ml2Subnet subnet;
  std::optional<ovsdb::Ml2Subnet> original;
};
struct PortContext {
  Action action = Action::Create;
  ovsdb::Ml2Port port;
  std::optional<ovsdb::Ml2Port> original;
  ovsdb::Ml2Network network;
  std::vector<ovsdb::Ml2FixedIp> fixed_ips;
  ovsdb::Ml2Binding binding;
};

// What a driver is asked when a port is to be bound.
struct BindingContext {
  const ovsdb::Ml2Rows& rows;
  const ovsdb::Ml2Port& port;
  const ovsdb::Ml2Binding& binding;  // host, vnic_type, profile
  const ovsdb::Ml2Host* host;        // nullptr: no agent has reported from there
  // Of this level: at first all segments of the network, below what the driver above chose.
  const std::vector<ovsdb::Ml2Segment>& segments;
  std::int64_t now;  // seconds since 1970
};

// The driver carries `segment` to the host: done.
struct SetBinding {
  Uuid segment;
  std::string vif_type;
  std::map<std::string, std::string> vif_details;
};
// The driver carries `segment` as far as `next_segments`; drivers below go on with those. New ones are written as
// dynamic segments of the network.
struct ContinueBinding {
  Uuid segment;
  std::vector<ovsdb::Ml2Segment> next_segments;
};
// The driver cannot; `reason` is for the operator: "physical network physnet9 is not in its bridge_mappings (...)".
struct NotBound {
  std::string reason;
};
using BindAnswer = std::variant<NotBound, SetBinding, ContinueBinding>;

class MechanismDriver {
 public:
  virtual ~MechanismDriver() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  // "l2": ports without an address can be bound too; anything else: only ports with one.
  [[nodiscard]] virtual std::string_view connectivity() const { return "l2"; }

  [[nodiscard]] virtual Status network_precommit(const NetworkContext&, ovsdb::Transaction&) { return {}; }
  [[nodiscard]] virtual Status network_postcommit(const NetworkContext&) { return {}; }
  [[nodiscard]] virtual Status subnet_precommit(const SubnetContext&, ovsdb::Transaction&) { return {}; }
  [[nodiscard]] virtual Status subnet_postcommit(const SubnetContext&) { return {}; }
  [[nodiscard]] virtual Status port_precommit(const PortContext&, ovsdb::Transaction&) { return {}; }
  [[nodiscard]] virtual Status port_postcommit(const PortContext&) { return {}; }

  [[nodiscard]] virtual BindAnswer bind_port(const BindingContext&) { return NotBound{}; }
};

using MechanismDriverFactory = std::unique_ptr<MechanismDriver> (*)(const PluginOptions&);

// Every mechanism driver there is, by name.
[[nodiscard]] const std::map<std::string, MechanismDriverFactory>& mechanism_driver_registry();

[[nodiscard]] std::unique_ptr<MechanismDriver> make_openvswitch_mechanism(const PluginOptions& options);

// Whether the agent of a host is alive, and if not, why in words. A heartbeat is by the agent's clock, `now` by ours: one
// that is further in the future than agent_down_time says as little as one that is so old.
[[nodiscard]] Status check_alive(const ovsdb::Ml2Host& host, std::int64_t agent_down_time, std::int64_t now);
// "its clock is 40 s ahead of this machine's ..."; empty where the heartbeat shows nothing of the kind.
[[nodiscard]] std::string clock_trouble(const ovsdb::Ml2Host& host, std::int64_t now);
// Of one that is alive: "reported 3 s ago", and the trouble with its clock.
[[nodiscard]] std::string heartbeat_age(const ovsdb::Ml2Host& host, std::int64_t now);

}  // namespace ml2::plugin
