#include "agent/config/cross_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/config/mappings.h"
#include "agent/config/resolver.h"
#include "datapath/base/check.h"
#include "datapath/base/text.h"

namespace ml2::config {
namespace {

// The settings by name, with the table's checks on the names.
template <class Settings>
auto& at(Settings& settings, std::string_view group, std::string_view name) {
  const Option* option = find_option(group, name);
  ML2_CHECK(option != nullptr, "the option is not in the table");
  return settings[option_index(*option)];
}

const StringList& list(const Setting& setting) {
  static const StringList kNone;
  const auto* items = std::get_if<StringList>(&setting.value);
  return items != nullptr ? *items : kNone;
}

std::string text_of(const Setting& setting) {
  return setting.secret ? "***" : text::printable(to_text(setting.value));
}

class OldNames {
 public:
  OldNames(std::vector<Setting>& settings, std::vector<std::string>& errors, std::vector<std::string>& warnings)
      : settings_(settings), errors_(errors), warnings_(warnings) {}

  void carry_over() {
    tunneling();
    tunnel_ids();
    project_types();
  }

 private:
  void warn(const Setting& old, std::string_view name, const std::string& rest) {
    warnings_.push_back(fmt::format("{}: [ovs] {} = {} is an old option: {}", old.origin, name, text_of(old), rest));
  }

  // `old` stands for `group` `name` from now on, unless that is set.
  void move(const Setting& old, std::string_view old_name, std::string_view group, std::string_view name,
            const StringList& items) {
    Setting& target = at(settings_, group, name);
    if (target.is_set) {
      return warn(old, old_name, fmt::format("it is ignored, as [{}] {} is set ({})", group, name, target.origin));
    }
    const Option& option = *find_option(group, name);
    const std::string text = fmt::format("{}", fmt::join(items, ","));
    auto value = parse_value(option, text);
    if (!value) {
      errors_.push_back(fmt::format(
          "{}: [ovs] {} = '{}', an old option that stands for [{}] {}, is not valid: {}; "
          "allowed: {}",
          old.origin, old_name, text::printable(text), group, name, value.error().message, allowed(option)));
      return;
    }
    target = {std::move(*value), old.origin, true, old.secret};
    warn(old, old_name, fmt::format("it is taken as [{}] {} = {}; write that instead", group, name, text_of(target)));
  }

  void tunneling() {
    const Setting& enable = at(settings_, "ovs", "enable_tunneling");
    const Setting& type = at(settings_, "ovs", "tunnel_type");
    const Setting& types = at(settings_, "agent", "tunnel_types");
    const bool off = enable.is_set && enable.value == Value(false);
    const bool on = enable.is_set && enable.value == Value(true);
    if (off && !list(types).empty()) {
      // As the incumbent, which does not know the old name: a takeover must not end the tunnels of a running cloud.
      warn(enable, "enable_tunneling",
           fmt::format("it is ignored, as [agent] tunnel_types is set ({}); remove one of the two", types.origin));
    } else if (enable.is_set) {
      warn(enable, "enable_tunneling", "today [agent] tunnel_types alone says whether there are tunnels");
    }
    if (type.is_set && on) {
      move(type, "tunnel_type", "agent", "tunnel_types", list(type));
    } else if (type.is_set) {
      warn(type, "tunnel_type",
           off ? "it is ignored, as enable_tunneling = false"
               : "it is ignored without enable_tunneling = true; write [agent] tunnel_types");
    } else if (on && list(types).empty()) {
      warn(enable, "enable_tunneling", "no tunnel type is named; there are no tunnels without [agent] tunnel_types");
    }
  }

  void tunnel_ids() {
    const Setting& ids = at(settings_, "ovs", "tunnel_id_ranges");
    if (!ids.is_set) return;
    struct Pool {
      std::string_view type;
      std::string_view group;
      std::string_view name;
    };
    constexpr std::array<Pool, 3> kPools = {{{"vxlan", "ml2_type_vxlan", "vni_ranges"},
                                             {"gre", "ml2_type_gre", "tunnel_id_ranges"},
                                             {"geneve", "ml2_type_geneve", "vni_ranges"}}};
    const auto named = [&](std::string_view type) {
      return std::ranges::count(list(at(settings_, "ovs", "tunnel_type")), type) +
                 std::ranges::count(list(at(settings_, "agent", "tunnel_types")), type) +
                 std::ranges::count(list(at(settings_, "ovs", "tenant_network_type")), type) !=
             0;
    };
    bool taken = false;
    for (const Pool& pool : kPools) {
      if (!named(pool.type)) continue;
      taken = true;
      move(ids, "tunnel_id_ranges", pool.group, pool.name, list(ids));
    }
    if (!taken) warn(ids, "tunnel_id_ranges", "it is ignored, as no tunnel type is named that it could belong to");
  }

  void project_types() {
    const Setting& type = at(settings_, "ovs", "tenant_network_type");
    if (!type.is_set) return;
    const bool none = list(type) == StringList{"none"};
    move(type, "tenant_network_type", "ml2", "project_network_types", none ? StringList() : list(type));
  }

