#include "agent/ml2/extension_manager.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "datapath/base/log.h"

namespace ml2::plugin {
namespace {

// Neutron's own, which people's ini files name (neutron setup.cfg, neutron.ml2.extension_drivers).
constexpr std::array kOthers{"qos",
                             "dns",
                             "dns_domain_ports",
                             "dns_domain_keywords",
                             "subnet_dns_publish_fixed_ip",
                             "data_plane_status",
                             "uplink_status_propagation",
                             "uplink_status_propagation_updatable",
                             "port_device_profile",
                             "port_numa_affinity_policy",
                             "port_hints",
                             "port_trusted",
                             "tag_ports_during_bulk_creation"};

}  // namespace

const std::map<std::string, ExtensionDriverFactory>& extension_driver_registry() {
  static const std::map<std::string, ExtensionDriverFactory> kRegistry{
      {"port_security", make_port_security_extension},
  };
  return kRegistry;
}

Result<ExtensionManager> ExtensionManager::make(const PluginOptions& options) {
  const auto& registry = extension_driver_registry();
  std::vector<std::string> names{"port_security"};
  for (const std::string& name : options.extension_drivers) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::vector<std::unique_ptr<ExtensionDriver>> drivers;
  for (const std::string& name : names) {
    const auto found = registry.find(name);
    if (found == registry.end()) {
      if (std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end()) {
        log::info("ml2", "extension_drivers of [ml2]: {} is not part of ml2-agent yet: its attributes are not there",
                  name);
        continue;
      }
      std::vector<std::string> known;
      for (const auto& [known_name, factory] : registry) known.push_back(known_name);
      return invalid(fmt::format("extension_drivers of [ml2]: there is no extension driver {} (known: {})", name,
                                 fmt::join(known, ", ")));
    }
    drivers.push_back(found->second(options));
  }
  return ExtensionManager(std::move(drivers));
}

Status ExtensionManager::process_create(const NetworkRequest& request, ovsdb::Ml2Network& network) const {
  for (const auto& driver : drivers_) {
    if (Status status = driver->process_create_network(request, network); !status) return status;
  }
  return {};
}

Status ExtensionManager::process_update(const NetworkUpdate& update, ovsdb::Ml2Network& network) const {
  for (const auto& driver : drivers_) {
    if (Status status = driver->process_update_network(update, network); !status) return status;
  }
  return {};
}

Status ExtensionManager::process_create(const PortRequest& request, const ovsdb::Ml2Network& network,
                                        ovsdb::Ml2Port& port) const {
  for (const auto& driver : drivers_) {
    if (Status status = driver->process_create_port(request, network, port); !status) return status;
  }
  return {};
}

Status ExtensionManager::process_update(const PortUpdate& update, const ovsdb::Ml2Network& network,
                                        ovsdb::Ml2Port& port) const {
  for (const auto& driver : drivers_) {
    if (Status status = driver->process_update_port(update, network, port); !status) return status;
  }
  return {};
}

void ExtensionManager::extend(const ovsdb::Ml2Network& network, nlohmann::json& shown) const {
  for (const auto& driver : drivers_) driver->extend_network(network, shown);
}

void ExtensionManager::extend(const ovsdb::Ml2Port& port, nlohmann::json& shown) const {
  for (const auto& driver : drivers_) driver->extend_port(port, shown);
}

}  // namespace ml2::plugin
