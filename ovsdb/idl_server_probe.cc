#include "ovsdb/idl_server_probe.h"

#include <fmt/format.h>

namespace ml2::ovsdb {

Result<IdlServerProbe> IdlServerProbe::open(const std::string& database, const std::string& remotes) {
  auto server = IdlReplica::open("_Server", {{"Database", {"name", "model", "connected"}}});
  if (!server) return forward_error(server);
  ml2_idl_connect(server->idl(), remotes.c_str(), false, 0);
  return IdlServerProbe(*std::move(server), database, remotes);
}

std::string IdlServerProbe::finding() const {
  if (!server_.following()) return "";
  std::string others;
  for (const auto& [uuid, row] : server_.snapshot()->table("Database")) {
    const std::string name = row->column("name").string().value_or("");
    if (name == database_) {
      if (row->column("connected").boolean().value_or(true)) return "";
      return fmt::format("the server at {} has database {} but no connection to the rest of its {}", remotes_,
                         database_, row->column("model").string().value_or("cluster"));
    }
    if (name != "_Server") others += (others.empty() ? "" : ", ") + name;
  }
  std::string advice;
  if (database_ == "ML2") {
    advice =
        "; create it and add it to the server: ml2-db create /etc/openvswitch/ml2.db && "
        "ml2-db add /etc/openvswitch/ml2.db";
  } else if (database_ == "Open_vSwitch") {
    advice = "; is this the ovsdb-server of openvswitch-switch?";
  }
  return fmt::format("the server at {} has no database named {} (it has: {}){}", remotes_, database_,
                     others.empty() ? "none" : others, advice);
}

}  // namespace ml2::ovsdb
