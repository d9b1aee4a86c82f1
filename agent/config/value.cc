#include "agent/config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "agent/config/ini_text.h"
#include "agent/config/mappings.h"
#include "agent/config/options.h"
#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/text.h"

namespace ml2::config {
namespace {

constexpr std::int64_t kMaxProcessor = 127;  // RTE_MAX_LCORE of Debian's DPDK, less one

std::string number(double value) { return fmt::format("{:.15g}", value); }

// Python's float repr: "1.0", not "1".
std::string python_double(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string python_string(const std::string& text) {
  const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == '\n') {
      quoted += "\\n";
      continue;
    }
    if (c == quote || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + quote;
}

// Python allows single underscores between digits: "1_000". nullopt when they stand elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      plain += text[i];
      continue;
    }
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
  }
  return plain;
}

Result<std::int64_t> parse_int(std::string_view text) {
  const auto plain = without_underscores(text);
  if (!plain) return invalid("it is not a decimal integer");
  std::string_view digits = *plain;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range && end == digits.data() + digits.size()) {
    return invalid("it does not fit into 64 bits");
  }
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return invalid("it is not a decimal integer");
  }
  return value;
}

Result<double> parse_float(std::string_view text) {
  const auto plain = without_underscores(text);
  if (!plain) return invalid("it is not a decimal number");
  std::string_view digits = *plain;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  // oslo takes "inf" and "nan" too; no option of ours has a use for them.
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) {
    return invalid("it is not a decimal number");
  }
  return value;
}

Status check_limits(const Option& option, double value) {
  if (option.min && value < *option.min) return invalid(fmt::format("it is below {}", number(*option.min)));
  if (option.max && value > *option.max) return invalid(fmt::format("it is above {}", number(*option.max)));
  return {};
}

Result<Value> parse_bool(std::string_view text) {
  const std::string word = text::lower(text);
  if (word == "true" || word == "1" || word == "on" || word == "yes") return Value(true);
  if (word == "false" || word == "0" || word == "off" || word == "no") return Value(false);
  return invalid("it is neither");
}

Result<Value> parse_integer(const Option& option, std::string_view text) {
  const std::string_view word = strip(text);
  if (word.empty()) return Value();
  const auto value = parse_int(word);
  if (!value) return forward_error(value);
  if (const Status within = check_limits(option, static_cast<double>(*value)); !within) return forward_error(within);
  if (!option.choices.empty() && std::ranges::count(option.choices, std::to_string(*value)) == 0) {
    return invalid("it is none of them");
  }
  return Value(*value);
}

Result<Value> parse_number(const Option& option, std::string_view text) {
  const std::string_view word = strip(text);
  if (word.empty()) return Value();
  const auto value = parse_float(word);
  if (!value) return forward_error(value);
  if (const Status within = check_limits(option, *value); !within) return forward_error(within);
  return Value(*value);
}

bool is_host_name_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return label.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
         std::string_view::npos;
}

Result<Value> parse_host_address(std::string_view text) {
  if (IpAddress::parse(text)) return Value(std::string(text));
  if (text.empty()) return invalid("it is empty");
  if (text.size() > 253) return invalid("it is longer than 253 characters");
  if (text.ends_with('.')) text.remove_suffix(1);
  const auto labels = text::split(text, '.');
  for (const std::string& label : labels) {
    if (!is_host_name_label(label)) {
      return invalid(
          fmt::format("the part '{}' is not made of letters, digits and inner '-'", text::printable(label)));
    }
  }
  if (labels.back().find_first_not_of("0123456789") == std::string::npos) {
    return invalid("its last part has digits only, and it is no IP address");
  }
  return Value(std::string(text));
}

Status check_items(const StringList& items, bool (*good)(std::string_view)) {
  for (const std::string& item : items) {
    if (!good(item)) return invalid(fmt::format("entry '{}' is none", text::printable(item)));
  }
  return {};
}

bool is_server_port(std::string_view item) {
  const auto colon = item.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = item.substr(0, colon);
  const auto port = parse_int(item.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) return false;
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  return address && address->is_v6() == brackets;
}

bool is_tunnel_type(std::string_view item) { return item == "gre" || item == "vxlan" || item == "geneve"; }

Status check_processors(const StringList& items) {
  std::set<std::int64_t> seen;
  for (const std::string& item : items) {
    const auto number = parse_int(item);
    if (!number || *number < 0 || *number > kMaxProcessor) {
      return invalid(fmt::format("'{}' is no processor", text::printable(item)));
    }
    if (!seen.insert(*number).second) return invalid(fmt::format("processor {} is there twice", *number));
  }
  return items.empty() ? Status(invalid("it is empty")) : Status();
}

bool is_pci_address(std::string_view item) {
  constexpr std::string_view kForm = "xxxx:xx:xx.7";
  const auto fits = [](char form, char c) {
    const bool digit = c >= '0' && c <= '9';
    if (form == 'x') return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return form == '7' ? c >= '0' && c <= '7' : c == form;
  };
  return std::ranges::equal(kForm, item, fits);
}

