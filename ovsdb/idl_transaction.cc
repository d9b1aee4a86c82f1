#include "ovsdb/idl_transaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "datapath/base/text.h"

namespace ml2::ovsdb {
namespace {

// A Datum as the shim takes it; points into the Datum.
class ShimAtoms {
 public:
  explicit ShimAtoms(const Datum& datum) {
    for (const Atom& atom : datum.keys) keys_.push_back(convert(atom));
    for (const Atom& atom : datum.values) values_.push_back(convert(atom));
    even_ = values_.empty() || values_.size() == keys_.size();
    view_ = {keys_.size(), keys_.data(), values_.empty() ? nullptr : values_.data()};
  }
  ShimAtoms(const ShimAtoms&) = delete;
  ShimAtoms& operator=(const ShimAtoms&) = delete;

  [[nodiscard]] const ml2_atoms* get() const { return &view_; }
  // Representable: as many values as keys, and no text with a NUL, which C would cut short.
  [[nodiscard]] bool good() const { return even_ && !nul_; }

 private:
  ml2_atom convert(const Atom& atom) {
    ml2_atom out{};
    if (const auto* integer = std::get_if<std::int64_t>(&atom)) {
      out.type = ML2_ATOM_INTEGER;
      out.integer = *integer;
    } else if (const auto* real = std::get_if<double>(&atom)) {
      out.type = ML2_ATOM_REAL;
      out.real = *real;
    } else if (const auto* boolean = std::get_if<bool>(&atom)) {
      out.type = ML2_ATOM_BOOLEAN;
      out.boolean = *boolean;
    } else if (const auto* string = std::get_if<std::string>(&atom)) {
      out.type = ML2_ATOM_STRING;
      out.string = string->c_str();
      nul_ |= string->find('\0') != std::string::npos;
    } else {
      out.type = ML2_ATOM_UUID;
      const auto& bytes = std::get<Uuid>(atom).bytes();
      std::copy(bytes.begin(), bytes.end(), out.uuid);
    }
    return out;
  }

  std::vector<ml2_atom> keys_;
  std::vector<ml2_atom> values_;
  ml2_atoms view_{};
  bool even_ = true;
  bool nul_ = false;
};

class Builder {
 public:
  Builder(ml2_idl* idl, const IdlColumns& columns, ml2_idl_txn* txn) : idl_(idl), columns_(columns), txn_(txn) {}

  Status operator()(const RowInsert& insert) {
    const auto table = columns_.table(insert.table);
    if (!table) return no_table(insert.table);
    if (!inserted_.insert(insert.uuid).second) {
      return invalid(fmt::format("row {} of table {} is inserted twice", insert.uuid.to_string(), insert.table));
    }
    if (ml2_idl_find(idl_, *table, insert.uuid.bytes().data()) != nullptr) {
      if (!insert.persist_uuid) {
        return invalid(fmt::format("row {} is there: its UUID cannot name a new one", insert.uuid.to_string()));
      }
      return conflict(fmt::format("table {} already has a row {}", insert.table, insert.uuid.to_string()));
    }
    return write(ml2_idl_txn_insert(txn_, *table, insert.uuid.bytes().data(), insert.persist_uuid), *table,
                 insert.columns);
  }

  Status operator()(const RowUpdate& update) {
    const auto found = find(update);
    if (!found) return forward_error(found);
    return write(found->row, found->table, update.columns);
  }

  Status operator()(const RowMutate& mutate) {
    const auto found = find(mutate);
    if (!found) return forward_error(found);
    const auto column = columns_.column(found->table, mutate.column);
    if (!column) return no_column(mutate.table, mutate.column);
    const ShimAtoms insert(mutate.insert);
    const ShimAtoms erase(mutate.erase);
    if (!insert.good() || !erase.good() || !ml2_idl_fits_mutation(idl_, found->table, *column, insert.get(), false) ||
        !ml2_idl_fits_mutation(idl_, found->table, *column, erase.get(), true)) {
      return invalid(fmt::format("column {} of table {} cannot be mutated with +{} -{}", mutate.column, mutate.table,
                                 text::printable(mutate.insert.to_string()),
                                 text::printable(mutate.erase.to_string())));
    }
    ml2_idl_txn_take(found->row, *column, erase.get());
    ml2_idl_txn_add(found->row, *column, insert.get());
    return {};
  }

