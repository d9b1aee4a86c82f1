#include "ovsdb/cs_shim.h"

#include <config.h>
#include <ovsdb/ml2-idl.h>  // generated: ovsdb/CMakeLists.txt
#include <stdlib.h>
#include <string.h>

#include "lib/jsonrpc.h"
#include "lib/ovsdb-cs.h"
#include "lib/ovsdb-data.h"
#include "lib/ovsdb-error.h"
#include "lib/ovsdb-idl-provider.h"
#include "lib/sset.h"
#include "lib/stream-ssl.h"
#include "lib/stream.h"
#include "lib/util.h"
#include "lib/vswitch-idl.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(cs_shim);

static struct vlog_rate_limit rate_limit = VLOG_RATE_LIMIT_INIT(1, 5);

struct table {
  const struct ovsdb_idl_table_class* class;
  const struct ovsdb_idl_column** columns;
  bool* on_server;
  bool* unread;
  size_t n_columns;
  struct shash by_name;  // a column's number and one
};

struct ml2_cs {
  struct ovsdb_cs* cs;
  struct table* tables;
  size_t n_tables;
  struct json* request_id;  // of the transaction in flight
  // Room for one row.
  struct ml2_cs_value* values;
  struct ml2_atom* atoms;
  size_t n_atoms, allocated_atoms;
};

// --- The schema ----------------------------------------------------------------------------------------------------

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

static size_t table_number(const struct ml2_cs* cs, const char* name) {
  size_t i = 0;
  while (i < cs->n_tables && strcmp(cs->tables[i].class->name, name)) i++;
  return i;
}

// n_columns: none of that name.
static size_t column_number(const struct table* table, const char* name) {
  const uintptr_t number = (uintptr_t)shash_find_data(&table->by_name, name);
  return number ? number - 1 : table->n_columns;
}

// What of the choice the server has is monitored; RemoteDatabase says what it has not.
static struct json* monitor_requests(const struct json* schema_json, void* cs_) {
  struct ml2_cs* cs = cs_;
  struct shash* schema = ovsdb_cs_parse_schema(schema_json);
  struct json* requests = json_object_create();
  for (size_t i = 0; i < cs->n_tables; i++) {
    struct table* table = &cs->tables[i];
    const struct sset* there = schema ? shash_find_data(schema, table->class->name) : NULL;
    struct json* columns = json_array_create_empty();
    for (size_t j = 0; j < table->n_columns; j++) {
      const char* name = table->columns[j]->name;
      table->on_server[j] = there && sset_contains(there, name);
      if (table->on_server[j] && !table->unread[j]) json_array_add(columns, json_string_create(name));
    }
    if (!there) {
      json_destroy(columns);
      continue;
    }
    struct json* request = json_object_create();
    json_object_put(request, "columns", columns);
    json_object_put(requests, table->class->name, json_array_create_1(request));
  }
  ovsdb_cs_free_schema(schema);
  return requests;
}

static void free_tables(struct ml2_cs* cs) {
  for (size_t i = 0; i < cs->n_tables; i++) {
    free(cs->tables[i].columns);
    free(cs->tables[i].on_server);
    free(cs->tables[i].unread);
    shash_destroy(&cs->tables[i].by_name);
  }
  free(cs->tables);
}

struct ml2_cs* ml2_cs_create(const char* database, const struct ml2_cs_choice* choices, size_t n,
                             const char** unknown) {
  const struct ovsdb_idl_class* class = find_class(database);
  if (!class) {
    *unknown = database;
    return NULL;
  }
  struct ml2_cs* cs = xzalloc(sizeof *cs);
  size_t most = 1;
  *unknown = NULL;
  cs->tables = xcalloc(n ? n : 1, sizeof *cs->tables);
  for (size_t i = 0; i < n && !*unknown; i++) {
    struct table* table = &cs->tables[i];
    table->class = find_table(class, choices[i].table);
    if (!table->class) {
      *unknown = choices[i].table;
      break;
    }
    table->n_columns = choices[i].n_columns;
    table->columns = xcalloc(table->n_columns + 1, sizeof *table->columns);
    table->on_server = xcalloc(table->n_columns + 1, sizeof *table->on_server);
    table->unread = xcalloc(table->n_columns + 1, sizeof *table->unread);
    shash_init(&table->by_name);
    cs->n_tables = i + 1;
    most = MAX(most, table->n_columns);
    for (size_t j = 0; j < table->n_columns; j++) {
      table->columns[j] = find_column(table->class, choices[i].columns[j]);
      if (!table->columns[j]) *unknown = choices[i].columns[j];
      table->unread[j] = choices[i].unread[j];
      shash_add(&table->by_name, choices[i].columns[j], (void*)(uintptr_t)(j + 1));
    }
  }
  if (*unknown) {
    free_tables(cs);
    free(cs);
    return NULL;
  }
  static const struct ovsdb_cs_ops ops = {monitor_requests};
  cs->values = xcalloc(most, sizeof *cs->values);
  cs->cs = ovsdb_cs_create(class->database, 3, &ops, cs);  // which keeps the pointer
  return cs;
}