template <class T>
Status outcome(const Result<T>& result) {
  if (!result) return forward_error(result);
  return {};
}

Status check_list(const Option& option, const StringList& items) {
  switch (option.check) {
    case Check::BridgeMappings: return outcome(parse_bridge_mappings(items));
    case Check::VlanRanges: return outcome(parse_network_vlan_ranges(items));
    case Check::VniRanges: return outcome(parse_id_ranges(items, kVnis));
    case Check::GreKeyRanges: return outcome(parse_id_ranges(items, kGreKeys));
    case Check::Bandwidths:
    case Check::DirectedPacketRates: return outcome(parse_bandwidths(items));
    case Check::PacketRates: return outcome(parse_packet_rates(items));
    case Check::TunnelTypes: return check_items(items, is_tunnel_type);
    case Check::ServerPorts: return check_items(items, is_server_port);
    case Check::Processors: return check_processors(items);
    case Check::PciAddresses: return check_items(items, is_pci_address);
    case Check::OvsdbRemotes:
      for (const std::string& item : items) {
        if (Status checked = check_ovsdb_remote(item); !checked) return checked;
      }
      return {};
    default: return {};
  }
}

Status check_string(const Option& option, const std::string& value) {
  switch (option.check) {
    case Check::Mac: return Mac::parse(value) ? Status() : Status(invalid("it is no MAC address"));
    case Check::Cidr: return IpNetwork::parse(value) ? Status() : Status(invalid("it is no network"));
    case Check::OvsdbRemote: return check_ovsdb_remote(value);
    case Check::FirewallDriver: return outcome(firewall_driver_name(value));
    case Check::BridgeName: return check_bridge_name(value);
    case Check::ListenAddress: return value.empty() ? Status() : outcome(parse_listen_address(value));
    case Check::Facility: return outcome(syslog_facility(value));
    default: break;
  }
  if (option.choices.empty()) return {};
  for (const std::string_view choice : option.choices) {
    if (option.ignore_case ? text::lower(choice) == text::lower(value) : choice == value) return {};
  }
  return invalid(option.ignore_case ? "it is none of them" : "it is none of them (upper and lower case matter)");
}

Result<Value> parse_string(const Option& option, std::string_view text) {
  std::string value(text);
  if (const Status checked = check_string(option, value); !checked) return forward_error(checked);
  return Value(std::move(value));
}

Result<Value> parse_ip(const Option& option, std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) return invalid("it is no address");
  if (option.check == Check::VtepAddress) {
    if (const Status checked = check_vtep_address(*address); !checked) return forward_error(checked);
  }
  return Value(std::string(text));
}

Result<Value> parse_list(const Option& option, std::string_view text) {
  StringList items = split_list(text);
  if (const Status checked = check_list(option, items); !checked) return forward_error(checked);
  return Value(std::move(items));
}

// oslo's Dict: a part without ':' is joined to the next one with its comma ("a:1,2,b:3" is a -> 1, "2,b" -> 3).
Result<Value> parse_dict(std::string_view text) {
  StringMap result;
  const std::string_view all = strip(text);
  if (all.empty()) return Value(result);
  const auto parts = text::split(all, ',');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string pair = parts[i];
    while (pair.find(':') == std::string::npos) {
      if (++i == parts.size()) {
        return invalid(fmt::format("'{}' has no ':' (a comma at the end is not allowed)", text::printable(pair)));
      }
      pair += ',' + parts[i];
    }
    const auto colon = pair.find(':');
    std::string key(strip(std::string_view(pair).substr(0, colon)));
    if (key.empty()) return invalid(fmt::format("'{}' has nothing before the ':'", text::printable(pair)));
    if (!result.emplace(key, strip(std::string_view(pair).substr(colon + 1))).second) {
      return invalid(fmt::format("'{}' is there twice", text::printable(key)));
    }
  }
  return Value(std::move(result));
}

// Older releases declare this one as a list, newer ones as a dict: what either takes is taken.
Result<Value> parse_mtus(std::string_view text) {
  const auto mappings = parse_mappings(split_list(text), false);
  if (!mappings) return forward_error(mappings);
  if (const auto mtus = parse_physical_network_mtus(*mappings); !mtus) return forward_error(mtus);
  return Value(*mappings);
}

std::string range_words(const Option& option, std::string_view what) {
  if (option.min && option.max)
    return fmt::format("{} from {} to {}", what, number(*option.min), number(*option.max));
  if (option.min) return fmt::format("{} of at least {}", what, number(*option.min));
  if (option.max) return fmt::format("{} of at most {}", what, number(*option.max));
  return std::string(what);
}

