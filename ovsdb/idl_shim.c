#include "ovsdb/idl_shim.h"

#include <config.h>
#include <ovsdb/ml2-idl.h>  // generated: ovsdb/CMakeLists.txt
#include <stdlib.h>
#include <string.h>

#include "lib/ovsdb-data.h"
#include "lib/ovsdb-idl-provider.h"
#include "lib/ovsdb-idl.h"
#include "lib/stream-ssl.h"
#include "lib/stream.h"
#include "lib/util.h"
#include "lib/vswitch-idl.h"
#include "openvswitch/json.h"

struct ml2_idl {
  struct ovsdb_idl* idl;
  struct ovsdb_idl_class class;
  struct ovsdb_idl_table_class* tables;
};

struct ml2_idl_txn {
  struct ovsdb_idl_txn* txn;
  struct ml2_idl* idl;
};

// --- The class, cut down -------------------------------------------------------------------------------------------

static void parse_nothing(struct ovsdb_idl_row* row, const struct ovsdb_datum* datum) {
  (void)row;
  (void)datum;
}
static void unparse_nothing(struct ovsdb_idl_row* row) { (void)row; }

static const struct ovsdb_idl_class* find_class(const char* database) {
  const struct ovsdb_idl_class* const known[] = {&ovsrec_idl_class, &ml2rec_idl_class};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (!strcmp(known[i]->database, database)) return known[i];
  }
  return NULL;
}

static const struct ovsdb_idl_table_class* find_table(const struct ovsdb_idl_class* class, const char* name) {
  for (size_t i = 0; i < class->n_tables; i++) {
    if (!strcmp(class->tables[i].name, name)) return &class->tables[i];
  }
  return NULL;
}

static const struct ovsdb_idl_column* find_column(const struct ovsdb_idl_table_class* table, const char* name) {
  for (size_t i = 0; i < table->n_columns; i++) {
    if (!strcmp(table->columns[i].name, name)) return &table->columns[i];
  }
  return NULL;
}

static void free_class(struct ml2_idl* idl) {
  for (size_t i = 0; i < idl->class.n_tables; i++) free((void*)(uintptr_t)idl->tables[i].columns);
  free(idl->tables);
  free(idl);
}

struct ml2_idl* ml2_idl_create(const char* database, const struct ml2_idl_choice* choices, size_t n,
                               const char** unknown) {
  const struct ovsdb_idl_class* full = find_class(database);
  if (!full) {
    *unknown = database;
    return NULL;
  }
  struct ml2_idl* idl = xzalloc(sizeof *idl);
  idl->tables = xcalloc(n ? n : 1, sizeof *idl->tables);
  idl->class.database = full->database;
  idl->class.tables = idl->tables;
  for (size_t i = 0; i < n; i++) {
    const struct ovsdb_idl_table_class* table = find_table(full, choices[i].table);
    if (!table) {
      *unknown = choices[i].table;
      free_class(idl);
      return NULL;
    }
    struct ovsdb_idl_column* columns = xcalloc(choices[i].n_columns ? choices[i].n_columns : 1, sizeof *columns);
    idl->tables[i] = *table;
    idl->tables[i].columns = columns;
    idl->tables[i].n_columns = choices[i].n_columns;
    idl->tables[i].allocation_size = sizeof(struct ovsdb_idl_row);
    idl->tables[i].row_init = unparse_nothing;
    idl->class.n_tables = i + 1;
    for (size_t j = 0; j < choices[i].n_columns; j++) {
      const struct ovsdb_idl_column* column = find_column(table, choices[i].columns[j]);
      if (!column) {
        *unknown = choices[i].columns[j];
        free_class(idl);
        return NULL;
      }
      columns[j] = *column;
      columns[j].parse = parse_nothing;
      columns[j].unparse = unparse_nothing;
      // Nor need the IDL know where references point: it would read the UUIDs of the tables that are left out.
      if (columns[j].type.key.type == OVSDB_TYPE_UUID) columns[j].type.key.uuid.refTableName = NULL;
      if (columns[j].type.value.type == OVSDB_TYPE_UUID) columns[j].type.value.uuid.refTableName = NULL;
    }
  }
  idl->idl = ovsdb_idl_create_unconnected(&idl->class, false);
  for (size_t i = 0; i < n; i++) {
    ovsdb_idl_add_table(idl->idl, &idl->tables[i]);
    for (size_t j = 0; j < idl->tables[i].n_columns; j++) {
      ovsdb_idl_track_add_column(idl->idl, &idl->tables[i].columns[j]);
      // A write of the value that is there is left out, so that whole rows can be written: immutable columns too.
      ovsdb_idl_set_write_changed_only(idl->idl, &idl->tables[i].columns[j], true);
    }
  }
  return idl;
}

