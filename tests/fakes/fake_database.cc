#include "tests/fakes/fake_database.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "datapath/base/check.h"
#include "datapath/base/delta.h"
#include "datapath/base/poll_loop.h"
#include "tests/fakes/fake_database_server.h"

namespace ml2::ovsdb {

FakeDatabase::FakeDatabase(const std::string& schema_file, const MonitoredColumns& monitored,
                           const UnreadColumns& unread)
    : schema_(read_schema(schema_file)) {
  for (const auto& [name, table] : schema_.tables) server_.tables[name];
  if (monitored.empty()) {
    for (const auto& [name, table] : schema_.tables) {
      for (const auto& [column, type] : table.columns) monitored_[name].insert(column);
    }
  }
  for (const auto& [name, columns] : monitored) {
    ML2_CHECK(schema_.tables.contains(name), "the schema has every monitored table");
    for (const std::string& column : columns) {
      ML2_CHECK(schema_.tables.at(name).columns.contains(column), "the schema has every monitored column");
      monitored_[name].insert(column);
    }
  }
  for (const auto& [name, columns] : unread) {
    ML2_CHECK(monitored_.contains(name), "unread columns are of monitored tables");
    for (const std::string& column : columns) {
      ML2_CHECK(schema_.tables.at(name).columns.contains(column), "the schema has every unread column");
      monitored_[name].erase(column);
      unread_[name].insert(column);
    }
  }
  for (const auto& [name, columns] : monitored_) {
    names_[name] = std::make_shared<const std::vector<std::string>>(columns.begin(), columns.end());
  }
}

void FakeDatabase::run() {
  if (!connected_) {
    if (in_flight_) {
      in_flight_.reset();
      count_outcome({transient("the connection to the database was lost while a transaction was in flight"), {}});
    }
    return;
  }
  if (std::exchange(was_connected_, true) == false && synced_) ++reconnects_;
  if (in_flight_) {
    const InFlight request = *std::exchange(in_flight_, std::nullopt);
    if (next_error_) {
      const Error error = *std::exchange(next_error_, std::nullopt);
      count_outcome({tl::unexpected<Error>(error), {}});
    } else {
      Outcome outcome = apply(request);
      if (outcome.status) committed_.push_back(request.transaction);
      if (std::exchange(lose_reply_, false)) {
        outcome = {transient("the database did not answer in time; the transaction may have been carried out"), {}};
      }
      count_outcome(std::move(outcome));
    }
  }
  refresh();
}

void FakeDatabase::wait() {
  if (in_flight_ || outcome_ || (connected_ && (!synced_ || !was_connected_))) {
    ml2_poll_immediate();
    return;
  }
  if (!connected_) return;
  for (const auto& [name, columns] : monitored_) {
    const Table& theirs = server_.table(name);
    if (theirs.size() != snapshot_.table(name).size()) return ml2_poll_immediate();
    for (const auto& [uuid, row] : theirs) {
      const auto source = source_.find(uuid);
      if (source == source_.end() || source->second != row) return ml2_poll_immediate();
    }
  }
}

Status FakeDatabase::commit(const Transaction& transaction) {
  if (in_flight_) return transient("a transaction is in flight");
  if (!connected_ || !synced_) return transient("not connected to the database");
  Result<InFlight> request = check(transaction, snapshot_, false);
  if (!request) return forward_error(request);
  ++commits_;
  outcome_.reset();
  in_flight_ = *std::move(request);
  return {};
}

std::optional<Outcome> FakeDatabase::take_outcome() { return std::exchange(outcome_, std::nullopt); }

DatabaseStatus FakeDatabase::status() const {
  DatabaseStatus status;
  status.connected = connected_ && synced_ && was_connected_;
  status.remote = "fake:" + schema_.name;
  if (!status.connected) status.error = connected_ ? "connecting" : reason_;
  status.reconnects = reconnects_;
  status.commits = commits_;
  status.failures = failures_;
  return status;
}

void FakeDatabase::disconnect(std::string reason) {
  connected_ = false;
  was_connected_ = false;
  reason_ = std::move(reason);
}

void FakeDatabase::reconnect() { connected_ = true; }

void FakeDatabase::restart() {
  if (in_flight_) {
    in_flight_.reset();
    count_outcome({transient("the connection to the database was lost while a transaction was in flight"), {}});
  }
  for (auto& [name, table] : server_.tables) {
    for (auto& [uuid, row] : table) row = std::make_shared<Row>(*row);
  }
  snapshot_.tables.clear();  // so that refresh() has no old pointer to keep
  source_.clear();
  was_connected_ = false;
}

Outcome FakeDatabase::execute(const Transaction& transaction) {
  Result<InFlight> request = check(transaction, server_, true);
  if (!request) return {forward_error(request), {}};
  return apply(*request);
}

namespace {

// An edit of the test itself that the schema refuses is a bug of the test.
Outcome must(Outcome outcome) {
  if (!outcome.status) std::fprintf(stderr, "FakeDatabase: %s\n", outcome.status.error().message.c_str());
  ML2_CHECK(outcome.status.has_value(), "the schema allows what a test writes directly");
  return outcome;
}

}  // namespace

Uuid FakeDatabase::insert(const std::string& table, Columns columns, std::optional<Uuid> uuid) {
  const Uuid name = uuid.value_or(Uuid::random());
  must(execute({{RowInsert{table, name, std::move(columns), true}}, ""}));
  return name;
}

void FakeDatabase::update(const std::string& table, const Uuid& uuid, Columns columns) {
  must(execute({{RowUpdate{table, uuid, std::move(columns)}}, ""}));
}

void FakeDatabase::mutate(const std::string& table, const Uuid& uuid, const std::string& column, Datum insert,
                          Datum erase) {
  must(execute({{RowMutate{table, uuid, column, std::move(insert), std::move(erase)}}, ""}));
}

void FakeDatabase::remove(const std::string& table, const Uuid& uuid) {
  must(execute({{RowDelete{table, uuid}}, ""}));
}

Outcome FakeDatabase::apply(const InFlight& request) {
  Result<ServerReply> reply = carry_out(schema_, server_, request.transaction, request.verified);
  if (!reply) {
    return {forward_error(reply), {}, reply.error().kind == ErrorKind::Transient};  // a condition, see there
  }
  server_ = std::move(reply->rows);
  return {{}, std::move(reply->inserted)};
}

void FakeDatabase::count_outcome(Outcome outcome) {
  if (!outcome.status) ++failures_;
  outcome_ = std::move(outcome);
}

void FakeDatabase::refresh() {
  Snapshot next;
  std::map<Uuid, RowPtr> source;
  for (const auto& [name, columns] : monitored_) {
    const Table& shown = snapshot_.table(name);
    Table& table = next.tables[name];
    for (const auto& [uuid, theirs] : server_.table(name)) {
      source.emplace(uuid, theirs);
      const auto before = shown.find(uuid);
      const auto origin = source_.find(uuid);
      if (before != shown.end() && origin != source_.end() && origin->second == theirs) {
        table.emplace_hint(table.end(), uuid, before->second);
        continue;
      }
      auto row = std::make_shared<Row>();
      row->uuid = uuid;
      row->columns = RowColumns(names_.at(name));
      std::size_t number = 0;
      for (const std::string& column : columns) {
        if (const Value value = theirs->column(column); !value.empty()) row->columns.append(number, value);
        ++number;
      }
      const bool same = before != shown.end() && *before->second == *row;
      table.emplace_hint(table.end(), uuid, same ? before->second : RowPtr(std::move(row)));
    }
  }
  source_ = std::move(source);
  if (synced_ && next.tables == snapshot_.tables) return;
  ++sequence_;
  if (synced_) {
    for (const auto& [name, columns] : monitored_) {
      const Delta<Uuid, RowPtr> changes = delta(next.table(name), snapshot_.table(name));
      for (const auto* list : {&changes.add, &changes.change, &changes.remove}) {
        for (const auto& [uuid, row] : *list) log_.add(sequence_, {name, uuid});
      }
    }
  } else {
    log_.add_all(sequence_);
  }
  snapshot_ = std::move(next);
  synced_ = true;
}

const ColumnSchema* FakeDatabase::find_column(const std::string& table, const std::string& column,
                                              bool all_columns) const {
  if (!all_columns) {
    const auto has = [&](const auto& columns) {
      const auto of_table = columns.find(table);
      return of_table != columns.end() && of_table->second.contains(column);
    };
    if (!has(monitored_) && !has(unread_)) return nullptr;
  }
  const auto found = schema_.tables.find(table);
  if (found == schema_.tables.end()) return nullptr;
  const auto definition = found->second.columns.find(column);
  return definition == found->second.columns.end() ? nullptr : &definition->second;
}

Status FakeDatabase::must_be_read(const std::string& table, const std::string& column, bool all_columns) const {
  const auto unread = unread_.find(table);
  if (all_columns || unread == unread_.end() || !unread->second.contains(column)) return {};
  return invalid(fmt::format("column {} of table {} is not read here: it can be written whole only", column, table));
}

Status FakeDatabase::check_columns(const std::string& table, const Columns& columns, bool all_columns) const {
  for (const auto& [name, datum] : columns) {
    const ColumnSchema* column = find_column(table, name, all_columns);
    if (column == nullptr) return invalid(fmt::format("table {} has no monitored column {}", table, name));
    if (!has_type(datum, *column) || datum.keys.size() < column->min || datum.keys.size() > column->max) {
      return invalid(fmt::format("{} does not fit column {} of table {}", datum.to_string(), name, table));
    }
  }
  return {};
}

Result<FakeDatabase::InFlight> FakeDatabase::check(const Transaction& transaction, const Snapshot& seen,
                                                   bool all_columns) const {
  InFlight request{transaction, {}};
  std::set<std::pair<std::string, Uuid>> inserted;
  const auto row_of = [&](const auto& op) -> Status {
    if (!schema_.tables.contains(op.table) || (!all_columns && !monitored_.contains(op.table))) {
      return invalid(fmt::format("there is no monitored table {}", op.table));
    }
    if (inserted.contains({op.table, op.uuid}) || seen.row(op.table, op.uuid) != nullptr) return {};
    return invalid(fmt::format("table {} has no row {}", op.table, op.uuid.to_string()));
  };
  for (const Operation& operation : transaction.operations) {
    Status status;
    if (const auto* insert = std::get_if<RowInsert>(&operation)) {
      if (!schema_.tables.contains(insert->table) || (!all_columns && !monitored_.contains(insert->table))) {
        status = invalid(fmt::format("there is no monitored table {}", insert->table));
      } else if (!inserted.emplace(insert->table, insert->uuid).second) {
        status = invalid(fmt::format("row {} is inserted twice", insert->uuid.to_string()));
      } else if (!insert->persist_uuid && seen.row(insert->table, insert->uuid) != nullptr) {
        status = invalid(fmt::format("row {} is there: its UUID cannot name a new one", insert->uuid.to_string()));
      } else {
        status = check_columns(insert->table, insert->columns, all_columns);
      }
    } else if (const auto* update = std::get_if<RowUpdate>(&operation)) {
      status = row_of(*update);
      if (status) status = check_columns(update->table, update->columns, all_columns);
    } else if (const auto* mutate = std::get_if<RowMutate>(&operation)) {
      status = row_of(*mutate);
      const ColumnSchema* column = find_column(mutate->table, mutate->column, all_columns);
      Datum erase = mutate->erase;
      erase.values.clear();
      if (status && column == nullptr) {
        status = invalid(fmt::format("table {} has no monitored column {}", mutate->table, mutate->column));
      } else if (status) {
        status = must_be_read(mutate->table, mutate->column, all_columns);
      }
      if (status) {
        ColumnSchema keys = *column;
        keys.value.reset();
        if (column->is_scalar() || !has_type(mutate->insert, *column) || !has_type(erase, keys)) {
          status = invalid(fmt::format("column {} of table {} cannot be mutated with +{} -{}", mutate->column,
                                       mutate->table, mutate->insert.to_string(), erase.to_string()));
        }
      }
    } else if (const auto* erase = std::get_if<RowDelete>(&operation)) {
      status = row_of(*erase);
    } else if (const auto* verify = std::get_if<RowVerify>(&operation)) {
      // Of what this transaction inserts nothing was read.
      const bool is_new = inserted.contains({verify->table, verify->uuid});
      status = is_new ? Status(invalid("a row that is inserted here cannot be verified")) : row_of(*verify);
      if (status && find_column(verify->table, verify->column, all_columns) == nullptr) {
        status = invalid(fmt::format("table {} has no monitored column {}", verify->table, verify->column));
      }
      if (status) status = must_be_read(verify->table, verify->column, all_columns);
      const Row* row = seen.row(verify->table, verify->uuid);
      request.verified.push_back(row == nullptr ? Datum() : row->column(verify->column).datum());
    } else if (const auto* below = std::get_if<RowBelow>(&operation)) {
      status = row_of(*below);
      const ColumnSchema* column = find_column(below->table, below->column, all_columns);
      if (status && column == nullptr) {
        status = invalid(fmt::format("table {} has no monitored column {}", below->table, below->column));
      } else if (status && !(column->is_scalar() && has_type(Datum::of(Atom(below->limit)), *column))) {
        status = invalid(
            fmt::format("column {} of table {} is no integer that can be compared", below->column, below->table));
      }
    }
    if (!status) return forward_error(status);
  }
  return request;
}

}  // namespace ml2::ovsdb
