#include "agent/reconcile/wired_marks.h"

#include <string>

namespace ml2::reconcile {

std::optional<ovsdb::Operation> wired_mark(const ovsdb::InterfaceRow& row, bool wired, bool complete, WallTime now) {
  const auto mark = row.external_ids.find(kInstalledKey);
  const bool marked = mark != row.external_ids.end();
  if (wired) {
    if (marked && mark->second == "true" && row.external_ids.contains(kInstalledTimeKey)) return std::nullopt;
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
    return ovsdb::RowMutate{
        "Interface", row.uuid, "external_ids",
        ovsdb::Datum::map({{kInstalledKey, "true"}, {kInstalledTimeKey, std::to_string(milliseconds)}}),
        ovsdb::Datum::none()};
  }
  if (!marked || !complete) return std::nullopt;
  return ovsdb::RowMutate{"Interface", row.uuid, "external_ids", ovsdb::Datum::none(),
                          ovsdb::Datum::strings({kInstalledKey, kInstalledTimeKey})};
}

}  // namespace ml2::reconcile