void ml2_idl_destroy(struct ml2_idl* idl) {
  if (!idl) return;
  ovsdb_idl_destroy(idl->idl);
  free_class(idl);
}

void ml2_idl_connect(struct ml2_idl* idl, const char* remotes, bool leader_only, int probe_msec) {
  ovsdb_idl_set_leader_only(idl->idl, leader_only);
  ovsdb_idl_set_remote(idl->idl, remotes, true);
  ovsdb_idl_set_probe_interval(idl->idl, probe_msec);
}

// --- The connection ------------------------------------------------------------------------------------------------

void ml2_idl_run(struct ml2_idl* idl) { ovsdb_idl_run(idl->idl); }
void ml2_idl_wait(struct ml2_idl* idl) { ovsdb_idl_wait(idl->idl); }

bool ml2_idl_is_following(struct ml2_idl* idl) {
  if (!ovsdb_idl_is_connected(idl->idl)) return false;
  // The IDL does not show its state, but an empty transaction is "try again" in every state but the one in question.
  struct ovsdb_idl_txn* txn = ovsdb_idl_txn_create(idl->idl);
  const enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(txn);
  ovsdb_idl_txn_destroy(txn);
  return status == TXN_UNCHANGED;
}

unsigned int ml2_idl_seqno(const struct ml2_idl* idl) { return ovsdb_idl_get_seqno(idl->idl); }

const char* ml2_idl_last_error(const struct ml2_idl* idl) {
  const int error = ovsdb_idl_get_last_error(idl->idl);
  return error ? ovs_retval_to_string(error) : NULL;
}

bool ml2_idl_server_has(const struct ml2_idl* idl, size_t table, size_t column) {
  return ovsdb_idl_server_has_table(idl->idl, &idl->tables[table]) &&
         ovsdb_idl_server_has_column(idl->idl, &idl->tables[table].columns[column]);
}

// --- Rows ----------------------------------------------------------------------------------------------------------

// struct uuid has four numbers in host order; its text, and ours, is big endian.
static void from_ovs_uuid(const struct uuid* from, uint8_t to[16]) {
  for (size_t i = 0; i < 16; i++) to[i] = (uint8_t)(from->parts[i / 4] >> (24 - 8 * (i % 4)));
}

static struct uuid to_ovs_uuid(const uint8_t from[16]) {
  struct uuid to = {.parts = {0, 0, 0, 0}};
  for (size_t i = 0; i < 16; i++) to.parts[i / 4] |= (uint32_t)from[i] << (24 - 8 * (i % 4));
  return to;
}

const struct ovsdb_idl_row* ml2_idl_first(const struct ml2_idl* idl, size_t table) {
  return ovsdb_idl_first_row(idl->idl, &idl->tables[table]);
}

size_t ml2_idl_count(const struct ml2_idl* idl, size_t table) {
  // No row of ours is an orphan, as no column refers to a table, and none is deleted but within a transaction.
  const struct ovsdb_idl_row* first = ml2_idl_first(idl, table);
  return first ? hmap_count(&first->table->rows) : 0;
}

