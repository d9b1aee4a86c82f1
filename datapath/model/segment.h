// NetworkType and Segment: one L2 broadcast domain as the underlay carries it.
//
// Where in the walk: Intent's ports are bound to one; compile/ maps it to a local VLAN and flows.
// Threading: values.
// Failure: parse_network_type() answers nullopt on a word that is no type.
// What it does not do: no allocation (agent/ml2).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "datapath/base/uuid.h"

namespace ml2 {

enum class NetworkType : std::uint8_t { Local, Flat, Vlan, Gre, Vxlan, Geneve };

[[nodiscard]] constexpr std::string_view to_string(NetworkType type) {
  switch (type) {
    case NetworkType::Local: return "local";
    case NetworkType::Flat: return "flat";
    case NetworkType::Vlan: return "vlan";
    case NetworkType::Gre: return "gre";
    case NetworkType::Vxlan: return "vxlan";
    case NetworkType::Geneve: return "geneve";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::optional<NetworkType> parse_network_type(std::string_view text) {
  for (const NetworkType type : {NetworkType::Local, NetworkType::Flat, NetworkType::Vlan, NetworkType::Gre,
                                 NetworkType::Vxlan, NetworkType::Geneve}) {
    if (text == to_string(type)) return type;
  }
  return std::nullopt;
}

[[nodiscard]] constexpr bool is_tunnel(NetworkType type) {
  return type == NetworkType::Gre || type == NetworkType::Vxlan || type == NetworkType::Geneve;
}

struct Segment {
  Uuid network;  // Neutron network id
  NetworkType type = NetworkType::Local;
  std::string physical_network;       // flat and vlan; else empty
  std::uint32_t segmentation_id = 0;  // vlan: VLAN id; tunnels: the key; local and flat: 0

  friend auto operator<=>(const Segment&, const Segment&) = default;
};

// What a local VLAN belongs to: the incumbent's key (network, segmentation id).
struct LocalVlanKey {
  Uuid network;
  std::uint32_t segmentation_id = 0;

  friend auto operator<=>(const LocalVlanKey&, const LocalVlanKey&) = default;
};

[[nodiscard]] inline LocalVlanKey key_of(const Segment& segment) {
  return LocalVlanKey{segment.network, segment.segmentation_id};
}

}  // namespace ml2
