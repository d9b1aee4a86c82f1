#include "tests/fakes/fake_database_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

namespace ml2::ovsdb {
namespace {

using RowRef = std::pair<std::string, Uuid>;  // table, row

class Execution {
 public:
  Execution(const DatabaseSchema& schema, const Snapshot& rows, const std::vector<Datum>& verified)
      : schema_(schema), rows_(rows), verified_(verified) {
    for (const auto& [name, table] : schema.tables) rows_.tables[name];
  }

  Result<ServerReply> run(const Transaction& transaction) {
    for (const Operation& operation : transaction.operations) {
      if (const auto* insert = std::get_if<RowInsert>(&operation)) {
        names_[insert->uuid] = insert->persist_uuid ? insert->uuid : Uuid::random();
      }
    }
    // RemoteDatabase puts the "wait" operations first.
    for (const Operation& operation : transaction.operations) {
      if (!is_condition(operation)) continue;
      Status status = std::visit([this](const auto& op) { return execute(op); }, operation);
      if (!status) return forward_error(status);
    }
    for (const Operation& operation : transaction.operations) {
      if (is_condition(operation)) continue;
      Status status = std::visit([this](const auto& op) { return execute(op); }, operation);
      if (!status) return forward_error(status);
    }
    if (Status status = settle(); !status) return forward_error(status);
    return ServerReply{std::move(rows_), std::move(names_)};
  }

 private:
  Uuid real(const Uuid& uuid) const {
    const auto named = names_.find(uuid);
    return named == names_.end() ? uuid : named->second;
  }

  Datum real(Datum datum) const {
    bool renamed = false;
    for (std::vector<Atom>* atoms : {&datum.keys, &datum.values}) {
      for (Atom& atom : *atoms) {
        if (auto* uuid = std::get_if<Uuid>(&atom)) {
          const Uuid other = real(*uuid);
          renamed |= other != *uuid;
          *uuid = other;
        }
      }
    }
    // New names have another order; no map of our schemas has UUIDs as keys.
    if (renamed && datum.values.empty()) datum = Datum::set(std::move(datum.keys));
    return datum;
  }

  // The row for writing: shared with the old state until now.
  Row* writable(const std::string& table, const Uuid& uuid) {
    Table& rows = rows_.tables[table];
    const auto found = rows.find(real(uuid));
    if (found == rows.end()) return nullptr;
    auto copy = std::make_shared<Row>(*found->second);
    found->second = copy;
    return copy.get();
  }

  static void store(Row& row, const std::string& column, Datum datum) {
    if (datum.empty()) {
      row.columns.erase(column);
    } else {
      row.columns.set(column, datum);
    }
  }

  Status execute(const RowVerify& verify) {
    const Row* row = rows_.row(verify.table, real(verify.uuid));
    const Datum& expected = verified_.at(next_verified_++);
    if (row == nullptr || row->column(verify.column).datum() != expected) {
      return transient(fmt::format("column {} of row {} in table {} changed meanwhile", verify.column,
                                   verify.uuid.to_string(), verify.table));
    }
    return {};
  }

  Status execute(const RowBelow& below) {
    const Row* row = rows_.row(below.table, real(below.uuid));
    if (row == nullptr || row->column(below.column).integer().value_or(0) < below.limit) return {};
    return transient(fmt::format("column {} of row {} in table {} is not below {}", below.column,
                                 below.uuid.to_string(), below.table, below.limit));
  }

  Status execute(const RowInsert& insert) {
    const TableSchema& table = schema_.tables.at(insert.table);
    const Uuid uuid = real(insert.uuid);
    if (rows_.row(insert.table, uuid) != nullptr) {
      return conflict(fmt::format("table {} already has a row {}", insert.table, uuid.to_string()));
    }
    auto row = std::make_shared<Row>();
    row->uuid = uuid;
    std::map<std::string, Datum> defaults;
    for (const auto& [name, column] : table.columns) {
      if (Datum datum = default_datum(column); !datum.empty()) defaults.emplace(name, std::move(datum));
    }
    row->columns = RowColumns(defaults);
    for (const auto& [name, datum] : insert.columns) {
      const ColumnSchema& column = table.columns.at(name);
      // RemoteDatabase does not send defaults, so that they escape the check even where an enum or range excludes them.
      if (datum == default_datum(column)) continue;
      Datum value = real(datum);
      if (Status status = check_constraints(value, column); !status) return status;
      store(*row, name, std::move(value));
    }
    rows_.tables[insert.table].emplace(uuid, std::move(row));
    return {};
  }