const struct ovsdb_idl_row* ml2_idl_next(const struct ovsdb_idl_row* row) { return ovsdb_idl_next_row(row); }

const struct ovsdb_idl_row* ml2_idl_find(const struct ml2_idl* idl, size_t table, const uint8_t uuid[16]) {
  const struct uuid wanted = to_ovs_uuid(uuid);
  const struct ovsdb_idl_row* row = ovsdb_idl_get_row_for_uuid(idl->idl, &idl->tables[table], &wanted);
  return row && row->new_datum ? row : NULL;  // without: an orphan, or deleted by the open transaction
}

void ml2_idl_row_uuid(const struct ovsdb_idl_row* row, uint8_t uuid[16]) { from_ovs_uuid(&row->uuid, uuid); }

const struct ovsdb_idl_row* ml2_idl_tracked_first(const struct ml2_idl* idl, size_t table) {
  return ovsdb_idl_track_get_first(idl->idl, &idl->tables[table]);
}

const struct ovsdb_idl_row* ml2_idl_tracked_next(const struct ovsdb_idl_row* row) {
  return ovsdb_idl_track_get_next(row);
}

void ml2_idl_track_clear(struct ml2_idl* idl) { ovsdb_idl_track_clear(idl->idl); }

static const struct ovsdb_idl_column* column_of(const struct ovsdb_idl_row* row, size_t column) {
  return &row->table->class_->columns[column];
}

size_t ml2_idl_datum_size(const struct ovsdb_idl_row* row, size_t column, bool* is_map) {
  const struct ovsdb_idl_column* c = column_of(row, column);
  *is_map = ovsdb_type_is_map(&c->type);
  return ovsdb_idl_read(row, c)->n;
}

static struct ml2_atom read_atom(const union ovsdb_atom* from, enum ovsdb_atomic_type type) {
  struct ml2_atom to = {.type = ML2_ATOM_INTEGER};
  switch (type) {
    case OVSDB_TYPE_INTEGER: to.integer = from->integer; break;
    case OVSDB_TYPE_REAL:
      to.type = ML2_ATOM_REAL;
      to.real = from->real;
      break;
    case OVSDB_TYPE_BOOLEAN:
      to.type = ML2_ATOM_BOOLEAN;
      to.boolean = from->boolean;
      break;
    case OVSDB_TYPE_STRING:
      to.type = ML2_ATOM_STRING;
      to.string = json_string(from->s);
      break;
    case OVSDB_TYPE_UUID:
      to.type = ML2_ATOM_UUID;
      from_ovs_uuid(&from->uuid, to.uuid);
      break;
    case OVSDB_TYPE_VOID:
    case OVSDB_N_TYPES: OVS_NOT_REACHED();
  }
  return to;
}

struct ml2_atom ml2_idl_key(const struct ovsdb_idl_row* row, size_t column, size_t i) {
  const struct ovsdb_idl_column* c = column_of(row, column);
  return read_atom(&ovsdb_idl_read(row, c)->keys[i], c->type.key.type);
}

struct ml2_atom ml2_idl_value(const struct ovsdb_idl_row* row, size_t column, size_t i) {
  const struct ovsdb_idl_column* c = column_of(row, column);
  return read_atom(&ovsdb_idl_read(row, c)->values[i], c->type.value.type);
}

// --- Values to write -----------------------------------------------------------------------------------------------

static bool has_type(const struct ml2_atom* atoms, size_t n, enum ovsdb_atomic_type type) {
  static const enum ovsdb_atomic_type kTypes[] = {
      [ML2_ATOM_INTEGER] = OVSDB_TYPE_INTEGER, [ML2_ATOM_REAL] = OVSDB_TYPE_REAL,
      [ML2_ATOM_BOOLEAN] = OVSDB_TYPE_BOOLEAN, [ML2_ATOM_STRING] = OVSDB_TYPE_STRING,
      [ML2_ATOM_UUID] = OVSDB_TYPE_UUID,
  };
  for (size_t i = 0; i < n; i++) {
    if (kTypes[atoms[i].type] != type) return false;
  }
  return true;
}

