#include "agent/control/process_shim.h"

#include <config.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "unixctl.h"
#include "util.h"

void ml2_process_init(const char* program, const char* version) {
  ovs_set_program_name(program, version);
  vlog_init();
  vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
  ml2_vlog_debug(0);
}

static struct vlog_module* module_of(const char* name) {
  struct vlog_module* module = vlog_module_from_name(name);
  if (module == NULL) {
    // Lives as long as the process, as all vlog modules do.
    module = xzalloc(sizeof *module);
    module->name = xstrdup(name);
    for (int i = 0; i < VLF_N_DESTINATIONS; i++) {
      module->levels[i] = VLL_INFO;
    }
    module->min_level = VLL_INFO;
    module->honor_rate_limits = true;
    vlog_insert_module(&module->list);
    vlog_set_levels(module, VLF_SYSLOG, VLL_OFF);
  }
  return module;
}

void ml2_vlog_module(const char* name) { module_of(name); }

void ml2_vlog(const char* module, int level, const char* text, int length) {
  static const enum vlog_level levels[] = {VLL_DBG, VLL_INFO, VLL_WARN, VLL_ERR};
  struct vlog_module* m = module_of(module);
  if (vlog_is_enabled(m, levels[level])) {
    vlog(m, levels[level], "%.*s", length, text);
  }
}

void ml2_vlog_debug(int on) {
  vlog_set_levels(NULL, VLF_CONSOLE, on ? VLL_DBG : VLL_INFO);
  if (!on) {
    // The library's own chatter about each reconnect is ours to say, in words for operators.
    static const char* const chatty[] = {"reconnect", "rconn"};
    for (size_t i = 0; i < sizeof chatty / sizeof chatty[0]; i++) {
      vlog_set_levels(vlog_module_from_name(chatty[i]), VLF_CONSOLE, VLL_WARN);
    }
  }
}

int ml2_unixctl_open(const char* path, struct unixctl_server** server) { return unixctl_server_create(path, server); }

void ml2_unixctl_close(struct unixctl_server* server) { unixctl_server_destroy(server); }

void ml2_unixctl_run(struct unixctl_server* server) { unixctl_server_run(server); }

void ml2_unixctl_wait(struct unixctl_server* server) { unixctl_server_wait(server); }

void ml2_unixctl_add(const char* name, const char* usage, int min_args, int max_args, ml2_unixctl_handler* handler,
                     void* aux) {
  unixctl_command_register(name, usage, min_args, max_args, handler, aux);
}

void ml2_unixctl_reply(struct unixctl_conn* conn, const char* body) { unixctl_command_reply(conn, body); }

void ml2_unixctl_reply_error(struct unixctl_conn* conn, const char* error) {
  unixctl_command_reply_error(conn, error);
}
