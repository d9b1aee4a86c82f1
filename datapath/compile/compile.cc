#include "datapath/compile/compile.h"

#include <fmt/format.h>

#include <utility>

#include "datapath/compile/build.h"
#include "datapath/openflow/cookie.h"

namespace ml2 {

Desired compile(const Intent& intent, const Facts& facts) {
  Build build{.intent = intent, .facts = facts};
  build.desired.complete = intent.complete;
  compile_bridges(build);
  compile_patch_ports(build);
  compile_tunnel_ports(build);
  compile_vifs(build);
  compile_fast_path(build);
  compile_flows_int(build);
  compile_flows_tun(build);
  compile_flows_phys(build);
  return std::move(build.desired);
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
