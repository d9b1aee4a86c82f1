// ExtensionManager: attributes beyond the core ones, each kind in a driver of its own, in the ini file's order.
//
// Where in the walk: the resources call process_* while they compute a change (before the mechanism drivers), view.h
//   calls extend_* when a resource is shown.
// Threading: const functions on values.
// Failure: an error of process_* refuses the change.
// What it does not do: drivers for attributes that the agent does not act on.
// Source: neutron/plugins/ml2/managers.py, class ExtensionManager.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ml2/options.h"
#include "agent/ml2/requests.h"
#include "datapath/base/result.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::plugin {

class ExtensionDriver {
 public:
  virtual ~ExtensionDriver() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  // Each fills in its attributes of the row that will be written.
  [[nodiscard]] virtual Status process_create_network(const NetworkRequest&, ovsdb::Ml2Network&) const { return {}; }
  [[nodiscard]] virtual Status process_update_network(const NetworkUpdate&, ovsdb::Ml2Network&) const { return {}; }
  [[nodiscard]] virtual Status process_create_port(const PortRequest&, const ovsdb::Ml2Network&,
                                                   ovsdb::Ml2Port&) const {
    return {};
  }
  [[nodiscard]] virtual Status process_update_port(const PortUpdate&, const ovsdb::Ml2Network&,
                                                   ovsdb::Ml2Port&) const {
    return {};
  }
  virtual void extend_network(const ovsdb::Ml2Network&, nlohmann::json&) const {}
  virtual void extend_port(const ovsdb::Ml2Port&, nlohmann::json&) const {}
};

using ExtensionDriverFactory = std::unique_ptr<ExtensionDriver> (*)(const PluginOptions&);

// Every extension driver there is, by name.
[[nodiscard]] const std::map<std::string, ExtensionDriverFactory>& extension_driver_registry();

[[nodiscard]] std::unique_ptr<ExtensionDriver> make_port_security_extension(const PluginOptions& options);

class ExtensionManager {
 public:
  // port_security is always there, as the first: the rows have its column.
  [[nodiscard]] static Result<ExtensionManager> make(const PluginOptions& options);
  explicit ExtensionManager(std::vector<std::unique_ptr<ExtensionDriver>> drivers) : drivers_(std::move(drivers)) {}

  [[nodiscard]] Status process_create(const NetworkRequest& request, ovsdb::Ml2Network& network) const;
  [[nodiscard]] Status process_update(const NetworkUpdate& update, ovsdb::Ml2Network& network) const;
  [[nodiscard]] Status process_create(const PortRequest& request, const ovsdb::Ml2Network& network,
                                      ovsdb::Ml2Port& port) const;
  [[nodiscard]] Status process_update(const PortUpdate& update, const ovsdb::Ml2Network& network,
                                      ovsdb::Ml2Port& port) const;
  void extend(const ovsdb::Ml2Network& network, nlohmann::json& shown) const;
  void extend(const ovsdb::Ml2Port& port, nlohmann::json& shown) const;

 private:
  std::vector<std::unique_ptr<ExtensionDriver>> drivers_;
};

}  // namespace ml2::plugin