  std::vector<Setting>& settings_;
  std::vector<std::string>& errors_;
  std::vector<std::string>& warnings_;
};

// A setting with its name, for messages.
struct Named {
  const Option& option;
  const Setting& setting;
};

Named named(const std::vector<Setting>& settings, std::string_view group, std::string_view name) {
  return {*find_option(group, name), at(settings, group, name)};
}

std::string with_origin(const Named& one) {
  return fmt::format("{} = {} ({})", full_name(one.option), text_of(one.setting), one.setting.origin);
}

std::string complaint(const Named& one, const std::string& rest) {
  return fmt::format("{}: {} = '{}' {}", one.setting.origin, full_name(one.option), text_of(one.setting), rest);
}

void check_bridges(const std::vector<Setting>& settings, std::vector<std::string>& errors) {
  const Named mappings = named(settings, "ovs", "bridge_mappings");
  const Named integration = named(settings, "ovs", "integration_bridge");
  const Named tunnel = named(settings, "ovs", "tunnel_bridge");
  const auto bridges = parse_bridge_mappings(list(mappings.setting));
  if (!bridges) return;  // reported by the resolver
  for (const auto& [network, bridge] : *bridges) {
    for (const Named& ours : {integration, tunnel}) {
      if (Value(bridge) != ours.setting.value) continue;
      errors.push_back(complaint(mappings, fmt::format("maps '{}' to a bridge that is also {}: a physical network "
                                                       "needs a bridge of its own",
                                                       text::printable(network), with_origin(ours))));
    }
  }
  if (integration.setting.value == tunnel.setting.value) {
    const bool set = tunnel.setting.is_set;
    errors.push_back(complaint(set ? tunnel : integration,
                               fmt::format("is the same bridge as {}", with_origin(set ? integration : tunnel))));
  }
  const Named bandwidths = named(settings, "ovs", "resource_provider_bandwidths");
  const auto rates = parse_bandwidths(list(bandwidths.setting));
  if (!rates) return;
  for (const auto& rate : *rates) {
    const std::string& bridge = rate.first;
    const bool mapped = std::ranges::any_of(*bridges, [&](const auto& entry) { return entry.second == bridge; });
    if (mapped) continue;
    errors.push_back(complaint(bandwidths, fmt::format("has the bridge '{}', which is not in {}",
                                                       text::printable(bridge), with_origin(mappings))));
  }
}

void check_patch_ports(const std::vector<Setting>& settings, std::vector<std::string>& errors) {
  const Named in_integration = named(settings, "ovs", "int_peer_patch_port");
  const Named in_tunnel = named(settings, "ovs", "tun_peer_patch_port");
  if (in_integration.setting.value != in_tunnel.setting.value) return;
  const bool set = in_tunnel.setting.is_set;
  errors.push_back(complaint(set ? in_tunnel : in_integration,
                             fmt::format("is the same port as {}", with_origin(set ? in_integration : in_tunnel))));
}

void check_packet_rates(const std::vector<Setting>& settings, std::vector<std::string>& errors) {
  const Named without = named(settings, "ovs", "resource_provider_packet_processing_without_direction");
  const Named with = named(settings, "ovs", "resource_provider_packet_processing_with_direction");
  if (list(without.setting).empty() || list(with.setting).empty()) return;
  errors.push_back(complaint(with, fmt::format("cannot stand together with {}", with_origin(without))));
}

void check_ssl(const std::vector<Setting>& settings, std::string_view group, const Named& connection,
               std::vector<std::string>& errors) {
  if (to_text(connection.setting.value).find("ssl:") == std::string::npos) return;
  for (const std::string_view name : {"ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file"}) {
    if (!to_text(at(settings, group, name).value).empty()) continue;
    errors.push_back(complaint(connection, fmt::format("needs [{}] {}, which is not set", group, name)));
  }
}

void warn_local_ip(const std::vector<Setting>& settings, std::vector<std::string>& warnings) {
  const Named types = named(settings, "agent", "tunnel_types");
  if (list(types.setting).empty() || at(settings, "ovs", "local_ip").is_set) return;
  warnings.push_back(complaint(types, "needs [ovs] local_ip, which is not set: the agent will not start"));
}

}  // namespace

void carry_over_old_names(std::vector<Setting>& settings, std::vector<std::string>& errors,
                          std::vector<std::string>& warnings) {
  OldNames(settings, errors, warnings).carry_over();
}

void check_together(const std::vector<Setting>& settings, std::vector<std::string>& errors,
                    std::vector<std::string>& warnings) {
  check_bridges(settings, errors);
  check_patch_ports(settings, errors);
  check_packet_rates(settings, errors);
  check_ssl(settings, "ovs", named(settings, "ovs", "ovsdb_connection"), errors);
  check_ssl(settings, "ml2_db", named(settings, "ml2_db", "connection"), errors);
  warn_local_ip(settings, warnings);
}

std::vector<std::string> not_acted_on(const std::vector<Setting>& settings, const std::string& host_name) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const Option& option = all_options()[i];
    const Setting& setting = settings[i];
    if (!setting.is_set || setting.value == default_value(option, host_name)) continue;
    if (option.use == Use::NotYet) {
      lines.push_back(
          fmt::format("{}: {} is known, but ml2-agent does not act on it yet", setting.origin, full_name(option)));
    } else if (option.use == Use::NoEffect) {
      lines.push_back(
          fmt::format("{}: {} has no effect in ml2-agent ({})", setting.origin, full_name(option), option.meaning));
    }
  }
  return lines;
}

}  // namespace ml2::config
