// idl_shim: libopenvswitch's OVSDB IDL as plain C, by table and column number.
//
// Where in the walk: under IdlDatabase, the only caller; its headers do not compile as C++.
// Threading: as the IDL: one thread, the poll loop's.
// Failure: functions that can fail say so by false or NULL; what would trip an assertion of the IDL (a foreign type, a
//   row that is not there) must be asked about first: ml2_idl_fits(), ml2_idl_find().
// What it does not do: no typed rows: a class is cut down to the chosen tables and columns, whose generated parse
//   functions are left out. That keeps a row to its values and spares following every reference on each change.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ml2_idl;
struct ml2_idl_txn;
struct ovsdb_idl_row;

enum ml2_atom_type {
  ML2_ATOM_INTEGER,
  ML2_ATOM_REAL,
  ML2_ATOM_BOOLEAN,
  ML2_ATOM_STRING,
  ML2_ATOM_UUID,
};

struct ml2_atom {
  enum ml2_atom_type type;
  int64_t integer;
  double real;
  bool boolean;
  const char* string;  // of a read atom: valid until the next ml2_idl_run()
  uint8_t uuid[16];    // in the order of its text
};

struct ml2_atoms {
  size_t n;
  const struct ml2_atom* keys;
  const struct ml2_atom* values;  // of a map: n of them; else NULL
};

// One monitored table; tables and columns are numbered in the order given.
struct ml2_idl_choice {
  const char* table;
  const char* const* columns;
  size_t n_columns;
};

// NULL when `database` (Open_vSwitch, ML2), a table or a column is unknown; then *unknown names it.
struct ml2_idl* ml2_idl_create(const char* database, const struct ml2_idl_choice* choices, size_t n,
                               const char** unknown);
void ml2_idl_destroy(struct ml2_idl* idl);
// `probe_msec`: after this long without a word from the server, ask whether it is alive; 0: never.
void ml2_idl_connect(struct ml2_idl* idl, const char* remotes, bool leader_only, int probe_msec);

void ml2_idl_run(struct ml2_idl* idl);
void ml2_idl_wait(struct ml2_idl* idl);
// The replica follows the server: everything monitored has been read on the present connection.
bool ml2_idl_is_following(struct ml2_idl* idl);
// Grows with every change of the replica.
unsigned int ml2_idl_seqno(const struct ml2_idl* idl);
// The last error of a connection in words; NULL: none yet.
const char* ml2_idl_last_error(const struct ml2_idl* idl);
// Whether the server's schema has that column (after the first read).
bool ml2_idl_server_has(const struct ml2_idl* idl, size_t table, size_t column);

// Rows of the replica (and those inserted by an open transaction).
const struct ovsdb_idl_row* ml2_idl_first(const struct ml2_idl* idl, size_t table);
// How many rows a table has; cheap.
size_t ml2_idl_count(const struct ml2_idl* idl, size_t table);
const struct ovsdb_idl_row* ml2_idl_next(const struct ovsdb_idl_row* row);
const struct ovsdb_idl_row* ml2_idl_find(const struct ml2_idl* idl, size_t table, const uint8_t uuid[16]);
void ml2_idl_row_uuid(const struct ovsdb_idl_row* row, uint8_t uuid[16]);
// Rows changed since ml2_idl_track_clear(), deleted ones too; a reload from nothing forgets what it deleted.
const struct ovsdb_idl_row* ml2_idl_tracked_first(const struct ml2_idl* idl, size_t table);
const struct ovsdb_idl_row* ml2_idl_tracked_next(const struct ovsdb_idl_row* row);
void ml2_idl_track_clear(struct ml2_idl* idl);

// Number of keys of the value; *is_map says whether it has values too.
size_t ml2_idl_datum_size(const struct ovsdb_idl_row* row, size_t column, bool* is_map);
struct ml2_atom ml2_idl_key(const struct ovsdb_idl_row* row, size_t column, size_t i);
struct ml2_atom ml2_idl_value(const struct ovsdb_idl_row* row, size_t column, size_t i);

// Whether a column can hold these atoms: types and number.
bool ml2_idl_fits(const struct ml2_idl* idl, size_t table, size_t column, const struct ml2_atoms* atoms);
// The same for adding to or (`erase`) taking from a set or map, where the number does not count.
bool ml2_idl_fits_mutation(const struct ml2_idl* idl, size_t table, size_t column, const struct ml2_atoms* atoms,
                           bool erase);

enum ml2_txn_state {
  ML2_TXN_UNCHANGED,   // nothing to do, nothing sent
  ML2_TXN_INCOMPLETE,  // sent
  ML2_TXN_SUCCESS,
  ML2_TXN_TRY_AGAIN,  // a verify failed, the connection was lost, or nothing could be sent
  ML2_TXN_ERROR,      // see ml2_idl_txn_error()
};

// One at a time; no ml2_idl_run() between begin and the first commit.
struct ml2_idl_txn* ml2_idl_txn_begin(struct ml2_idl* idl, const char* comment);
void ml2_idl_txn_destroy(struct ml2_idl_txn* txn);
// The caller makes sure that no row of the table or of this transaction has that UUID.
const struct ovsdb_idl_row* ml2_idl_txn_insert(struct ml2_idl_txn* txn, size_t table, const uint8_t uuid[16],
                                               bool persist);
void ml2_idl_txn_write(const struct ovsdb_idl_row* row, size_t column, const struct ml2_atoms* atoms);
void ml2_idl_txn_add(const struct ovsdb_idl_row* row, size_t column, const struct ml2_atoms* atoms);
void ml2_idl_txn_take(const struct ovsdb_idl_row* row, size_t column, const struct ml2_atoms* atoms);
void ml2_idl_txn_verify(const struct ovsdb_idl_row* row, size_t column);
void ml2_idl_txn_delete(const struct ovsdb_idl_row* row);
// Sends it the first time, then tells what became of it.
enum ml2_txn_state ml2_idl_txn_commit(struct ml2_idl_txn* txn);
// JSON, the server's <error> object (RFC 7047 section 3.1).
const char* ml2_idl_txn_error(const struct ml2_idl_txn* txn);
// After success: the server's UUID of the row inserted as `uuid`; false if there is none.
bool ml2_idl_txn_inserted(const struct ml2_idl_txn* txn, const uint8_t uuid[16], uint8_t real[16]);

// libopenvswitch keeps one set of TLS files per process: false if another set was given before.
bool ml2_idl_use_tls(const char* private_key, const char* certificate, const char* ca_certificate);

#ifdef __cplusplus
}
#endif