  Status execute(const RowUpdate& update) {
    const TableSchema& table = schema_.tables.at(update.table);
    const Row* before = rows_.row(update.table, real(update.uuid));
    if (before == nullptr) return {};  // as "update" with a "where" that matches no row
    Row* row = nullptr;
    for (const auto& [name, datum] : update.columns) {
      const ColumnSchema& column = table.columns.at(name);
      Datum value = real(datum);
      if (before->column(name) == value) continue;
      if (!column.is_mutable && !names_.contains(update.uuid)) {
        return invalid(fmt::format("Cannot update immutable column {} in table {}.", name, update.table));
      }
      if (Status status = check_constraints(value, column); !status) return status;
      if (row == nullptr) before = row = writable(update.table, update.uuid);
      store(*row, name, std::move(value));
    }
    return {};
  }

  Status execute(const RowMutate& mutate) {
    const ColumnSchema& column = schema_.tables.at(mutate.table).columns.at(mutate.column);
    const Row* before = rows_.row(mutate.table, real(mutate.uuid));
    if (before == nullptr) return {};
    const Datum insert = real(mutate.insert);
    const Datum erase = real(mutate.erase);
    const Datum& old = before->column(mutate.column);

    std::map<Atom, std::optional<Atom>> members;
    for (std::size_t i = 0; i < old.keys.size(); ++i) {
      members[old.keys[i]] = column.value ? std::optional<Atom>(old.values[i]) : std::nullopt;
    }
    for (const Atom& key : erase.keys) members.erase(key);
    for (std::size_t i = 0; i < insert.keys.size(); ++i) {
      members[insert.keys[i]] = column.value ? std::optional<Atom>(insert.values[i]) : std::nullopt;
    }
    Datum value;
    for (const auto& [key, member] : members) {
      value.keys.push_back(key);
      if (member) value.values.push_back(*member);
    }
    if (value == old) return {};
    if (!column.is_mutable) {
      return invalid(fmt::format("Cannot mutate immutable column {} in table {}.", mutate.column, mutate.table));
    }
    if (Status status = check_constraints(insert, column); !status) return status;
    if (value.keys.size() < column.min || value.keys.size() > column.max) {
      return invalid(fmt::format("Attempted to store {} elements in column {} of table {}.", value.keys.size(),
                                 mutate.column, mutate.table));
    }
    store(*writable(mutate.table, mutate.uuid), mutate.column, std::move(value));
    return {};
  }

  Status execute(const RowDelete& erase) {
    if (schema_.tables.at(erase.table).is_root) rows_.tables[erase.table].erase(real(erase.uuid));
    return {};
  }

  // The checks at the end of a transaction, in the order of ovsdb_txn_precommit().
  Status settle() {
    if (Status status = count_references(); !status) return status;
    collect_garbage();
    for (const auto& [name, table] : schema_.tables) {
      const std::size_t count = rows_.table(name).size();
      if (count > table.max_rows) {
        return invalid(fmt::format(
            "transaction causes \"{}\" table to contain {} rows, greater than the schema-defined limit of "
            "{} row(s)",
            name, count, table.max_rows));
      }
    }
    if (Status status = drop_weak_references(); !status) return status;
    return check_indexes();
  }

  template <class Visit>
  void for_each_reference(const std::string& table, const Row& row, Visit visit) const {
    for (const auto& [name, column] : schema_.tables.at(table).columns) {
      const Datum& datum = row.column(name);
      const auto visit_all = [&, column_name = name](const BaseType& base, const std::vector<Atom>& atoms) {
        if (base.ref_table.empty() || !base.strong) return;
        for (const Atom& atom : atoms) {
          const Uuid& target = std::get<Uuid>(atom);
          if (target != row.uuid) visit(column_name, RowRef(base.ref_table, target));
        }
      };
      visit_all(column.key, datum.keys);
      if (column.value) visit_all(*column.value, datum.values);
    }
  }

