// port_security: port_security_enabled of a network is the default of its ports; without it a port has neither
// security groups nor allowed address pairs (neutron plugins/ml2/extensions/port_security.py, plugin.py).
#include <nlohmann/json.hpp>

#include "agent/ml2/extension_manager.h"

namespace ml2::plugin {
namespace {

Status check(const ovsdb::Ml2Port& port) {
  if (port.port_security_enabled) return {};
  if (!port.security_groups.empty()) {
    return invalid("a port without port security has no security groups: leave them out or enable port security");
  }
  if (!port.allowed_address_pairs.empty()) {
    return invalid("a port without port security has no allowed address pairs: it may send from any address");
  }
  return {};
}

class PortSecurityExtension final : public ExtensionDriver {
 public:
  std::string_view name() const override { return "port_security"; }

  Status process_create_network(const NetworkRequest& request, ovsdb::Ml2Network& network) const override {
    network.port_security_enabled = request.port_security_enabled.value_or(true);
    return {};
  }
  Status process_update_network(const NetworkUpdate& update, ovsdb::Ml2Network& network) const override {
    if (update.port_security_enabled) network.port_security_enabled = *update.port_security_enabled;
    return {};
  }
  Status process_create_port(const PortRequest& request, const ovsdb::Ml2Network& network,
                             ovsdb::Ml2Port& port) const override {
    port.port_security_enabled = request.port_security_enabled.value_or(network.port_security_enabled);
    return check(port);
  }
  Status process_update_port(const PortUpdate& update, const ovsdb::Ml2Network&,
                             ovsdb::Ml2Port& port) const override {
    if (update.port_security_enabled) port.port_security_enabled = *update.port_security_enabled;
    return check(port);
  }
  void extend_network(const ovsdb::Ml2Network& network, nlohmann::json& shown) const override {
    shown["port_security_enabled"] = network.port_security_enabled;
  }
  void extend_port(const ovsdb::Ml2Port& port, nlohmann::json& shown) const override {
    shown["port_security_enabled"] = port.port_security_enabled;
  }
};

}  // namespace

std::unique_ptr<ExtensionDriver> make_port_security_extension(const PluginOptions&) {
  return std::make_unique<PortSecurityExtension>();
}

}  // namespace ml2::plugin
