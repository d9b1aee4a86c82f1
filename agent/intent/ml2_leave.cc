#include "agent/intent/ml2_leave.h"

#include <fmt/format.h>

#include "datapath/base/text.h"
#include "ovsdb/blocking.h"

namespace ml2::intent {
namespace {

std::string value_of(const std::map<std::string, std::string>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : text::printable(found->second, 60);
}

void release_ports(const ovsdb::Ml2Rows& rows, const Leaver& leaver, Leaving& leaving) {
  const std::string reason = fmt::format("cleaned up on {}", leaver.host);
  std::size_t ports = 0;
  for (const auto& [uuid, binding] : rows.bindings) {
    // The other one of a live migration is the other host's to report.
    if (binding.host != leaver.host || binding.status != "ACTIVE" || binding.vif_type == "unbound") continue;
    const auto port = rows.ports.find(binding.port);
    if (port == rows.ports.end() || (port->second.status == "DOWN" && port->second.status_reason == reason)) continue;
    ++ports;
    leaving.transaction.operations.emplace_back(ovsdb::RowVerify{"Binding", uuid, "host"});
    leaving.transaction.operations.emplace_back(ovsdb::RowUpdate{
        "Port", binding.port, {{"status", ovsdb::Datum::of("DOWN")}, {"status_reason", ovsdb::Datum::of(reason)}}});
  }
  if (ports != 0) leaving.ours.push_back(fmt::format("status of {} ports (DOWN: {})", ports, reason));
}

}  // namespace

Leaving leave(const ovsdb::Ml2Rows& rows, const Leaver& leaver) {
  Leaving leaving;
  leaving.transaction.comment = fmt::format("ml2-agent --cleanup: {} leaves", leaver.host);
  const ovsdb::Ml2Host* host = ovsdb::host_named(rows, leaver.host);
  const std::string owner = host == nullptr ? std::string() : value_of(host->configurations, "switch_id");
  if (!owner.empty() && owner != leaver.switch_id) {
    leaving.stays.push_back(
        fmt::format("host {} and its ports: another node reports under that name (its local_ip: {})", leaver.host,
                    value_of(host->configurations, "tunneling_ip")));
    return leaving;
  }
  if (host != nullptr && owner.empty()) {
    leaving.stays.push_back(fmt::format("host {}: no agent has ever reported from it", leaver.host));
  } else if (host != nullptr) {
    leaving.transaction.operations.emplace_back(ovsdb::RowVerify{"Host", host->uuid, "configurations"});
  }
  release_ports(rows, leaver, leaving);
  if (host != nullptr && !owner.empty()) {
    leaving.transaction.operations.emplace_back(ovsdb::RowDelete{"Host", host->uuid});
    leaving.ours.push_back("host " + leaver.host);
  }
  return leaving;
}

ovsdb::MonitoredColumns leave_columns() {
  return {{"Host", {"name", "configurations"}},
          {"Binding", {"port", "host", "status", "vif_type"}},
          {"Port", {"status", "status_reason"}}};
}

std::string leave_ml2(ovsdb::Database& database, const std::string& where, const Leaver& leaver, bool look,
                      std::chrono::milliseconds timeout) {
  const std::string remains = fmt::format(
      "the row of host {} and the status of its ports stay there, and other hosts go on sending to it. Run --cleanup "
      "again when the database answers, or, from anywhere:\n"
      "  ml2ctl port list --host {}          # and for each: ml2ctl port set PORT --no-host\n"
      "  ml2ctl host delete {}\n",
      leaver.host, leaver.host, leaver.host);
  if (const Status synced = ovsdb::wait_until_synced(database, timeout); !synced) {
    return fmt::format("ML2 database at {}: {}: {}", where, synced.error().message, remains);
  }
  const Leaving leaving = leave(ovsdb::read_ml2(*database.snapshot()), leaver);
  if (!look && !leaving.ours.empty()) {
    const ovsdb::Outcome outcome = ovsdb::commit_and_wait(database, leaving.transaction, timeout);
    if (!outcome.status)
      return fmt::format("ML2 database at {}: {}: {}", where, outcome.status.error().message, remains);
  }
  std::string text;
  for (const std::string& line : leaving.ours) {
    text += fmt::format("{} {}, in the ML2 database\n", look ? "would remove" : "removed", line);
  }
  for (const std::string& line : leaving.stays) text += fmt::format("left alone: {}, in the ML2 database\n", line);
  return text;
}

}  // namespace ml2::intent
