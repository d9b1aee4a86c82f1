#include "datapath/openflow/flow.h"

#include <fmt/format.h>

namespace ml2::of {

std::string to_text(const FlowKey& key, const FlowBody& body) {
  std::string text;
  if (body.cookie != 0) text += fmt::format("cookie={:#x}, ", body.cookie);
  text += fmt::format("table={}, ", key.table);
  if (body.idle_timeout != 0) text += fmt::format("idle_timeout={}, ", body.idle_timeout);
  if (body.hard_timeout != 0) text += fmt::format("hard_timeout={}, ", body.hard_timeout);
  text += fmt::format("priority={}", key.priority);
  if (!key.match.empty()) text.append(",").append(key.match.view());
  return text.append(" actions=").append(body.actions.view());
}

}  // namespace ml2::of
