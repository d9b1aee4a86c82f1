#include "agent/ctl/unixctl_shim.h"

#include <config.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

void ml2_silence_library_log(void) { vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF); }

static char* text_of(const struct json* json) {
  return xstrdup(json && json->type == JSON_STRING ? json_string(json) : "");
}

static enum ml2_unixctl_result read_reply(struct jsonrpc_msg* reply, const struct json* id, char** text,
                                          int* error_number) {
  if ((reply->type != JSONRPC_REPLY && reply->type != JSONRPC_ERROR) || !reply->id || !json_equal(reply->id, id)) {
    *error_number = EPROTO;
    return ML2_UNIXCTL_LOST;
  }
  if (reply->type == JSONRPC_ERROR || (reply->error && reply->error->type != JSON_NULL)) {
    *text = text_of(reply->error);
    return ML2_UNIXCTL_REFUSED;
  }
  *text = text_of(reply->result);
  return ML2_UNIXCTL_OK;
}

enum ml2_unixctl_result ml2_unixctl_transact(const char* path, const char* command, int argc, char* argv[],
                                             long long timeout_msec, char** text, int* error_number) {
  struct jsonrpc* client;
  *text = NULL;
  *error_number = unixctl_client_create(path, &client);
  if (*error_number) return ML2_UNIXCTL_NO_CONNECT;

  // unixctl_client_transact() of libopenvswitch would wait for ever.
  struct json** args = xmalloc((size_t)argc * sizeof *args + 1);
  for (int i = 0; i < argc; i++) args[i] = json_string_create(argv[i]);
  struct json* id;
  struct jsonrpc_msg* request = jsonrpc_create_request(command, json_array_create(args, (size_t)argc), &id);
  struct json* own_id = json_clone(id);
  enum ml2_unixctl_result result = ML2_UNIXCTL_TIMEOUT;
  const long long deadline = time_msec() + timeout_msec;
  *error_number = jsonrpc_send(client, request);
  if (*error_number) result = ML2_UNIXCTL_LOST;
  while (!*error_number && time_msec() < deadline) {
    struct jsonrpc_msg* reply = NULL;
    jsonrpc_run(client);
    const int error = jsonrpc_recv(client, &reply);
    if (error == EAGAIN) {
      jsonrpc_wait(client);
      jsonrpc_recv_wait(client);
      poll_timer_wait_until(deadline);
      poll_block();
      continue;
    }
    if (error) {
      *error_number = error;
      result = ML2_UNIXCTL_LOST;
    } else {
      result = read_reply(reply, own_id, text, error_number);
      jsonrpc_msg_destroy(reply);
    }
    break;
  }
  json_destroy(own_id);
  jsonrpc_close(client);
  return result;
}
