#include "agent/reconcile/wired_marks.h"

#include <string>

#include "datapath/base/text.h"

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

std::optional<WallTime> marked_since(const ovsdb::InterfaceRow& row, WallTime now) {
  const auto mark = row.external_ids.find(kInstalledTimeKey);
  if (mark == row.external_ids.end() || !row.external_ids.contains(kInstalledKey)) return std::nullopt;
  const auto milliseconds = text::to_int(mark->second);
  const auto latest = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  if (!milliseconds || *milliseconds <= 0 || *milliseconds > latest) return std::nullopt;
  return WallTime(std::chrono::milliseconds(*milliseconds));
}

}  // namespace ml2::reconcile
