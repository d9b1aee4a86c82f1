#include "agent/reconcile/wired_marks.h"

#include <set>
#include <string>

namespace ml2::reconcile {

void mark_wired(const std::map<Uuid, intent::PortReport>& reports, const Desired& desired,
                const ovsdb::Vswitch& vswitch, WallTime now, ovsdb::Transaction& transaction) {
  std::set<std::string> wired;
  for (const auto& [id, state] : desired.port_states) {
    const auto report = reports.find(id);
    const bool active = report != reports.end() && report->second.status == intent::PortStatus::Active;
    if (active && !state.interface.empty()) wired.insert(state.interface);
  }
  const std::size_t before = transaction.operations.size();
  for (const auto& [name, row] : vswitch.interfaces) {
    const auto mark = row.external_ids.find(kInstalledKey);
    const bool marked = mark != row.external_ids.end();
    if (wired.contains(name)) {
      if (marked && mark->second == "true" && row.external_ids.contains(kInstalledTimeKey)) continue;
      const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
      transaction.operations.emplace_back(ovsdb::RowMutate{
          "Interface", row.uuid, "external_ids",
          ovsdb::Datum::map({{kInstalledKey, "true"}, {kInstalledTimeKey, std::to_string(milliseconds)}}),
          ovsdb::Datum::none()});
    } else if (marked && desired.complete) {
      transaction.operations.emplace_back(
          ovsdb::RowMutate{"Interface", row.uuid, "external_ids", ovsdb::Datum::none(),
                           ovsdb::Datum::strings({kInstalledKey, kInstalledTimeKey})});
    }
  }
  if (before == 0 && !transaction.operations.empty()) transaction.comment = "ml2-agent: mark wired interfaces";
}

}  // namespace ml2::reconcile
