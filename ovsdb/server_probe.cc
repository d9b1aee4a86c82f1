#include "ovsdb/server_probe.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace ml2::ovsdb {

ServerProbe::ServerProbe(std::string database, const std::string& remotes)
    : database_(std::move(database)), query_(ml2_server_query_open(remotes.c_str())) {}

std::string ServerProbe::finding() const {
  const char* answer = ml2_server_query_answer(query_.get());
  return answer == nullptr ? "" : explain_databases(answer, database_, ml2_server_query_name(query_.get()));
}

std::string explain_databases(std::string_view answer, const std::string& database, const std::string& server) {
  // [{"rows": [{"name": "ML2", "model": "standalone", "connected": true}, ...]}]
  const auto reply = nlohmann::json::parse(answer, nullptr, false);
  if (!reply.is_array() || reply.empty() || !reply[0].is_object() || !reply[0].contains("rows")) return "";
  const auto text = [](const nlohmann::json& row, const char* column) -> std::string {
    return row.is_object() && row.contains(column) && row.at(column).is_string() ? row.at(column).get<std::string>()
                                                                                 : "";
  };
  std::string others;
  if (!reply[0].at("rows").is_array()) return "";
  for (const auto& row : reply[0].at("rows")) {
    const std::string name = text(row, "name");
    if (name == database) {
      if (!row.contains("connected") || row.at("connected") != false) return "";
      return fmt::format(
          "the server at {} has database {} but no connection to {}", server, database,
          text(row, "model") == "relay" ? "the server that it relays" : "enough of the other servers of its cluster");
    }
    if (name != "_Server" && !name.empty()) others += (others.empty() ? "" : ", ") + name;
  }
  std::string advice;
  if (database == "ML2") {
    advice =
        "; create it and add it to the server: ml2-db create /var/lib/openvswitch/ml2.db && "
        "ml2-db add /var/lib/openvswitch/ml2.db";
  } else if (database == "Open_vSwitch") {
    advice = "; is this the ovsdb-server of openvswitch-switch?";
  }
  return fmt::format("the server at {} has no database named {} (it has: {}){}", server, database,
                     others.empty() ? "none" : others, advice);
}

}  // namespace ml2::ovsdb
