#include "agent/remotes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <string>

#include "ovsdb/ml2_rows.h"
#include "ovsdb/vswitch.h"

namespace ml2 {

Remotes remotes(const config::Config& config, const Flags& flags) {
  Remotes result;
  result.vswitch.columns = ovsdb::vswitch_columns();
  result.vswitch.remotes = config.is_set("ovs", "ovsdb_connection")
                               ? config.get_string("ovs", "ovsdb_connection")
                               : fmt::format("unix:{}/db.sock", flags.ovs_rundir);
  result.vswitch.transaction_timeout = std::chrono::seconds(config.get_int("ovs", "ovsdb_timeout"));
  const auto ssl = [&](const char* group, ovsdb::RemoteDatabase::Options& options) {
    options.private_key = config.get_optional_string(group, "ssl_key_file").value_or("");
    options.certificate = config.get_optional_string(group, "ssl_cert_file").value_or("");
    options.ca_certificate = config.get_optional_string(group, "ssl_ca_cert_file").value_or("");
  };
  ssl("ovs", result.vswitch);
  result.ml2 = result.vswitch;
  result.ml2.database = "ML2";
  result.ml2.columns = ovsdb::ml2_agent_columns();
  result.ml2.unread = ovsdb::ml2_agent_unread();
  const std::string connection = fmt::format("{}", fmt::join(config.get_list("ml2_db", "connection"), ","));
  if (!connection.empty()) {
    result.ml2.remotes = connection;
    ssl("ml2_db", result.ml2);
  }
  return result;
}

}  // namespace ml2