void ml2_cs_destroy(struct ml2_cs* cs) {
  if (!cs) return;
  ovsdb_cs_destroy(cs->cs);
  json_destroy(cs->request_id);
  free_tables(cs);
  free(cs->values);
  free(cs->atoms);
  free(cs);
}

void ml2_cs_connect(struct ml2_cs* cs, const char* remotes, bool leader_only, int probe_msec) {
  ovsdb_cs_set_leader_only(cs->cs, leader_only);
  ovsdb_cs_set_remote(cs->cs, remotes, true);
  ovsdb_cs_set_probe_interval(cs->cs, probe_msec);
}

static enum ml2_atom_type type_of(enum ovsdb_atomic_type type) {
  switch (type) {
    case OVSDB_TYPE_INTEGER: return ML2_ATOM_INTEGER;
    case OVSDB_TYPE_REAL: return ML2_ATOM_REAL;
    case OVSDB_TYPE_BOOLEAN: return ML2_ATOM_BOOLEAN;
    case OVSDB_TYPE_UUID: return ML2_ATOM_UUID;
    case OVSDB_TYPE_STRING:
    case OVSDB_TYPE_VOID:
    case OVSDB_N_TYPES: break;
  }
  return ML2_ATOM_STRING;
}

struct ml2_column_type ml2_cs_column_type(const struct ml2_cs* cs, size_t table, size_t column) {
  const struct ovsdb_type* type = &cs->tables[table].columns[column]->type;
  return (struct ml2_column_type){
      .key = type_of(type->key.type),
      .is_map = ovsdb_type_is_map(type),
      .value = type_of(type->value.type),
      .n_min = type->n_min,
      .n_max = type->n_max,
  };
}

bool ml2_cs_is_root(const struct ml2_cs* cs, size_t table) { return cs->tables[table].class->is_root; }
bool ml2_cs_is_singleton(const struct ml2_cs* cs, size_t table) { return cs->tables[table].class->is_singleton; }

bool ml2_cs_server_has(const struct ml2_cs* cs, size_t table, size_t column) {
  return cs->tables[table].on_server[column];
}

// --- What a server sends -------------------------------------------------------------------------------------------

// struct uuid has four numbers in host order; its text, and ours, is big endian.
static void from_ovs_uuid(const struct uuid* from, uint8_t to[16]) {
  for (size_t i = 0; i < 16; i++) to[i] = (uint8_t)(from->parts[i / 4] >> (24 - 8 * (i % 4)));
}

static struct ml2_atom* new_atom(struct ml2_cs* cs) {
  if (cs->n_atoms >= cs->allocated_atoms) {
    cs->atoms = x2nrealloc(cs->atoms, &cs->allocated_atoms, sizeof *cs->atoms);
  }
  return &cs->atoms[cs->n_atoms++];
}

// <atom> (RFC 7047 section 5.1).
static bool read_atom(struct ml2_cs* cs, const struct json* json, enum ovsdb_atomic_type type) {
  struct ml2_atom* to = new_atom(cs);
  to->type = type_of(type);
  switch (type) {
    case OVSDB_TYPE_INTEGER:
      if (json->type != JSON_INTEGER) return false;
      to->integer = json_integer(json);
      return true;
    case OVSDB_TYPE_REAL:
      if (json->type != JSON_INTEGER && json->type != JSON_REAL) return false;
      to->real = json_real(json);
      return true;
    case OVSDB_TYPE_BOOLEAN:
      if (json->type != JSON_TRUE && json->type != JSON_FALSE) return false;
      to->boolean = json->type == JSON_TRUE;
      return true;
    case OVSDB_TYPE_STRING:
      if (json->type != JSON_STRING) return false;
      to->string = json_string(json);
      return true;
    case OVSDB_TYPE_UUID: {
      struct uuid uuid;
      if (json->type != JSON_ARRAY || json_array(json)->n != 2) return false;
      struct json* const* pair = json_array(json)->elems;
      if (pair[0]->type != JSON_STRING || strcmp(json_string(pair[0]), "uuid") || pair[1]->type != JSON_STRING ||
          !uuid_from_string(&uuid, json_string(pair[1]))) {
        return false;
      }
      from_ovs_uuid(&uuid, to->uuid);
      return true;
    }
    case OVSDB_TYPE_VOID:
    case OVSDB_N_TYPES: break;
  }
  return false;
}