static bool fits(const struct ovsdb_type* type, const struct ml2_atoms* atoms) {
  if (!has_type(atoms->keys, atoms->n, type->key.type)) return false;
  if (atoms->n == 0) return true;
  if (!ovsdb_type_is_map(type)) return !atoms->values;
  return atoms->values && has_type(atoms->values, atoms->n, type->value.type);
}

bool ml2_idl_fits(const struct ml2_idl* idl, size_t table, size_t column, const struct ml2_atoms* atoms) {
  const struct ovsdb_type* type = &idl->tables[table].columns[column].type;
  return atoms->n >= type->n_min && atoms->n <= type->n_max && fits(type, atoms);
}

bool ml2_idl_fits_mutation(const struct ml2_idl* idl, size_t table, size_t column, const struct ml2_atoms* atoms,
                           bool erase) {
  const struct ovsdb_type* type = &idl->tables[table].columns[column].type;
  if (ovsdb_type_is_scalar(type)) return false;
  return erase ? has_type(atoms->keys, atoms->n, type->key.type) : fits(type, atoms);
}

static union ovsdb_atom make_atom(const struct ml2_atom* from) {
  union ovsdb_atom to = {.integer = 0};
  switch (from->type) {
    case ML2_ATOM_INTEGER: to.integer = from->integer; break;
    case ML2_ATOM_REAL: to.real = from->real; break;
    case ML2_ATOM_BOOLEAN: to.boolean = from->boolean; break;
    case ML2_ATOM_STRING: to.s = ovsdb_atom_string_create(from->string); break;
    case ML2_ATOM_UUID: to.uuid = to_ovs_uuid(from->uuid); break;
  }
  return to;
}

// `values` may be NULL; the datum owns what it points to.
static void make_datum(struct ovsdb_datum* datum, const struct ml2_atom* keys, const struct ml2_atom* values,
                       size_t n) {
  ovsdb_datum_init_empty(datum);
  if (n == 0) return;
  datum->n = (unsigned int)n;
  datum->keys = xmalloc(n * sizeof *datum->keys);
  datum->values = values ? xmalloc(n * sizeof *datum->values) : NULL;
  for (size_t i = 0; i < n; i++) {
    datum->keys[i] = make_atom(&keys[i]);
    if (values) datum->values[i] = make_atom(&values[i]);
  }
}

// --- Transactions --------------------------------------------------------------------------------------------------

struct ml2_idl_txn* ml2_idl_txn_begin(struct ml2_idl* idl, const char* comment) {
  struct ml2_idl_txn* txn = xmalloc(sizeof *txn);
  txn->idl = idl;
  txn->txn = ovsdb_idl_txn_create(idl->idl);
  if (comment[0]) ovsdb_idl_txn_add_comment(txn->txn, "%s", comment);
  return txn;
}

void ml2_idl_txn_destroy(struct ml2_idl_txn* txn) {
  if (!txn) return;
  ovsdb_idl_txn_destroy(txn->txn);
  free(txn);
}

const struct ovsdb_idl_row* ml2_idl_txn_insert(struct ml2_idl_txn* txn, size_t table, const uint8_t uuid[16],
                                               bool persist) {
  const struct uuid name = to_ovs_uuid(uuid);
  const struct ovsdb_idl_table_class* class = &txn->idl->tables[table];
  return persist ? ovsdb_idl_txn_insert_persist_uuid(txn->txn, class, &name)
                 : ovsdb_idl_txn_insert(txn->txn, class, &name);
}

void ml2_idl_txn_write(const struct ovsdb_idl_row* row, size_t column, const struct ml2_atoms* atoms) {
  struct ovsdb_datum datum;
  make_datum(&datum, atoms->keys, atoms->values, atoms->n);
  ovsdb_idl_txn_write(row, column_of(row, column), &datum);
}

