#include "ovsdb/server_shim.h"

#include <config.h>
#include <limits.h>
#include <stdlib.h>

#include "lib/jsonrpc.h"
#include "lib/ovsdb-session.h"
#include "lib/svec.h"
#include "lib/timeval.h"
#include "lib/util.h"
#include "lib/uuid.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"

enum { INTERVAL = 1000 };  // ms between two questions

struct ml2_server_query {
  struct jsonrpc_session* session;
  unsigned int seqno;    // of the connection on which `request` was sent
  struct json* request;  // id of the request that awaits a reply, or NULL
  long long int ask_at;  // ms; when to ask (again)
  char* answer;
};

static const char kRequest[] =
    "[\"_Server\",{\"op\":\"select\",\"table\":\"Database\",\"where\":[],"
    "\"columns\":[\"name\",\"model\",\"connected\"]}]";

static void forget(struct ml2_server_query* query) {
  json_destroy(query->request);
  query->request = NULL;
  free(query->answer);
  query->answer = NULL;
  query->ask_at = 0;
}

struct ml2_server_query* ml2_server_query_open(const char* remotes) {
  struct ml2_server_query* query = xzalloc(sizeof *query);
  struct svec list = SVEC_EMPTY_INITIALIZER;
  struct uuid cluster;
  ovsdb_session_parse_remote(remotes, &list, &cluster);
  query->session = jsonrpc_session_open_multiple(&list, true);
  query->seqno = UINT_MAX;
  svec_destroy(&list);
  return query;
}

void ml2_server_query_close(struct ml2_server_query* query) {
  if (!query) return;
  forget(query);
  jsonrpc_session_close(query->session);
  free(query);
}

static void receive(struct ml2_server_query* query, const struct jsonrpc_msg* msg) {
  if (!query->request || !msg->id || !json_equal(msg->id, query->request)) return;
  forget(query);
  if (msg->type == JSONRPC_REPLY) query->answer = json_to_string(msg->result, 0);
  query->ask_at = time_msec() + INTERVAL;
}

void ml2_server_query_run(struct ml2_server_query* query) {
  jsonrpc_session_run(query->session);
  if (jsonrpc_session_get_seqno(query->session) != query->seqno) {
    query->seqno = jsonrpc_session_get_seqno(query->session);
    forget(query);
  }
  struct jsonrpc_msg* msg;
  while ((msg = jsonrpc_session_recv(query->session)) != NULL) {
    receive(query, msg);
    jsonrpc_msg_destroy(msg);
  }
  if (!query->request && jsonrpc_session_is_connected(query->session) && time_msec() >= query->ask_at) {
    struct json* id = NULL;
    struct jsonrpc_msg* request = jsonrpc_create_request("transact", json_from_string(kRequest), &id);
    if (jsonrpc_session_send(query->session, request)) {
      json_destroy(id);
    } else {
      query->request = id;
    }
  }
}

void ml2_server_query_wait(struct ml2_server_query* query) {
  jsonrpc_session_wait(query->session);
  jsonrpc_session_recv_wait(query->session);
  if (!query->request && jsonrpc_session_is_connected(query->session)) poll_timer_wait_until(query->ask_at);
}

const char* ml2_server_query_answer(const struct ml2_server_query* query) { return query->answer; }

const char* ml2_server_query_name(const struct ml2_server_query* query) {
  return jsonrpc_session_get_name(query->session);
}