// The members of ["set", [...]] or ["map", [...]]; NULL: it is none.
static const struct json_array* members(const struct json* json, const char* kind) {
  if (json->type != JSON_ARRAY || json_array(json)->n != 2) return NULL;
  struct json* const* pair = json_array(json)->elems;
  if (pair[0]->type != JSON_STRING || strcmp(json_string(pair[0]), kind) || pair[1]->type != JSON_ARRAY) return NULL;
  return json_array(pair[1]);
}

// <value>; its atoms follow each other: keys, then values. The number is the server's to check.
static bool read_value(struct ml2_cs* cs, const struct json* json, const struct ovsdb_type* type,
                       struct ml2_cs_value* value) {
  const bool is_map = ovsdb_type_is_map(type);
  const struct json_array* all = members(json, is_map ? "map" : "set");
  value->n = all ? all->n : 1;
  if (!all) return !is_map && read_atom(cs, json, type->key.type);
  for (size_t i = 0; i < all->n; i++) {
    const struct json* key = all->elems[i];
    if (is_map) {
      if (key->type != JSON_ARRAY || json_array(key)->n != 2) return false;
      key = json_array(key)->elems[0];
    }
    if (!read_atom(cs, key, type->key.type)) return false;
  }
  for (size_t i = 0; is_map && i < all->n; i++) {
    if (!read_atom(cs, json_array(all->elems[i])->elems[1], type->value.type)) return false;
  }
  return true;
}

static enum ml2_cs_change change_of(enum ovsdb_cs_row_update_type type) {
  switch (type) {
    case OVSDB_CS_ROW_DELETE: return ML2_CS_DELETE;
    case OVSDB_CS_ROW_INSERT: return ML2_CS_INSERT;
    case OVSDB_CS_ROW_XOR: return ML2_CS_DIFF;
    case OVSDB_CS_ROW_UPDATE: break;
  }
  return ML2_CS_UPDATE;
}

static bool read_row(struct ml2_cs* cs, size_t number, const struct ovsdb_cs_row_update* update,
                     const struct ml2_cs_events* events, void* aux) {
  const struct table* table = &cs->tables[number];
  const enum ml2_cs_change change = change_of(update->type);
  size_t n = 0;
  cs->n_atoms = 0;
  struct shash_node* node;
  if (change != ML2_CS_DELETE) {
    SHASH_FOR_EACH(node, update->columns) {
      const size_t column = column_number(table, node->name);
      if (column == table->n_columns || n == table->n_columns) continue;
      const size_t first = cs->n_atoms;
      if (!read_value(cs, node->data, &table->columns[column]->type, &cs->values[n])) {
        vlog_rate_limit(&this_module, VLL_WARN, &rate_limit,
                        "row " UUID_FMT
                        " of table %s: column %s has another type than in our schema; it is "
                        "left as it was",
                        UUID_ARGS(&update->row_uuid), table->class->name, node->name);
        cs->n_atoms = first;
        continue;
      }
      cs->values[n++].column = column;
    }
  }
  size_t next = 0;  // only now do the atoms stay where they are
  for (size_t i = 0; i < n; i++) {
    struct ml2_cs_value* value = &cs->values[i];
    const bool is_map = ovsdb_type_is_map(&table->columns[value->column]->type);
    value->keys = &cs->atoms[next];
    value->values = is_map ? &cs->atoms[next + value->n] : NULL;
    next += is_map ? 2 * value->n : value->n;
  }
  uint8_t uuid[16];
  from_ovs_uuid(&update->row_uuid, uuid);
  return events->row(aux, number, change, uuid, cs->values, n);
}

// A first update is tens of MB of JSON: its rows are read in the order in which it lies in memory.
static int by_place(const void* a_, const void* b_) {
  const struct ovsdb_cs_row_update* a = a_;
  const struct ovsdb_cs_row_update* b = b_;
  return a->columns < b->columns ? -1 : a->columns > b->columns;
}

