#include "datapath/compile/compile.h"

#include <fmt/format.h>

#include <utility>

#include "datapath/compile/build.h"
#include "datapath/compile/fast_path_compiler.h"
#include "datapath/openflow/cookie.h"

namespace ml2 {

Desired compile(const Intent& intent, const Facts& facts) {
  Build build(intent, facts);
  compile_frame(build);
  const Claims claims = claims_of(build);
  const Wiring wiring = wiring_of(build, claims);
  build.desired.local_vlans = wiring.vlans;
  static const std::set<std::string> kNone;
  const auto interfaces_of = [&](const Uuid& id) -> const std::set<std::string>& {
    const auto found = claims.find(id);
    return found == claims.end() ? kNone : found->second;
  };
  for (const auto& [id, port] : intent.ports) compile_claim(build, id, interfaces_of(id), wiring);
  for (const auto& [id, reason] : intent.refused) {
    if (!intent.ports.contains(id)) compile_claim(build, id, interfaces_of(id), wiring);
  }
  for (const auto& [id, interfaces] : claims) {
    if (!intent.ports.contains(id) && !intent.refused.contains(id)) compile_claim(build, id, interfaces, wiring);
  }
  for (const auto& [key, segment] : wiring.segments) {
    build.segments.emplace(key, LocalSegment{segment, wiring.vlans.at(key)});
  }
  FastPathCompiler().all(build, build.segments, build.desired);
  for (const auto& [key, local] : build.segments) {
    compile_segment(build, local);
    const auto remote = intent.remote.find(local.segment);
    if (remote == intent.remote.end()) continue;
    RemotePorts ports;
    for (const RemotePort& port : remote->second.ports) ports.push_back(&port);
    compile_remote_ports(build, local, ports);
  }
  return std::move(build.desired);
}

void compile_frame(Build& build) {
  compile_bridges(build);
  compile_patch_ports(build);
  compile_tunnel_ports(build);
  compile_flows_int(build);
  compile_flows_tun(build);
  compile_flows_phys(build);
}

void compile_segment(Build& build, const LocalSegment& local) {
  compile_segment_int(build, local);
  compile_segment_tun(build, local);
  compile_segment_phys(build, local);
}

std::optional<OfPort> Build::ofport(const std::string& name, const std::string& bridge, std::string_view type) const {
  const auto found = facts.interfaces.find(name);
  if (found == facts.interfaces.end() || found->second.bridge != bridge || found->second.type != type) {
    return std::nullopt;
  }
  return found->second.ofport;
}

std::uint64_t cookie_of(const Segment& segment) {
  return of::cookie_of(fmt::format("{}/{}", segment.network.to_string(), segment.segmentation_id));
}

std::uint64_t cookie_of_port(const Uuid& port) { return of::cookie_of(port.to_string()); }

std::uint64_t cookie_of_pipeline() { return of::cookie_of("pipeline"); }

std::uint64_t cookie_of_learned() { return of::cookie_of("learned"); }

}  // namespace ml2
