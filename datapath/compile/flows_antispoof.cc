// Anti-spoofing on the integration bridge (neutron agent ovs_neutron_agent.py setup_arp_spoofing_protection(),
// openflow/native/br_int.py): a port sends ARP and neighbour advertisements for its own addresses only, and everything
// from its own MACs only.
#include <algorithm>
#include <array>
#include <set>

#include "datapath/compile/build.h"
#include "datapath/openflow/actions.h"
#include "datapath/openflow/field.h"

namespace ml2 {
namespace {

using of::Actions;
using of::IntTable;
using of::Match;

constexpr std::uint16_t kEntryPriority = 9;
// A port that has sent nothing of what is dropped for so long sends it no more.
constexpr std::uint16_t kQuietSeconds = 60;

// Drops, and remembers the port in table Spoofing while it goes on: the switch tells the agent of that flow when it comes and
// when it goes (reconcile/spoof_drops.h). Nobody has to ask for counters, at which ovs-vswitchd would walk over all of its ports.
std::string drop_and_tell(IntTable table, std::uint64_t cookie) {
  return Actions(table)
      .learn({.table = IntTable::Spoofing,
              .idle_timeout = kQuietSeconds,
              .priority = of::number(table),
              .cookie = cookie,
              .steps = {of::learn::match(of::field::kInPort)}})
      .text();
}

}  // namespace

IpNetwork link_local(const Mac& mac) {
  const auto& m = mac.bytes();
  std::array<std::uint8_t, 16> bytes{0xfe, 0x80};
  const std::array<std::uint8_t, 8> interface {
    static_cast<std::uint8_t>(m[0] ^ 0x02U), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]
  };
  std::copy(interface.begin(), interface.end(), bytes.begin() + 8);
  return *IpNetwork::make(IpAddress::v6(bytes), 128);
}

bool is_checked(const Port& port) {
  // neutron-lib constants.DEVICE_OWNER_NETWORK_PREFIX: routers, DHCP and other ports of the cloud's own.
  return port.port_security_enabled && !port.device_owner.starts_with("network:");
}

of::FlowKey antispoof_entry(OfPort ofport) {
  return {of::number(IntTable::LocalSwitching), kEntryPriority, Match().in_port(ofport).text()};
}

of::FlowSet antispoof_flows(const Port& port, OfPort ofport) {
  of::FlowSet flows;
  const std::uint64_t cookie = cookie_of_port(port.id);
  std::set<Mac> macs{port.mac};
  std::set<IpNetwork> networks;
  for (const IpAddress& address : port.fixed_ips) {
    networks.insert(*IpNetwork::make(address, address.is_v4() ? 32 : 128));
  }
  for (const AddressPair& pair : port.allowed_address_pairs) {
    macs.insert(pair.mac);
    networks.insert(pair.network);
  }
  for (const Mac& mac : macs) networks.insert(link_local(mac));
  // A pair of /0 allows every address of its family: there is nothing to check but the MAC.
  const auto any_address = [&](bool v4) {
    return std::any_of(networks.begin(), networks.end(), [v4](const IpNetwork& network) {
      return network.address().is_v4() == v4 && network.prefix_length() == 0;
    });
  };
  const bool check_arp = !any_address(true);
  const bool check_nd = !any_address(false);

  const auto to = [](IntTable from, IntTable next) { return Actions(from).goto_table(next).text(); };
  const auto from_port = [&] { return Match().in_port(ofport); };
  constexpr IntTable kEntry = IntTable::LocalSwitching;
  if (check_arp) add_flow(flows, kEntry, 10, from_port().arp(), to(kEntry, IntTable::ArpSpoof), cookie);
  if (check_nd) {
    add_flow(flows, kEntry, 10, from_port().icmp6_type(of::kIcmp6NeighbourAdvertisement),
             to(kEntry, IntTable::ArpSpoof), cookie);
  }
  add_flow(flows, kEntry, kEntryPriority, from_port(), to(kEntry, IntTable::MacSpoof), cookie);
  for (const IpNetwork& network : networks) {
    if (network.address().is_v4() && check_arp) {
      add_flow(flows, IntTable::ArpSpoof, 2, from_port().arp_spa(network), to(IntTable::ArpSpoof, IntTable::MacSpoof),
               cookie);
    }
    // The incumbent lets these pass without a look at the MAC; here it is looked at, as with ARP.
    if (network.address().is_v6() && check_nd) {
      add_flow(flows, IntTable::ArpSpoof, 2,
               from_port().icmp6_type(of::kIcmp6NeighbourAdvertisement).nd_target(network),
               to(IntTable::ArpSpoof, IntTable::MacSpoof), cookie);
    }
  }
  for (const Mac& mac : macs) {
    add_flow(flows, IntTable::MacSpoof, 2, from_port().dl_src(mac), to(IntTable::MacSpoof, IntTable::LocalEgress),
             cookie);
  }
  // What is left over is dropped by the tables' own flows, too; these count it port by port, and tell.
  const auto tell = [&](IntTable table) {
    add_flow(flows, table, of::kSpoofDropPriority, from_port(), drop_and_tell(table, cookie), cookie);
  };
  if (check_arp || check_nd) tell(IntTable::ArpSpoof);
  tell(IntTable::MacSpoof);
  return flows;
}

}  // namespace ml2
