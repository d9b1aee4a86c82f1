// Facts for the fast path: devices, the underlay's link, next hops of VTEPs, and the ids that are in use.
#include "datapath/compile/compile.h"
#include "datapath/compile/fast_path_ids.h"
#include "datapath/netlink/next_hop.h"

namespace ml2 {
namespace {

// What the fast path still has of a VTEP, for when the kernel has forgotten the neighbour: a MAC that was right once beats
// none, and a restarted agent changes nothing on account of an entry that timed out meanwhile.
std::map<IpAddress, Mac> macs_of(const fp::Tables* read_back) {
  std::map<IpAddress, Mac> macs;
  if (read_back == nullptr) return macs;
  for (const auto& [id, vtep] : read_back->vteps) {
    macs.emplace(fp::address_of(vtep.remote, vtep.ipv6 != 0), fp::mac_of(vtep.next_hop_mac));
  }
  return macs;
}

}  // namespace

FastPathFacts gather_fast_path_facts(const Intent& intent, const nl::Snapshot& kernel, const fp::Tables* read_back,
                                     const FastPathIds& previous) {
  FastPathFacts facts;
  if (!intent.node.fast_path.enabled) return facts;
  facts.ids = known_ids(read_back, previous);
  for (const auto& [index, link] : kernel.links) {
    if (link.name.starts_with("tap") || link.name == kFastPathPatch || link.name == kFastPathPatchPeer) {
      facts.links.emplace(link.name, FastPathLink{link.mac, link.mtu});
    }
  }
  const nl::Link* underlay = intent.node.local_ip ? nl::link_with_address(kernel, *intent.node.local_ip) : nullptr;
  if (underlay == nullptr) return facts;
  facts.underlay = FastPathLink{underlay->mac, underlay->mtu};
  const std::map<IpAddress, Mac> last = macs_of(read_back);
  for (const Vtep& vtep : intent.vteps) {
    if (vtep.type != NetworkType::Vxlan || facts.next_hops.contains(vtep.address)) continue;
    const auto hop = nl::find_next_hop(kernel, vtep.address);
    if (!hop) continue;
    NextHopFact fact{.hop = {nl::find_link(kernel, hop->link)->name, hop->address},
                     .mac = hop->mac,
                     .resolved = hop->mac.has_value()};
    if (const auto had = last.find(vtep.address); !fact.mac && had != last.end()) fact.mac = had->second;
    facts.next_hops.emplace(vtep.address, std::move(fact));
  }
  return facts;
}

}  // namespace ml2
