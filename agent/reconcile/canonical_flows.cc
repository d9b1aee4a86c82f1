#include "agent/reconcile/canonical_flows.h"

#include <fmt/format.h>

#include "datapath/base/log.h"
#include "datapath/openflow/codec.h"

namespace ml2::reconcile {

std::map<std::string, of::FlowSet> CanonicalFlows::of_bridges(const std::map<std::string, of::FlowSet>& flows) {
  std::map<std::string, of::FlowSet> result;
  std::map<std::string, Bridge> now;
  rejected_.clear();
  for (const auto& [bridge, written] : flows) {
    of::FlowSet& canonical = result[bridge];
    Bridge& before = seen_[bridge];
    Bridge& after = now[bridge];
    for (const auto& [key, body] : written) {
      auto known = before.find(key);
      if (known == before.end() || !(known->second.written == body)) {
        auto made = of::canonical(key, body);
        if (!made) {
          rejected_.push_back(fmt::format("bridge {}: {}", bridge, made.error().message));
          log::err("reconcile", "{}; this flow is left out", rejected_.back());
          continue;
        }
        canonical.insert(*made);
        after.insert_or_assign(key, Seen{body, std::move(made->first), std::move(made->second)});
        continue;
      }
      canonical.emplace(known->second.key, known->second.body);
      after.insert(before.extract(known));
    }
  }
  seen_ = std::move(now);
  return result;
}

}  // namespace ml2::reconcile