static void read_update(struct ml2_cs* cs, const struct ovsdb_cs_update_event* update,
                        const struct ml2_cs_events* events, void* aux) {
  struct ovsdb_cs_db_update* db_update;
  struct ovsdb_error* error = ovsdb_cs_parse_db_update(update->table_updates, update->version, &db_update);
  if (error) {
    char* text = ovsdb_error_to_string_free(error);
    vlog_rate_limit(&this_module, VLL_WARN, &rate_limit,
                    "an update of the database is left out and everything read anew: %s", text);
    free(text);
    ovsdb_cs_flag_inconsistency(cs->cs);
    return;
  }
  events->begin(aux, update->clear);
  bool good = true;
  for (size_t i = 0; i < db_update->n; i++) {
    const struct ovsdb_cs_table_update* table = &db_update->table_updates[i];
    const size_t number = table_number(cs, table->table_name);
    if (number == cs->n_tables) continue;
    qsort(table->row_updates, table->n, sizeof *table->row_updates, by_place);
    for (size_t j = 0; j < table->n; j++) {
      good &= read_row(cs, number, &table->row_updates[j], events, aux);
    }
  }
  events->end(aux);
  ovsdb_cs_db_update_destroy(db_update);
  if (!good) {
    vlog_rate_limit(&this_module, VLL_WARN, &rate_limit,
                    "a change of a row that is not here: everything is read anew");
    ovsdb_cs_flag_inconsistency(cs->cs);
  }
}

static void read_reply(struct ml2_cs* cs, const struct jsonrpc_msg* reply, const struct ml2_cs_events* events,
                       void* aux) {
  if (!cs->request_id || !json_equal(cs->request_id, reply->id)) return;
  json_destroy(cs->request_id);
  cs->request_id = NULL;
  const bool refused = reply->type == JSONRPC_ERROR;
  const struct json* what = refused ? reply->error : reply->result;
  char* text = what ? json_to_string(what, 0) : xstrdup("null");
  events->reply(aux, refused, text);
  free(text);
}

// --- The connection ------------------------------------------------------------------------------------------------

void ml2_cs_run(struct ml2_cs* cs, const struct ml2_cs_events* events, void* aux) {
  struct ovs_list list;
  ovsdb_cs_run(cs->cs, &list);
  struct ovsdb_cs_event* event;
  LIST_FOR_EACH_POP(event, list_node, &list) {
    switch (event->type) {
      case OVSDB_CS_EVENT_TYPE_RECONNECT:
        json_destroy(cs->request_id);
        cs->request_id = NULL;
        events->lost(aux);
        break;
      case OVSDB_CS_EVENT_TYPE_UPDATE: read_update(cs, &event->update, events, aux); break;
      case OVSDB_CS_EVENT_TYPE_TXN_REPLY: read_reply(cs, event->txn_reply, events, aux); break;
      case OVSDB_CS_EVENT_TYPE_LOCKED: break;
    }
    ovsdb_cs_event_destroy(event);
  }
}

void ml2_cs_wait(struct ml2_cs* cs) { ovsdb_cs_wait(cs->cs); }

bool ml2_cs_is_following(const struct ml2_cs* cs) { return ovsdb_cs_may_send_transaction(cs->cs); }

const char* ml2_cs_last_error(const struct ml2_cs* cs) {
  const int error = ovsdb_cs_get_last_error(cs->cs);
  return error ? ovs_retval_to_string(error) : NULL;
}

bool ml2_cs_send(struct ml2_cs* cs, const char* params) {
  // It goes out as it is written; libopenvswitch would otherwise parse it to print it again.
  struct json* operations = json_string_create(params);
  operations->type = JSON_SERIALIZED_OBJECT;
  ml2_cs_forget(cs);
  cs->request_id = ovsdb_cs_send_transaction(cs->cs, operations);
  return cs->request_id != NULL;
}

void ml2_cs_forget(struct ml2_cs* cs) {
  if (!cs->request_id) return;
  ovsdb_cs_forget_transaction(cs->cs, cs->request_id);
  json_destroy(cs->request_id);
  cs->request_id = NULL;
}

void ml2_cs_read_again(struct ml2_cs* cs) { ovsdb_cs_flag_inconsistency(cs->cs); }

// --- TLS -----------------------------------------------------------------------------------------------------------

bool ml2_cs_use_tls(const char* private_key, const char* certificate, const char* ca_certificate) {
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
