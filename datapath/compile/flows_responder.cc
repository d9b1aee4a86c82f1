// Responders: ARP requests (neutron br_tun.py install_arp_responder()) and IPv6 neighbour solicitations for ports of
// other hosts are answered on the tunnel bridge; nothing of them leaves the host.
#include "datapath/compile/build.h"
#include "datapath/openflow/actions.h"
#include "datapath/openflow/field.h"

namespace ml2 {
namespace {

using of::Actions;
using of::Match;
using of::TunTable;

constexpr TunTable kTable = TunTable::ArpResponder;
constexpr std::uint16_t kArpReply = 2;                     // RFC 826
constexpr std::uint8_t kSolicitation = 135;                // RFC 4861 section 4.3
constexpr std::uint8_t kSourceLinkLayer = 1;               // RFC 4861 section 4.6.1
constexpr std::uint8_t kTargetLinkLayer = 2;               // the same
constexpr std::uint32_t kSolicitedOverride = 0x60000000U;  // flags S and O
constexpr std::uint32_t kRouter = 0x80000000U;             // flag R

std::string arp_reply(const Mac& mac, const IpAddress& address) {
  namespace field = of::field;
  return Actions(kTable)
      .set_arp_op(kArpReply)
      .move(field::kArpSha, field::kArpTha)
      .move(field::kArpSpa, field::kArpTpa)
      .set_field(mac, field::kArpSha)
      .set_field(address, field::kArpSpa)
      .move(field::kEthSrc, field::kEthDst)
      .set_field(mac, field::kEthSrc)
      .in_port()
      .text();
}

// The solicitation becomes an advertisement in two steps: its target link-layer address can be set only where the
// match says that it is one (OpenFlow's prerequisites). The second step is advertisement() for all of them.
std::string to_advertisement(const RemotePort& port, const IpAddress& address) {
  namespace field = of::field;
  return Actions(kTable)
      .move(field::kEthSrc, field::kEthDst)
      .set_field(port.mac, field::kEthSrc)
      .move(field::kIpv6Src, field::kIpv6Dst)
      .set_field(address, field::kIpv6Src)
      .set_nd_options_type(kTargetLinkLayer)
      .set_nd_flags(port.router ? kSolicitedOverride | kRouter : kSolicitedOverride)
      .set_icmp6_type(of::kIcmp6NeighbourAdvertisement)
      .resubmit(kTable)
      .text();
}

std::string advertisement() { return Actions(kTable).move(of::field::kEthSrc, of::field::kNdTll).in_port().text(); }

}  // namespace

of::FlowSet responder_flows(const PopulatedNetwork& network, const RemotePorts& ports) {
  of::FlowSet flows;
  for (const RemotePort* port : ports) {
    for (const IpAddress& address : port->answered) {
      if (address.is_v4() && network.arp_responder) {
        add_flow(flows, kTable, 1, Match().arp_tpa(address).dl_vlan(network.vlan), arp_reply(port->mac, address),
                 network.cookie);
      }
      if (address.is_v6() && network.nd_responder) {
        add_flow(flows, kTable, 1, Match().icmp6_type(kSolicitation).nd_target(address).dl_vlan(network.vlan),
                 to_advertisement(*port, address), network.cookie);
      }
    }
  }
  return flows;
}

void compile_responder_tables(Build& build) {
  const std::string& bridge = build.node().tunnel_bridge;
  const std::uint64_t cookie = cookie_of_pipeline();
  if (!build.node().arp_responder) return;
  build.flow(bridge, TunTable::PatchLvToTun, 1, Match().arp().dl_dst_broadcast(),
             Actions(TunTable::PatchLvToTun).goto_table(kTable).text(), cookie);
  build.flow(bridge, kTable, 0, Match(), Actions(kTable).goto_table(TunTable::FloodToTun).text(), cookie);
  if (!build.node().nd_responder) return;
  // Only with the sender's link-layer address, which becomes the target's in the answer. Duplicate address detection
  // has none (RFC 4862 section 5.4.2): it is flooded, and the owner itself objects.
  build.flow(bridge, TunTable::PatchLvToTun, 1,
             Match().icmp6_type(kSolicitation).nd_options_type(kSourceLinkLayer).dl_dst_solicited_node(),
             Actions(TunTable::PatchLvToTun).goto_table(kTable).text(), cookie);
  build.flow(bridge, kTable, 2,
             Match().icmp6_type(of::kIcmp6NeighbourAdvertisement).nd_options_type(kTargetLinkLayer), advertisement(),
             cookie);
}

}  // namespace ml2
