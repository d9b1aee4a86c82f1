#include "ovsdb/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <variant>

#include "datapath/base/text.h"
#include "ovsdb/server_error.h"

namespace ml2::ovsdb {
namespace {

using Json = nlohmann::json;

bool have_type(const std::vector<Atom>& atoms, std::size_t type) {
  return std::all_of(atoms.begin(), atoms.end(), [&](const Atom& atom) {
    if (atom.index() != type) return false;
    // C would cut a text at a NUL.
    const auto* text = std::get_if<std::string>(&atom);
    return text == nullptr || text->find('\0') == std::string::npos;
  });
}

bool fits(const ColumnType& type, const Datum& datum) {
  if (!have_type(datum.keys, type.key)) return false;
  if (datum.keys.empty()) return datum.values.empty();
  if (!type.value) return datum.values.empty();
  return datum.values.size() == datum.keys.size() && have_type(datum.values, *type.value);
}

bool is_default(const ColumnType& type, const Datum& datum) { return datum.empty() || datum == default_of(type); }

std::string name_of(const Uuid& uuid) {  // an <id>
  std::string name = "row" + uuid.to_string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Builder {
 public:
  Builder(const std::string& database, const Layout& layout, const Snapshot& snapshot)
      : layout_(layout), snapshot_(snapshot), operations_(Json::array({database})) {}

  Status build(const Transaction& transaction) {
    for (const Operation& operation : transaction.operations) {
      if (const auto* insert = std::get_if<RowInsert>(&operation)) {
        if (Status status = announce(*insert); !status) return status;
      }
    }
    // A condition is about what was there: it comes before what the same transaction writes; and what refers to a new row
    // comes after it.
    for (const int round : {0, 1, 2}) {
      for (const Operation& operation : transaction.operations) {
        const bool insert = std::holds_alternative<RowInsert>(operation);
        if ((is_condition(operation) ? 0 : insert ? 1 : 2) != round) continue;
        if (Status status = std::visit(*this, operation); !status) return status;
      }
    }
    if (!transaction.comment.empty()) {
      operations_.push_back({{"op", "comment"}, {"comment", text::printable(transaction.comment, 1000)}});
    }
    return {};
  }

  [[nodiscard]] Request take() {
    if (refused_) return {"", {}, std::move(refused_)};
    if (!changes_) return {};
    return {operations_.dump(), std::move(inserted_), std::nullopt};
  }

  Status operator()(const RowInsert& insert) {
    const TableLayout& table = *layout_.table(insert.table);
    if (table.is_singleton && snapshot_.table(insert.table).empty()) {
      // Another client may be about to do the same: then one of the two has to look again.
      operations_.push_back({{"op", "wait"},
                             {"table", insert.table},
                             {"where", Json::array()},
                             {"timeout", 0},
                             {"until", "=="},
                             {"rows", Json::array()}});
    }
    Json row = Json::object();
    for (const auto& [name, datum] : insert.columns) {
      if (Status status = check(table, name, datum); !status) return status;
      const ColumnType& type = table.types[*table.column(name)];
      if (!is_default(type, datum)) row[name] = to_json(type, datum);
    }
    Json operation = {{"op", "insert"}, {"table", insert.table}, {"row", std::move(row)}};
    if (insert.persist_uuid) {
      operation["uuid"] = insert.uuid.to_string();
    } else {
      operation["uuid-name"] = name_of(insert.uuid);
    }
    inserted_.emplace_back(insert.uuid, operations_.size() - 1);  // the first element is the database
    operations_.push_back(std::move(operation));
    changes_ = true;
    return {};
  }

  Status operator()(const RowUpdate& update) {
    const TableLayout* table = nullptr;
    if (Status status = find(update, table); !status) return status;
    const Row* there = snapshot_.row(update.table, update.uuid);
    Json row = Json::object();
    for (const auto& [name, datum] : update.columns) {
      if (Status status = check(*table, name, datum); !status) return status;
      const ColumnType& type = table->types[*table->column(name)];
      if (!type.on_server) continue;
      const bool again = !written_.insert({update.uuid, name}).second;
      if (!again && type.is_read && there != nullptr && there->column(name).datum() == datum) continue;
      row[name] = to_json(type, datum);
    }
    if (row.empty()) return {};
    operations_.push_back(
        {{"op", "update"}, {"table", update.table}, {"where", where(update.uuid)}, {"row", std::move(row)}});
    changes_ = true;
    return {};
  }

  Status operator()(const RowMutate& mutate) {
    const TableLayout* table = nullptr;
    if (Status status = find(mutate, table); !status) return status;
    const auto column = table->column(mutate.column);
    if (!column) return no_column(mutate.table, mutate.column);
    const ColumnType& type = table->types[*column];
    if (!type.on_server) return older(mutate.table, mutate.column);
    if (!type.is_read) return unread(mutate.table, mutate.column);
    if ((type.n_min == 1 && type.n_max == 1) || !fits(type, mutate.insert) ||
        !have_type(mutate.erase.keys, type.key)) {
      return invalid(fmt::format("column {} of table {} cannot be mutated with +{} -{}", mutate.column, mutate.table,
                                 text::printable(mutate.insert.to_string()),
                                 text::printable(mutate.erase.to_string())));
    }
    const Row* row = snapshot_.row(mutate.table, mutate.uuid);
    const Datum there = row == nullptr ? Datum() : row->column(mutate.column).datum();
    const auto place = [&](const Atom& key) {
      const auto found = std::lower_bound(there.keys.begin(), there.keys.end(), key);
      return found != there.keys.end() && *found == key ? found - there.keys.begin() : -1;
    };
    Datum erase;
    for (const Atom& key : mutate.erase.keys) {
      if (place(key) >= 0) erase.keys.push_back(key);
    }
    Datum insert;
    for (std::size_t i = 0; i < mutate.insert.keys.size(); ++i) {
      const auto at = place(mutate.insert.keys[i]);
      const bool same =
          at >= 0 && (!type.value || there.values[static_cast<std::size_t>(at)] == mutate.insert.values[i]);
      const bool goes = std::find(erase.keys.begin(), erase.keys.end(), mutate.insert.keys[i]) != erase.keys.end();
      if (same && !goes) continue;
      // A key that is there would be left with its value (RFC 7047 section 5.1, <mutation>).
      if (type.value && !goes) erase.keys.push_back(mutate.insert.keys[i]);
      insert.keys.push_back(mutate.insert.keys[i]);
      if (type.value) insert.values.push_back(mutate.insert.values[i]);
    }
    Json mutations = Json::array();
    if (!erase.empty()) mutations.push_back(Json::array({mutate.column, "delete", set_to_json(erase.keys)}));
    if (!insert.empty()) mutations.push_back(Json::array({mutate.column, "insert", to_json(type, insert)}));
    if (mutations.empty()) return {};
    operations_.push_back({{"op", "mutate"},
                           {"table", mutate.table},
                           {"where", where(mutate.uuid)},
                           {"mutations", std::move(mutations)}});
    changes_ = true;
    return {};
  }

  Status operator()(const RowDelete& erase) {
    const TableLayout* table = nullptr;
    if (Status status = find(erase, table); !status) return status;
    if (!table->is_root) return {};  // the server takes it when nothing refers to it any more
    operations_.push_back({{"op", "delete"}, {"table", erase.table}, {"where", where(erase.uuid)}});
    changes_ = true;
    return {};
  }

  Status operator()(const RowVerify& verify) {
    const TableLayout* table = nullptr;
    if (Status status = find(verify, table); !status) return status;
    const auto column = table->column(verify.column);
    if (!column) return no_column(verify.table, verify.column);
    if (!table->types[*column].is_read) return unread(verify.table, verify.column);
    const Row* row = snapshot_.row(verify.table, verify.uuid);
    if (row == nullptr || !table->types[*column].on_server) return {};
    Json read = Json::object();
    read[verify.column] = to_json(table->types[*column], row->column(verify.column).datum());
    operations_.push_back({{"op", "wait"},
                           {"table", verify.table},
                           {"where", where(verify.uuid)},
                           {"timeout", 0},
                           {"until", "=="},
                           {"columns", Json::array({verify.column})},
                           {"rows", Json::array({std::move(read)})}});
    return {};
  }

  Status operator()(const RowBelow& below) {
    const TableLayout* table = nullptr;
    if (Status status = find(below, table); !status) return status;
    const auto column = table->column(below.column);
    if (!column) return no_column(below.table, below.column);
    const ColumnType& type = table->types[*column];
    if (!is_integer(type)) {
      return invalid(
          fmt::format("column {} of table {} is no integer that can be compared", below.column, below.table));
    }
    if (!type.on_server) return older(below.table, below.column);
    Json clauses = where(below.uuid);
    clauses.push_back(Json::array({below.column, ">=", below.limit}));
    operations_.push_back({{"op", "wait"},
                           {"table", below.table},
                           {"where", std::move(clauses)},
                           {"timeout", 0},
                           {"until", "=="},
                           {"columns", Json::array({below.column})},
                           {"rows", Json::array()}});
    return {};
  }

 private:
  static bool is_integer(const ColumnType& type) {
    return !type.value && type.n_min == 1 && type.n_max == 1 &&
           std::holds_alternative<std::int64_t>(default_of(type).keys.front());
  }
  static tl::unexpected<Error> no_table(const std::string& table) {
    return invalid(fmt::format("there is no monitored table {}", table));
  }
  static tl::unexpected<Error> no_column(const std::string& table, const std::string& column) {
    return invalid(fmt::format("table {} has no monitored column {}", table, column));
  }
  static tl::unexpected<Error> unread(const std::string& table, const std::string& column) {
    return invalid(
        fmt::format("column {} of table {} is not read here: it can be written whole only", column, table));
  }
  static tl::unexpected<Error> older(const std::string& table, const std::string& column) {
    return invalid(fmt::format(
        "the database on the server is older than this program: its table {} has no column {}; run ml2-db upgrade",
        table, column));
  }

  // The new rows are known before anything refers to them.
  Status announce(const RowInsert& insert) {
    if (layout_.table(insert.table) == nullptr) return no_table(insert.table);
    if (!news_.emplace(insert.uuid, insert.persist_uuid).second) {
      return invalid(fmt::format("row {} of table {} is inserted twice", insert.uuid.to_string(), insert.table));
    }
    if (snapshot_.row(insert.table, insert.uuid) == nullptr) return {};
    if (!insert.persist_uuid) {
      return invalid(fmt::format("row {} is there: its UUID cannot name a new one", insert.uuid.to_string()));
    }
    refused_ = Error{ErrorKind::Conflict,
                     fmt::format("table {} already has a row {}", insert.table, insert.uuid.to_string())};
    return {};
  }

  template <class Op>
  Status find(const Op& operation, const TableLayout*& table) const {
    table = layout_.table(operation.table);
    if (table == nullptr) return no_table(operation.table);
    if (snapshot_.row(operation.table, operation.uuid) != nullptr || news_.contains(operation.uuid)) return {};
    return invalid(fmt::format("table {} has no row {}", operation.table, operation.uuid.to_string()));
  }

  static Status check(const TableLayout& table, const std::string& name, const Datum& datum) {
    const auto column = table.column(name);
    if (!column) return no_column(table.name, name);
    const ColumnType& type = table.types[*column];
    if (!type.on_server) {
      if (is_default(type, datum)) return {};
      return older(table.name, name);
    }
    if (datum.keys.size() >= type.n_min && datum.keys.size() <= type.n_max && fits(type, datum)) return {};
    return invalid(
        fmt::format("{} does not fit column {} of table {}", text::printable(datum.to_string()), name, table.name));
  }

  [[nodiscard]] Json reference(const Uuid& uuid) const {
    const auto insert = news_.find(uuid);
    if (insert == news_.end() || insert->second) return Json::array({"uuid", uuid.to_string()});
    return Json::array({"named-uuid", name_of(uuid)});
  }
  [[nodiscard]] Json where(const Uuid& uuid) const {
    Json clauses = Json::array();
    clauses.push_back(Json::array({"_uuid", "==", reference(uuid)}));
    return clauses;
  }

  [[nodiscard]] Json to_json(const Atom& atom) {
    if (const auto* uuid = std::get_if<Uuid>(&atom)) return reference(*uuid);
    if (const auto* text = std::get_if<std::string>(&atom)) {
      if (text::is_utf8(*text)) return *text;
      refused_ = Error{ErrorKind::Invalid,
                       fmt::format("\"{}\" is no UTF-8 text, and a database holds no other", text::printable(*text))};
      return "";
    }
    if (const auto* boolean = std::get_if<bool>(&atom)) return *boolean;
    if (const auto* real = std::get_if<double>(&atom)) return *real;
    return std::get<std::int64_t>(atom);
  }
  [[nodiscard]] Json set_to_json(const std::vector<Atom>& atoms) {
    if (atoms.size() == 1) return to_json(atoms.front());
    Json members = Json::array();
    for (const Atom& atom : atoms) members.push_back(to_json(atom));
    return Json::array({"set", std::move(members)});
  }
  [[nodiscard]] Json to_json(const ColumnType& type, const Datum& datum) {
    if (!type.value) return set_to_json(datum.keys);
    Json members = Json::array();
    for (std::size_t i = 0; i < datum.keys.size(); ++i) {
      members.push_back(Json::array({to_json(datum.keys[i]), to_json(datum.values[i])}));
    }
    return Json::array({"map", std::move(members)});
  }

  const Layout& layout_;
  const Snapshot& snapshot_;
  std::map<Uuid, bool> news_;  // rows that are inserted; whether the server takes the UUID
  std::set<std::pair<Uuid, std::string>> written_;
  Json operations_;
  std::vector<std::pair<Uuid, std::size_t>> inserted_;
  bool changes_ = false;
  std::optional<Error> refused_;
};

}  // namespace

Result<Request> make_request(const std::string& database, const Layout& layout, const Snapshot& snapshot,
                             const Transaction& transaction) {
  Builder builder(database, layout, snapshot);
  if (Status status = builder.build(transaction); !status) return forward_error(status);
  return builder.take();
}

Outcome read_answer(const std::string& database, const Request& request, bool refused, std::string_view json) {
  if (refused) {
    // A bare word instead of an <error> object, e.g. when the database was taken away or converted meanwhile.
    const Json error = Json::parse(json, nullptr, false);
    if (error.is_string()) return {tl::unexpected<Error>(server_error(Json{{"error", error}}.dump())), {}};
    return {tl::unexpected<Error>(server_error(json)), {}};
  }
  const Json results = Json::parse(json, nullptr, false);
  if (!results.is_array()) return {tl::unexpected<Error>(server_error(json)), {}};
  bool again = false;
  for (const Json& result : results) {
    if (result.is_null()) again = true;  // an operation before it failed, or one after it undid it
    if (!result.is_object() || !result.contains("error")) continue;
    const Json& error = result.at("error");
    if (error == "timed out" || error == "aborted") {
      again = true;
    } else {
      return {tl::unexpected<Error>(server_error(result.dump())), {}};
    }
  }
  if (again) {
    return {transient(fmt::format("another client changed what a transaction on database {} rests on", database)),
            {},
            true};
  }
  Outcome outcome;
  for (const auto& [name, place] : request.inserted) {
    if (place >= results.size() || !results[place].is_object() || !results[place].contains("uuid")) continue;
    const Json& pair = results[place].at("uuid");
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_string()) continue;
    if (const auto uuid = Uuid::parse(pair[1].get<std::string>())) outcome.inserted[name] = *uuid;
  }
  return outcome;
}

}  // namespace ml2::ovsdb