void ml2_idl_txn_add(const struct ovsdb_idl_row* row, size_t column, const struct ml2_atoms* atoms) {
  const struct ovsdb_idl_column* c = column_of(row, column);
  for (size_t i = 0; i < atoms->n; i++) {
    struct ovsdb_datum* datum = xmalloc(sizeof *datum);  // theirs from here on
    make_datum(datum, &atoms->keys[i], atoms->values ? &atoms->values[i] : NULL, 1);
    if (ovsdb_type_is_map(&c->type)) {
      ovsdb_idl_txn_write_partial_map(row, c, datum);
    } else {
      ovsdb_idl_txn_write_partial_set(row, c, datum);
    }
  }
}

void ml2_idl_txn_take(const struct ovsdb_idl_row* row, size_t column, const struct ml2_atoms* atoms) {
  const struct ovsdb_idl_column* c = column_of(row, column);
  for (size_t i = 0; i < atoms->n; i++) {
    struct ovsdb_datum* datum = xmalloc(sizeof *datum);
    make_datum(datum, &atoms->keys[i], NULL, 1);
    if (!ovsdb_datum_find_key(ovsdb_idl_read(row, c), &datum->keys[0], c->type.key.type, NULL)) {
      // Not there: the IDL would leave it out as well, with a warning in the log.
      ovsdb_atom_destroy(&datum->keys[0], c->type.key.type);
      free(datum->keys);
      free(datum);
    } else if (ovsdb_type_is_map(&c->type)) {
      ovsdb_idl_txn_delete_partial_map(row, c, datum);
    } else {
      ovsdb_idl_txn_delete_partial_set(row, c, datum);
    }
  }
}

void ml2_idl_txn_verify(const struct ovsdb_idl_row* row, size_t column) {
  ovsdb_idl_txn_verify(row, column_of(row, column));
}

void ml2_idl_txn_delete(const struct ovsdb_idl_row* row) { ovsdb_idl_txn_delete(row); }

enum ml2_txn_state ml2_idl_txn_commit(struct ml2_idl_txn* txn) {
  switch (ovsdb_idl_txn_commit(txn->txn)) {
    case TXN_UNCHANGED: return ML2_TXN_UNCHANGED;
    case TXN_INCOMPLETE: return ML2_TXN_INCOMPLETE;
    case TXN_SUCCESS: return ML2_TXN_SUCCESS;
    case TXN_ERROR: return ML2_TXN_ERROR;
    case TXN_UNCOMMITTED:
    case TXN_ABORTED:
    case TXN_TRY_AGAIN:
    case TXN_NOT_LOCKED: break;
  }
  return ML2_TXN_TRY_AGAIN;
}

const char* ml2_idl_txn_error(const struct ml2_idl_txn* txn) { return ovsdb_idl_txn_get_error(txn->txn); }

bool ml2_idl_txn_inserted(const struct ml2_idl_txn* txn, const uint8_t uuid[16], uint8_t real[16]) {
  const struct uuid name = to_ovs_uuid(uuid);
  const struct uuid* server = ovsdb_idl_txn_get_insert_uuid(txn->txn, &name);
  if (!server) return false;
  from_ovs_uuid(server, real);
  return true;
}

// --- TLS -----------------------------------------------------------------------------------------------------------

bool ml2_idl_use_tls(const char* private_key, const char* certificate, const char* ca_certificate) {
  static char* used[3];  // beside the SSL_CTX that stream-ssl.c keeps for the process
  const char* const wanted[3] = {private_key, certificate, ca_certificate};
  for (size_t i = 0; i < 3; i++) {
    if (used[i] && strcmp(used[i], wanted[i])) return false;
  }
  for (size_t i = 0; i < 3; i++) {
    if (!used[i]) used[i] = xstrdup(wanted[i]);
  }
  stream_ssl_set_key_and_cert(private_key, certificate);
  stream_ssl_set_ca_cert_file(ca_certificate, false);
  return true;
}
