#include "agent/reconcile/plan_text.h"

#include <fmt/format.h>

#include <map>

#include "datapath/base/text.h"
#include "datapath/openflow/pipeline.h"

namespace ml2::reconcile {
namespace {

std::string columns_text(const ovsdb::Columns& columns) {
  std::string text;
  for (const auto& [name, value] : columns) text += fmt::format(" {}={}", name, value.to_string());
  return text;
}

struct OperationText {
  std::string operator()(const ovsdb::RowInsert& op) const {
    return fmt::format("insert {} {}:{}", op.table, op.uuid.to_string(), columns_text(op.columns));
  }
  std::string operator()(const ovsdb::RowUpdate& op) const {
    return fmt::format("update {} {}:{}", op.table, op.uuid.to_string(), columns_text(op.columns));
  }
  std::string operator()(const ovsdb::RowMutate& op) const {
    return fmt::format("mutate {} {}: {} + {} - {}", op.table, op.uuid.to_string(), op.column, op.insert.to_string(),
                       op.erase.to_string());
  }
  std::string operator()(const ovsdb::RowDelete& op) const {
    return fmt::format("delete {} {}", op.table, op.uuid.to_string());
  }
  std::string operator()(const ovsdb::RowVerify& op) const {
    return fmt::format("verify {} {} {}", op.table, op.uuid.to_string(), op.column);
  }
  std::string operator()(const ovsdb::RowBelow& op) const {
    return fmt::format("verify {} {} {} < {}", op.table, op.uuid.to_string(), op.column, op.limit);
  }
};

std::string_view table_name(std::uint8_t table, const std::string& bridge, const NodeConfig& node) {
  if (bridge == node.integration_bridge) return of::name_of(of::kIntTables, table);
  if (bridge == node.tunnel_bridge) return of::name_of(of::kTunTables, table);
  return of::name_of(of::kPhysTables, table);
}

}  // namespace

const char* to_text(of::FlowMod::Command command) {
  switch (command) {
    case of::FlowMod::Command::Add: return "add";
    case of::FlowMod::Command::Modify: return "modify";
    case of::FlowMod::Command::Delete: return "delete";
  }
  return "?";
}

std::string to_text(const ovsdb::Operation& operation) { return std::visit(OperationText{}, operation); }

std::string table_text(std::uint8_t table, const std::string& bridge, const NodeConfig& node) {
  const std::string_view name = table_name(table, bridge, node);
  return name.empty() ? std::to_string(table) : std::string(name);
}

std::string tables_text(const of::Bundle& bundle, const std::string& bridge, const NodeConfig& node) {
  std::map<std::uint8_t, std::size_t> counts;
  for (const of::FlowMod& mod : bundle.mods) ++counts[mod.key.table];
  std::string text;
  for (const auto& [table, n] : counts) {
    text += fmt::format("{}{}{} of table {} ({})", text.empty() ? "" : ", ", n,
                        !text.empty() ? ""
                        : n == 1      ? " flow"
                                      : " flows",
                        table_text(table, bridge, node), table);
  }
  return text;
}

std::string flow_text(const of::FlowKey& key, const of::FlowBody& body, const std::string& bridge,
                      const NodeConfig& node) {
  const std::string timeout = body.hard_timeout != 0 ? fmt::format(" hard_timeout={}", body.hard_timeout) : "";
  return fmt::format("{} priority={}{}{}{} actions={}", table_text(key.table, bridge, node), key.priority, timeout,
                     key.match.empty() ? "" : ",", key.match, body.actions);
}

std::string to_text(const Plan& plan, const NodeConfig& node) {
  if (plan.empty()) return "plan is empty";
  std::string text;
  for (const ovsdb::Operation& operation : plan.ovsdb.operations) {
    text += fmt::format("ovsdb: {}\n", to_text(operation));
  }
  for (const auto& [bridge, bundle] : plan.bundles) {
    for (const of::FlowMod& mod : bundle.mods) {
      text += fmt::format("{}: {} {}\n", bridge, to_text(mod.command), flow_text(mod.key, mod.body, bridge, node));
    }
  }
  for (const nl::Operation& operation : plan.links.operations)
    text += fmt::format("netlink: {}\n", nl::to_string(operation));
  if (plan.fast_path_unread) text += "fast path: not read yet\n";
  if (!plan.fast_path.empty()) {
    for (const std::string& line : text::split(fp::to_text(plan.fast_path), '\n'))
      text += fmt::format("fast path: {}\n", line);
  }
  for (const std::string& sentence : plan.held) text += fmt::format("held: {}\n", sentence);
  if (!text.empty()) text.pop_back();
  return text;
}

}  // namespace ml2::reconcile