  Status count_references() {
    Status status;
    for (const auto& [table, rows] : rows_.tables) {
      for (const auto& [uuid, row] : rows) {
        // By name: clang 14 does not capture structured bindings.
        for_each_reference(
            table, *row, [&, table = table, uuid = uuid](const std::string& column, const RowRef& target) {
              ++references_[target];
              if (status && rows_.row(target.first, target.second) == nullptr) {
                status =
                    invalid(fmt::format("Table {} column {} row {} references nonexistent row {} in table {}.", table,
                                        column, uuid.to_string(), target.second.to_string(), target.first));
              }
            });
      }
    }
    return status;
  }

  void collect_garbage() {
    std::vector<RowRef> unreferenced;
    for (const auto& [table, rows] : rows_.tables) {
      if (schema_.tables.at(table).is_root) continue;
      for (const auto& [uuid, row] : rows) {
        if (!references_.contains({table, uuid})) unreferenced.emplace_back(table, uuid);
      }
    }
    while (!unreferenced.empty()) {
      const RowRef doomed = std::move(unreferenced.back());
      unreferenced.pop_back();
      Table& rows = rows_.tables[doomed.first];
      const RowPtr row = rows.at(doomed.second);
      rows.erase(doomed.second);
      for_each_reference(doomed.first, *row, [&](const std::string&, const RowRef& target) {
        if (--references_.at(target) == 0 && !schema_.tables.at(target.first).is_root) unreferenced.push_back(target);
      });
    }
  }

  Status drop_weak_references() {
    for (const auto& [table_name, table] : schema_.tables) {
      for (const auto& [column_name, column] : table.columns) {
        if (column.key.ref_table.empty() || column.key.strong) continue;
        const Table& targets = rows_.table(column.key.ref_table);
        for (auto& [uuid, row] : rows_.tables[table_name]) {
          const Datum before = row->column(column_name);
          Datum after;
          for (std::size_t i = 0; i < before.keys.size(); ++i) {
            if (!targets.contains(std::get<Uuid>(before.keys[i]))) continue;
            after.keys.push_back(before.keys[i]);
            if (!before.values.empty()) after.values.push_back(before.values[i]);
          }
          if (after == before) continue;
          if (after.keys.size() < column.min) {
            return invalid(
                fmt::format("Weak reference column \"{}\" in \"{}\" row {} (inserted within this "
                            "transaction) would be left with too few members",
                            column_name, table_name, uuid.to_string()));
          }
          auto copy = std::make_shared<Row>(*row);
          store(*copy, column_name, std::move(after));
          row = std::move(copy);
        }
      }
    }
    return {};
  }

  Status check_indexes() const {
    for (const auto& [table_name, table] : schema_.tables) {
      for (const std::vector<std::string>& index : table.indexes) {
        std::set<std::vector<std::vector<Atom>>> taken;
        for (const auto& [uuid, row] : rows_.table(table_name)) {
          std::vector<std::vector<Atom>> key;
          for (const std::string& column : index) {
            Datum datum = row->column(column);
            key.push_back(std::move(datum.keys));
            key.push_back(std::move(datum.values));
          }
          if (taken.insert(std::move(key)).second) continue;
          std::string columns;
          std::string values;
          for (const std::string& column : index) {
            columns += (columns.empty() ? "" : ", ") + column;
            values += (values.empty() ? "" : ", ") + row->column(column).to_string();
          }
          return conflict(fmt::format("table {} already has a row with {} = {}", table_name, columns, values));
        }
      }
    }
    return {};
  }

  const DatabaseSchema& schema_;
  Snapshot rows_;
  const std::vector<Datum>& verified_;
  std::size_t next_verified_ = 0;
  std::map<Uuid, Uuid> names_;
  std::map<RowRef, std::size_t> references_;
};

}  // namespace

Result<ServerReply> carry_out(const DatabaseSchema& schema, const Snapshot& rows, const Transaction& transaction,
                              const std::vector<Datum>& verified) {
  return Execution(schema, rows, verified).run(transaction);
}

}  // namespace ml2::ovsdb
