#include "ovsdb/server_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "datapath/base/text.h"

namespace ml2::ovsdb {
namespace {

// The part of `text` between `before` and `after`.
std::optional<std::string> between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t start = text.find(before);
  if (start == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(start + before.size());
  const std::size_t end = rest.find(after);
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(rest.substr(0, end));
}

// ovsdb/transaction.c duplicate_index_row():
//   Transaction causes multiple rows in "T" table to have identical values (V) for index on column(s) "C".  First row...
std::optional<Error> taken_index(const std::string& details) {
  const auto table = between(details, "Transaction causes multiple rows in \"", "\" table");
  const auto values = between(details, "to have identical values (", ") for index on column");
  auto columns = between(details, ") for index on column", ".  First row");
  if (!table || !values || !columns) return std::nullopt;
  if (columns->starts_with('s')) columns->erase(0, 1);
  std::erase(*columns, '"');
  return Error{ErrorKind::Conflict, fmt::format("table {} already has a row with {} = {}", *table,
                                                text::trim(*columns), text::printable(*values))};
}

}  // namespace

Error server_error(std::string_view json) {
  const auto document = nlohmann::json::parse(json, nullptr, false);
  const auto member = [&](const char* name) -> std::string {
    if (!document.is_object() || !document.contains(name) || !document.at(name).is_string()) return "";
    return document.at(name).get<std::string>();
  };
  const std::string error = member("error");
  const std::string details = member("details");
  if (error.empty()) {
    return {ErrorKind::Invalid,
            fmt::format("the database server refused the transaction: {}", text::printable(json))};
  }
  if (error == "constraint violation") {
    if (auto conflict = taken_index(details)) return *std::move(conflict);
  }
  if (error == "duplicate uuid") {
    return {ErrorKind::Conflict, "a row that was to be inserted is already there: " + text::printable(details)};
  }
  // What passes by itself, or once the server's disk, memory or cluster is well again.
  for (const char* passing : {"timed out", "aborted", "canceled", "not owner", "cluster error", "I/O error",
                              "resources exhausted", "unknown database"}) {
    if (error == passing) {
      return {ErrorKind::Transient, fmt::format("the database server could not carry out the transaction: {}{}{}",
                                                error, details.empty() ? "" : ": ", text::printable(details))};
    }
  }
  if (error == "not allowed") {
    return {ErrorKind::Invalid,
            fmt::format("the database server does not let this client write ({}): connect to a server that is not "
                        "read-only, with a role that may",
                        text::printable(details))};
  }
  return {ErrorKind::Invalid, fmt::format("the database server refused the transaction: {}{}{}", error,
                                          details.empty() ? "" : ": ", text::printable(details, 400))};
}

}  // namespace ml2::ovsdb
