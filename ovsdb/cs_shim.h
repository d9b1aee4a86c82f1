// cs_shim: libopenvswitch's OVSDB client synchronisation (ovsdb-cs) as plain C, by table and column number.
//
// Where in the walk: under Replica and RemoteDatabase, the only callers; its headers do not compile as C++.
// Threading: one thread, the poll loop's.
// Failure: what a server sends that does not fit the schema is logged and left out; a change of a row that is not
//   there makes everything be read anew, as the IDL does.
// What it does not do: it keeps no rows: the IDL, which sits on the same layer, would keep a second copy of each, at a
//   kilobyte apiece. Reconnecting, clusters, relays and TLS are ovsdb-cs's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ml2_cs;

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
  const char* string;  // valid until the callback returns
  uint8_t uuid[16];    // in the order of its text
};

// A column's type (RFC 7047 section 3.2).
struct ml2_column_type {
  enum ml2_atom_type key;
  bool is_map;
  enum ml2_atom_type value;  // of a map
  unsigned int n_min, n_max;
};

// One monitored table; tables and columns are numbered in the order given.
struct ml2_cs_choice {
  const char* table;
  const char* const* columns;
  size_t n_columns;
  const bool* unread;  // of each column: it is written only, the server is not asked for it
};

// NULL when `database` (Open_vSwitch, ML2), a table or a column is unknown; then *unknown names it.
struct ml2_cs* ml2_cs_create(const char* database, const struct ml2_cs_choice* choices, size_t n,
                             const char** unknown);
void ml2_cs_destroy(struct ml2_cs* cs);
// `probe_msec`: after this long without a word from the server, ask whether it is alive; 0: never.
void ml2_cs_connect(struct ml2_cs* cs, const char* remotes, bool leader_only, int probe_msec);

// As the compiled-in schema has it.
struct ml2_column_type ml2_cs_column_type(const struct ml2_cs* cs, size_t table, size_t column);
bool ml2_cs_is_root(const struct ml2_cs* cs, size_t table);
// The table has one row at most.
bool ml2_cs_is_singleton(const struct ml2_cs* cs, size_t table);

// A column of a row that was sent.
struct ml2_cs_value {
  size_t column;
  size_t n;
  const struct ml2_atom* keys;
  const struct ml2_atom* values;  // of a map: n of them; else NULL
};

enum ml2_cs_change {
  ML2_CS_DELETE,
  ML2_CS_INSERT,  // columns that are left out have their default
  ML2_CS_UPDATE,  // the columns sent replace those there
  ML2_CS_DIFF,    // the same, but a set or map column is what is in one and not in the other ("modify" of
                  // ovsdb-server(7), section 4.1.14)
};

// What has come; `aux` is the caller's. None may call back into this connection.
struct ml2_cs_events {
  // An update begins; `clear`: it says everything, what was there before is no more.
  void (*begin)(void* aux, bool clear);
  // false: the row is not there.
  bool (*row)(void* aux, size_t table, enum ml2_cs_change change, const uint8_t uuid[16],
              const struct ml2_cs_value* values, size_t n);
  void (*end)(void* aux);
  // The answer to what ml2_cs_send() sent; `json`: its result, or if `refused` its error (RFC 7047 section 4.1.3).
  void (*reply)(void* aux, bool refused, const char* json);
  // The connection is lost, and with it the answer.
  void (*lost)(void* aux);
};

void ml2_cs_run(struct ml2_cs* cs, const struct ml2_cs_events* events, void* aux);
void ml2_cs_wait(struct ml2_cs* cs);
// Everything monitored has been read on the present connection, and is followed.
bool ml2_cs_is_following(const struct ml2_cs* cs);
// The last error of a connection in words; NULL: none yet.
const char* ml2_cs_last_error(const struct ml2_cs* cs);
// Whether the server's schema has that column (after the first read).
bool ml2_cs_server_has(const struct ml2_cs* cs, size_t table, size_t column);

// Sends the parameters of "transact", a JSON array, which is not looked at; false: nothing was sent. One at a time: the
// answer to an earlier one is dropped.
bool ml2_cs_send(struct ml2_cs* cs, const char* params);
// Nobody waits for the answer any more.
void ml2_cs_forget(struct ml2_cs* cs);
// What is here and what the server has do not go together: read everything anew.
void ml2_cs_read_again(struct ml2_cs* cs);

// libopenvswitch keeps one set of TLS files per process: false if another set was given before.
bool ml2_cs_use_tls(const char* private_key, const char* certificate, const char* ca_certificate);

#ifdef __cplusplus
}
#endif
