#include "agent/ml2/ipam.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/ml2/lookup.h"
#include "datapath/base/text.h"

namespace ml2::plugin {
namespace {

// The address before; nullopt before the first of its family.
std::optional<IpAddress> previous(const IpAddress& address) {
  auto bytes = address.bytes();
  for (std::size_t i = address.size(); i-- > 0;) {
    if (bytes[i]-- != 0) {
      if (address.is_v6()) return IpAddress::v6(bytes);
      return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
    }
  }
  return std::nullopt;
}

}  // namespace

std::string describe(const ovsdb::Ml2Subnet& subnet) {
  if (subnet.name.empty()) return fmt::format("{} ({})", subnet.uuid.to_string(), subnet.cidr);
  return fmt::format("{} ({})", subnet.name, subnet.cidr);
}

Pool usable_range(const IpNetwork& network) {
  const bool v4 = network.address().is_v4();
  const unsigned bits = v4 ? 32 : 128;
  Pool range{network.address(), network.last()};
  if (bits - network.prefix_length() < 2) return range;  // RFC 3021, RFC 6164: point-to-point, host prefixes
  range.first = range.first.next().value_or(range.first);
  if (v4) range.last = previous(range.last).value_or(range.last);
  return range;
}

std::vector<Pool> default_pools(const IpNetwork& network, const std::optional<IpAddress>& gateway) {
  const Pool all = usable_range(network);
  if (!gateway || !all.contains(*gateway)) return {all};
  std::vector<Pool> pools;
  if (all.first < *gateway) pools.push_back({all.first, *previous(*gateway)});
  if (*gateway < all.last) pools.push_back({*gateway->next(), all.last});
  return pools;
}

Result<std::vector<Pool>> parse_pools(const std::vector<PoolText>& texts, const IpNetwork& network,
                                      const std::optional<IpAddress>& gateway) {
  const Pool all = usable_range(network);
  std::vector<Pool> pools;
  for (const auto& [first_text, last_text] : texts) {
    const auto first = IpAddress::parse(first_text);
    const auto last = IpAddress::parse(last_text);
    if (!first || !last) {
      return invalid(fmt::format("allocation pool start={},end={}: {} is no IP address", text::printable(first_text),
                                 text::printable(last_text), text::printable(first ? last_text : first_text)));
    }
    const Pool pool{*first, *last};
    const std::string name = fmt::format("{}-{}", first->to_string(), last->to_string());
    if (first->family() != last->family() || *last < *first) {
      return invalid(fmt::format("allocation pool {}: the end comes before the start", name));
    }
    if (!all.contains(pool.first) || !all.contains(pool.last)) {
      return invalid(fmt::format("OutOfBoundsAllocationPool: allocation pool {} is not within {}-{} of subnet {}",
                                 name, all.first.to_string(), all.last.to_string(), network.to_string()));
    }
    if (gateway && pool.contains(*gateway)) {
      return invalid(fmt::format("GatewayConflictWithAllocationPools: the gateway {} lies in allocation pool {}",
                                 gateway->to_string(), name));
    }
    for (const Pool& other : pools) {
      if (other.contains(pool.first) || pool.contains(other.first)) {
        return invalid(fmt::format("OverlappingAllocationPools: allocation pool {} overlaps {}-{}", name,
                                   other.first.to_string(), other.last.to_string()));
      }
    }
    pools.push_back(pool);
  }
  std::sort(pools.begin(), pools.end(), [](const Pool& a, const Pool& b) { return a.first < b.first; });
  return pools;
}

std::vector<Pool> pools_of(const ovsdb::Ml2Subnet& subnet) {
  std::vector<Pool> pools;
  for (const std::string& pool_text : subnet.allocation_pools) {
    const auto parts = text::split(pool_text, '-');
    if (parts.size() != 2) continue;
    const auto first = IpAddress::parse(parts[0]);
    const auto last = IpAddress::parse(parts[1]);
    if (first && last && first->family() == last->family() && *first <= *last) pools.push_back({*first, *last});
  }
  std::sort(pools.begin(), pools.end(), [](const Pool& a, const Pool& b) { return a.first < b.first; });
  return pools;
}

std::set<std::string> to_strings(const std::vector<Pool>& pools) {
  std::set<std::string> texts;
  for (const Pool& pool : pools) texts.insert(fmt::format("{}-{}", pool.first.to_string(), pool.last.to_string()));
  return texts;
}

std::map<IpAddress, std::string> used_addresses(const ovsdb::Ml2Rows& rows, const Uuid& subnet) {
  std::map<IpAddress, std::string> used;
  for (const auto& [uuid, fixed_ip] : rows.fixed_ips) {
    if (fixed_ip.subnet != subnet) continue;
    if (const auto address = IpAddress::parse(fixed_ip.ip_address)) {
      used.emplace(*address, name_of(rows.ports, fixed_ip.port));
    }
  }
  return used;
}

Result<IpAddress> next_free_address(const ovsdb::Ml2Subnet& subnet, const std::set<IpAddress>& used, unsigned attempt,
                                    const Random& random) {
  // The first free one at first, as people expect; the wider, the more writers there are.
  std::uint64_t skip = attempt == 0 ? 0 : random(std::min<std::uint64_t>(16ULL * attempt, 256));
  std::optional<IpAddress> chosen;
  const std::vector<Pool> pools = pools_of(subnet);
  for (const Pool& pool : pools) {
    for (std::optional<IpAddress> address = pool.first; address && *address <= pool.last; address = address->next()) {
      if (used.contains(*address)) continue;
      chosen = address;
      if (skip == 0) return *chosen;
      --skip;
    }
  }
  if (chosen) return *chosen;
  return conflict(
      fmt::format("IpAddressGenerationFailure: no free address is left in the allocation pools ({}) of subnet {}",
                  fmt::join(to_strings(pools), ", "), describe(subnet)));
}

Result<IpAddress> check_address(const ovsdb::Ml2Subnet& subnet, std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) return invalid(fmt::format("{} is no IP address", text::printable(text)));
  const auto network = IpNetwork::parse(subnet.cidr);
  if (!network || !network->contains(*address)) {
    return invalid(fmt::format("InvalidIpForSubnet: {} is not in subnet {}", address->to_string(), describe(subnet)));
  }
  if (!usable_range(*network).contains(*address)) {
    return invalid(fmt::format("InvalidIpForSubnet: {} is the {} address of subnet {}", address->to_string(),
                               *address == network->address() ? "network" : "broadcast", describe(subnet)));
  }
  return *address;
}

}  // namespace ml2::plugin
