#include "datapath/compile/local_vlan.h"

#include <limits>

#include "datapath/base/text.h"

namespace ml2 {
namespace {

using Numbers = std::set<LocalVlan::rep>;

// The next one after the highest in use, so that a VLAN that was just freed rests; then from the bottom.
std::optional<LocalVlan> free_vlan(const Numbers& used) {
  const int highest = used.empty() ? 0 : *used.rbegin();
  for (int step = 0; step < LocalVlan::kMax; ++step) {
    const int candidate = (highest + step) % LocalVlan::kMax + LocalVlan::kMin;
    if (!used.contains(static_cast<LocalVlan::rep>(candidate))) return LocalVlan::make(candidate);
  }
  return std::nullopt;
}

}  // namespace

std::optional<LocalVlanKey> local_vlan_hint(const InterfaceFact& fact) {
  if (!fact.tag || !LocalVlan::make(*fact.tag)) return std::nullopt;  // no tag, or the dead VLAN
  const auto network = fact.port_other_config.find("net_uuid");
  if (network == fact.port_other_config.end()) return std::nullopt;
  const auto uuid = Uuid::parse(network->second);
  if (!uuid) return std::nullopt;
  LocalVlanKey key{*uuid, 0};
  const auto id = fact.port_other_config.find("segmentation_id");
  if (id != fact.port_other_config.end() && id->second != "None") {
    const auto number = text::to_int(id->second);
    if (!number || *number < 0 || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    key.segmentation_id = static_cast<std::uint32_t>(*number);
  }
  return key;
}

LocalVlanAllocation allocate_local_vlans(const std::set<LocalVlanKey>& wanted, const Facts& facts,
                                         const std::string& integration_bridge, bool keep_all) {
  LocalVlanAllocation result;
  Numbers given;  // in `result`
  Numbers used;   // those, and those that some port still has: a frame of it must not reach another network
  const auto give = [&](const LocalVlanKey& key, LocalVlan vlan) {
    if (result.vlans.contains(key) || !given.insert(vlan.value()).second) return;
    result.vlans.emplace(key, vlan);
    used.insert(vlan.value());
  };

  for (const auto& [key, vlan] : facts.local_vlans) {
    used.insert(vlan.value());
    if (keep_all || wanted.contains(key)) give(key, vlan);
  }
  LocalVlans hints;  // the first interface's, where those of one segment disagree
  for (const auto& [name, fact] : facts.interfaces) {
    if (fact.bridge != integration_bridge || !fact.tag) continue;
    const auto tag = LocalVlan::make(*fact.tag);
    if (!tag) continue;
    used.insert(tag->value());
    if (const auto key = local_vlan_hint(fact)) hints.emplace(*key, *tag);
  }
  // Two segments with one VLAN: the first of them has it, whether it is wanted now or not.
  std::map<LocalVlan, LocalVlanKey> owners;
  for (const auto& [key, vlan] : hints) owners.emplace(vlan, key);
  for (const auto& [vlan, key] : owners) {
    if (wanted.contains(key)) give(key, vlan);
  }
  for (const LocalVlanKey& key : wanted) {
    if (result.vlans.contains(key)) continue;
    if (const auto vlan = free_vlan(used)) {
      give(key, *vlan);
    } else {
      result.exhausted.insert(key);
    }
  }
  return result;
}

}  // namespace ml2