  Status operator()(const RowDelete& erase) {
    const auto found = find(erase);
    if (!found) return forward_error(found);
    ml2_idl_txn_delete(found->row);
    return {};
  }

  Status operator()(const RowVerify& verify) {
    const auto found = find(verify);
    if (!found) return forward_error(found);
    const auto column = columns_.column(found->table, verify.column);
    if (!column) return no_column(verify.table, verify.column);
    ml2_idl_txn_verify(found->row, *column);
    return {};
  }

 private:
  struct Found {
    std::size_t table;
    const ovsdb_idl_row* row;
  };

  static tl::unexpected<Error> no_table(const std::string& table) {
    return invalid(fmt::format("there is no monitored table {}", table));
  }
  static tl::unexpected<Error> no_column(const std::string& table, const std::string& column) {
    return invalid(fmt::format("table {} has no monitored column {}", table, column));
  }

  template <class Op>
  [[nodiscard]] Result<Found> find(const Op& operation) const {
    const auto table = columns_.table(operation.table);
    if (!table) return no_table(operation.table);
    const ovsdb_idl_row* row = ml2_idl_find(idl_, *table, operation.uuid.bytes().data());
    if (row == nullptr) {
      return invalid(fmt::format("table {} has no row {}", operation.table, operation.uuid.to_string()));
    }
    return Found{*table, row};
  }

  // What a column holds that nobody has written (RFC 7047 section 5.2.1).
  static bool is_default(const Datum& datum) {
    return datum.empty() || datum == Datum::of(Atom(std::int64_t{0})) || datum == Datum::of(Atom(false)) ||
           datum == Datum::of("");
  }

  Status write(const ovsdb_idl_row* row, std::size_t table, const Columns& columns) const {
    const std::string& name = columns_.tables()[table].name;
    for (const auto& [column_name, datum] : columns) {
      const auto column = columns_.column(table, column_name);
      if (!column) return no_column(name, column_name);
      if (!ml2_idl_server_has(idl_, table, *column)) {
        if (is_default(datum)) continue;
        return invalid(
            fmt::format("the database on the server is older than this program: its table {} has no column "
                        "{}; run ml2-db upgrade",
                        name, column_name));
      }
      const ShimAtoms atoms(datum);
      if (!atoms.good() || !ml2_idl_fits(idl_, table, *column, atoms.get())) {
        return invalid(fmt::format("{} does not fit column {} of table {}", text::printable(datum.to_string()),
                                   column_name, name));
      }
      ml2_idl_txn_write(row, *column, atoms.get());
    }
    return {};
  }

  ml2_idl* idl_;
  const IdlColumns& columns_;
  ml2_idl_txn* txn_;
  std::set<Uuid> inserted_;
};

}  // namespace

Result<IdlTxn> build_transaction(ml2_idl* idl, const IdlColumns& columns, const Transaction& transaction) {
  IdlTxn txn(ml2_idl_txn_begin(idl, transaction.comment.c_str()));
  Builder builder(idl, columns, txn.get());
  // A verify is about what was read: it comes before what the same transaction writes.
  for (const bool verifies : {true, false}) {
    for (const Operation& operation : transaction.operations) {
      const auto* verify = std::get_if<RowVerify>(&operation);
      if ((verify != nullptr) != verifies) continue;
      if (Status status = std::visit(builder, operation); !status) return forward_error(status);
    }
  }
  return txn;
}

}  // namespace ml2::ovsdb
