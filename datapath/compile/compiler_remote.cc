// Compiler, of what other hosts have of our networks: which units it makes stale, and a segment's units themselves.
#include <algorithm>
#include <bit>
#include <utility>

#include "datapath/compile/compiler.h"
#include "datapath/compile/local_vlan.h"

namespace ml2 {
namespace {

constexpr std::size_t kRemotePortsOfUnit = 16;  // about
constexpr unsigned kMaxRemoteUnits = 1024;

unsigned remote_units_for(std::size_t ports) {
  return std::min(std::bit_ceil(static_cast<unsigned>(ports / kRemotePortsOfUnit) + 1), kMaxRemoteUnits);
}
// Of `units`, by the bytes of a MAC in which the ports of a network differ.
unsigned remote_unit_of(const Mac& mac, unsigned units) {
  const auto& bytes = mac.bytes();
  return (static_cast<unsigned>(bytes[4]) << 8U | bytes[5]) & (units - 1);
}

}  // namespace

// Its stale units as they are now; without a VLAN nobody is wired to it, and it has no flows.
void Compiler::remake_segment(Build& build, Use& use, std::optional<LocalVlan> vlan, const Stale& stale,
                              std::vector<Remade>& remade) {
  if (vlan) compile_segment(build, LocalSegment{use.segment, *vlan});
  remade.push_back({.id = {}, .unit = &use.unit, .next = take_unit(build)});

  static const std::vector<RemotePort> kNone;
  const auto remote = build.intent.remote.find(use.segment);
  const std::vector<RemotePort>& ports = !vlan || remote == build.intent.remote.end() ? kNone : remote->second.ports;
  // Where a network grows, its units become more; what a unit has is then another unit's.
  const unsigned units = remote_units_for(ports.size());
  const bool divide = use.remote.empty() || units > 4 * use.remote_units;
  if (divide) use.remote_units = units;
  std::map<unsigned, RemotePorts> stale_units;
  if (stale.all || divide) {
    for (const auto& [number, unit] : use.remote) stale_units[number];
    for (const RemotePort& port : ports) stale_units[remote_unit_of(port.mac, use.remote_units)].push_back(&port);
  } else {
    for (const Mac& mac : stale.macs) stale_units[remote_unit_of(mac, use.remote_units)];
    for (const RemotePort& port : ports) {
      const auto unit = stale_units.find(remote_unit_of(port.mac, use.remote_units));
      if (unit != stale_units.end()) unit->second.push_back(&port);
    }
  }
  for (const auto& [number, some] : stale_units) {
    if (vlan) compile_remote_ports(build, LocalSegment{use.segment, *vlan}, some);
    remade.push_back({.id = {}, .unit = &use.remote[number], .next = take_unit(build)});
  }
}

// What other hosts have of our networks; false: VTEPs have come or gone, and with them tunnel ports.
bool Compiler::take_remote(const Intent& intent, const IntentChanges& changes, StaleSegments& segments,
                           std::set<IpAddress>& vteps) {
  for (const Segment& segment : changes.remote) {
    if (!take_remote(intent, segment, nullptr, segments, vteps)) return false;
  }
  for (const auto& [segment, macs] : changes.remote_ports) {
    if (!take_remote(intent, segment, &macs, segments, vteps)) return false;
  }
  return true;
}

// `macs`: of the remote ports that differ; nullptr: any may.
bool Compiler::take_remote(const Intent& intent, const Segment& segment, const std::set<Mac>* macs,
                           StaleSegments& segments, std::set<IpAddress>& vteps) {
  static const std::set<IpAddress> kNone;
  const auto now = intent.remote.find(segment);
  std::set<IpAddress> changed;
  count_vteps(segment, now == intent.remote.end() ? kNone : now->second.vteps, changed);
  if (!changed.empty() && !fast_path_carries(intent.node, segment.type, {})) return false;
  vteps.merge(changed);
  const auto use = uses_.find(key_of(segment));
  if (use == uses_.end() || use->second.segment != segment) return true;
  Stale& stale = segments[use->first];
  if (macs != nullptr) {
    stale.macs.insert(macs->begin(), macs->end());
  } else {
    stale.all = true;
  }
  return true;
}

// Into `changed`: VTEPs that are the first or last time needed.
void Compiler::count_vteps(const Segment& segment, const std::set<IpAddress>& now, std::set<IpAddress>& changed) {
  std::set<IpAddress>& before = remote_vteps_[segment];
  for (const IpAddress& vtep : now) {
    if (!before.contains(vtep) && ++vtep_uses_[{segment.type, vtep}] == 1) changed.insert(vtep);
  }
  for (const IpAddress& vtep : before) {
    if (now.contains(vtep)) continue;
    const auto uses = vtep_uses_.find({segment.type, vtep});
    if (--uses->second != 0) continue;
    vtep_uses_.erase(uses);
    changed.insert(vtep);
  }
  if (now.empty()) {
    remote_vteps_.erase(segment);
  } else {
    before = now;
  }
}

}  // namespace ml2