std::string check_words(Check check) {
  switch (check) {
    case Check::BridgeMappings: return "a list of physical network:bridge, each network and each bridge once";
    case Check::VlanRanges: return "a list of physical network or physical network:min:max with VLAN ids 1 to 4094";
    case Check::VniRanges: return "a list of min:max with ids 1 to 16777215";
    case Check::GreKeyRanges: return "a list of min:max with ids 1 to 4294967295";
    case Check::Mtus: return "a list of physical network:MTU, each network once";
    case Check::Bandwidths: return "a list of bridge:egress:ingress in kbit/s, where a direction may be empty";
    case Check::PacketRates: return "a list of hypervisor:rate in kilo packets per second";
    case Check::DirectedPacketRates: return "a list of hypervisor:egress:ingress in kilo packets per second";
    case Check::TunnelTypes: return "a list of gre, vxlan, geneve";
    case Check::FirewallDriver:
      return "one of openvswitch, iptables, iptables_hybrid, noop or such a driver's class path";
    case Check::Mac: return "a MAC address as fa:16:3e:00:00:00";
    case Check::Cidr: return "a network as 240.0.0.0/16";
    case Check::BridgeName:
      return fmt::format("a bridge's name of 1 to {} bytes without spaces, '/', '\\' and ':'", kMaxBridgeName);
    case Check::VtepAddress: return "an IPv4 or IPv6 address of this host";
    case Check::ListenAddress: return "unix:/PATH, 127.0.0.1:PORT or [::1]:PORT";
    case Check::Facility: return "a facility of syslog such as LOG_USER, LOG_DAEMON, LOG_LOCAL0";
    case Check::OvsdbRemote: return "tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH";
    case Check::OvsdbRemotes: return "a list of tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH";
    case Check::Processors:
      return fmt::format("a list of processors' numbers from 0 to {}, each once", kMaxProcessor);
    case Check::PciAddresses: return "a list of PCI addresses as 0000:01:00.0";
    case Check::ServerPorts: return "a list of IP:PORT, where an IPv6 address stands in brackets";
    case Check::None: break;
  }
  return {};
}

}  // namespace

StringList split_list(std::string_view text) {
  std::string_view all = strip(text);
  while (all.ends_with(',')) all.remove_suffix(1);
  if (all.empty()) return {};
  StringList items = text::split(all, ',');
  for (std::string& item : items) item = std::string(strip(item));
  return items;
}

Result<Value> parse_value(const Option& option, std::string_view text) {
  switch (option.type) {
    case OptionType::Bool: return parse_bool(text);
    case OptionType::Int:
    case OptionType::Port: return parse_integer(option, text);
    case OptionType::Float: return parse_number(option, text);
    case OptionType::Ip: return parse_ip(option, text);
    case OptionType::HostAddress: return parse_host_address(text);
    case OptionType::String:
    case OptionType::Multi: return parse_string(option, text);
    case OptionType::List: return parse_list(option, text);
    case OptionType::Dict: return option.check == Check::Mtus ? parse_mtus(text) : parse_dict(text);
  }
  return invalid("its type is unknown");
}

std::string allowed(const Option& option) {
  if (std::string words = check_words(option.check); !words.empty()) return words;
  if (!option.choices.empty()) return fmt::format("one of {}", fmt::join(option.choices, ", "));
  switch (option.type) {
    case OptionType::Bool: return "true, 1, on, yes or false, 0, off, no";
    case OptionType::Int: return range_words(option, "an integer");
    case OptionType::Port: return range_words(option, "a port");
    case OptionType::Float: return range_words(option, "a number");
    case OptionType::Ip: return "an IPv4 or IPv6 address";
    case OptionType::HostAddress: return "a host name or an IP address";
    case OptionType::List: return "a list, separated by commas";
    case OptionType::Dict: return "key:value pairs, separated by commas";
    case OptionType::String: return "text";
    case OptionType::Multi: return "text; may be given several times";
  }
  return {};
}

std::string to_text(const Value& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *i);
  if (const auto* d = std::get_if<double>(&value)) return python_double(*d);
  if (const auto* s = std::get_if<std::string>(&value)) return *s;
  if (const auto* list = std::get_if<StringList>(&value)) return fmt::format("{}", fmt::join(*list, ","));
  if (const auto* map = std::get_if<StringMap>(&value)) {
    std::string text;
    for (const auto& [key, item] : *map) text += fmt::format("{}{}:{}", text.empty() ? "" : ",", key, item);
    return text;
  }
  return {};
}

std::string to_python(const Value& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "True" : "False";
  if (const auto* list = std::get_if<StringList>(&value)) {
    std::string text;
    for (const std::string& item : *list) text += (text.empty() ? "" : ", ") + python_string(item);
    return "[" + text + "]";
  }
  if (const auto* map = std::get_if<StringMap>(&value)) {
    std::string text;
    for (const auto& [key, item] : *map) {
      text += (text.empty() ? "" : ", ") + python_string(key) + ": " + python_string(item);
    }
    return "{" + text + "}";
  }
  return to_text(value);
}

}  // namespace ml2::config
