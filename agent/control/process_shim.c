#include "agent/control/process_shim.h"

#include <config.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "unixctl.h"
#include "util.h"

// What is on: the console, the file, syslog.
static bool destinations[VLF_N_DESTINATIONS];
static bool json_lines;

static void set_levels(struct vlog_module* module, enum vlog_level level) {
  for (int i = 0; i < VLF_N_DESTINATIONS; i++) {
    vlog_set_levels(module, (enum vlog_destination)i, destinations[i] ? level : VLL_OFF);
  }
}

int ml2_process_init(const char* program, const char* version, const struct ml2_log_setup* setup) {
  ovs_set_program_name(program, version);
  // journald takes syslog's datagrams on a socket of its own.
  if (setup->journal && !setup->syslog) vlog_set_syslog_method("unix:/run/systemd/journal/dev-log");
  char* facility = xasprintf("FACILITY:%s", setup->facility);
  free(vlog_set_levels_from_string(facility));
  free(facility);
  vlog_init();
  destinations[VLF_CONSOLE] = setup->to_stderr;
  destinations[VLF_SYSLOG] = setup->syslog || setup->journal;
  destinations[VLF_FILE] = setup->file != NULL;
  json_lines = setup->json;
  if (json_lines) {
    static const char pattern[] =
        "{\"time\":\"%D{%Y-%m-%dT%H:%M:%S.###Z}\",\"level\":\"%p\",\"module\":\"%c\",\"pid\":%P,\"message\":\"%m\"}";
    vlog_set_pattern(VLF_CONSOLE, pattern);
    vlog_set_pattern(VLF_FILE, pattern);
    vlog_set_pattern(VLF_SYSLOG, pattern);
  }
  ml2_vlog_debug(setup->debug);
  const int error = setup->file != NULL ? vlog_set_log_file(setup->file) : 0;
  if (error) {
    destinations[VLF_FILE] = false;
    destinations[VLF_CONSOLE] = true;
    ml2_vlog_debug(setup->debug);
  }
  return error;
}

int ml2_vlog_reopen(void) { return destinations[VLF_FILE] ? vlog_reopen_log_file() : 0; }

// `text` as it stands between the quotes of a JSON string (RFC 8259 section 7). Bytes from 0x80 on stay: they are
// UTF-8, or not ours to judge.
static char* json_escaped(const char* text) {
  struct ds out = DS_EMPTY_INITIALIZER;
  for (const unsigned char* c = (const unsigned char*)text; *c != '\0'; c++) {
    if (*c == '"' || *c == '\\') {
      ds_put_char(&out, '\\');
      ds_put_char(&out, (char)*c);
    } else if (*c < 0x20) {
      ds_put_format(&out, "\\u%04x", *c);
    } else {
      ds_put_char(&out, (char)*c);
    }
  }
  return ds_steal_cstr(&out);
}

// The linker sends all calls of vlog() and vlog_rate_limit() here (--wrap), those inside libopenvswitch too: its
// patterns cannot escape a message.
void __real_vlog(const struct vlog_module*, enum vlog_level, const char* format, ...) OVS_PRINTF_FORMAT(3, 4);
void __wrap_vlog(const struct vlog_module*, enum vlog_level, const char* format, ...) OVS_PRINTF_FORMAT(3, 4);
void __wrap_vlog_rate_limit(const struct vlog_module*, enum vlog_level, struct vlog_rate_limit*, const char* format,
                            ...) OVS_PRINTF_FORMAT(4, 5);

static void log_line(const struct vlog_module* module, enum vlog_level level, const char* format, va_list args) {
  if (!json_lines) {
    vlog_valist(module, level, format, args);
    return;
  }
  if (!vlog_is_enabled(module, level)) return;
  char* text = xvasprintf(format, args);
  char* escaped = json_escaped(text);
  __real_vlog(module, level, "%s", escaped);
  free(escaped);
  free(text);
}

void __wrap_vlog(const struct vlog_module* module, enum vlog_level level, const char* format, ...) {
  va_list args;
  va_start(args, format);
  log_line(module, level, format, args);
  va_end(args);
}

void __wrap_vlog_rate_limit(const struct vlog_module* module, enum vlog_level level, struct vlog_rate_limit* limit,
                            const char* format, ...) {
  if (vlog_should_drop(module, level, limit)) return;
  va_list args;
  va_start(args, format);
  log_line(module, level, format, args);
  va_end(args);
}

struct vlog_module* ml2_vlog_module(const char* name) {
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
    set_levels(module, VLL_INFO);
  }
  return module;
}

void ml2_vlog(struct vlog_module* module, int level, const char* text, int length) {
  static const enum vlog_level levels[] = {VLL_DBG, VLL_INFO, VLL_WARN, VLL_ERR};
  if (vlog_is_enabled(module, levels[level])) {
    vlog(module, levels[level], "%.*s", length, text);
  }
}

void ml2_vlog_debug(int on) {
  set_levels(NULL, on ? VLL_DBG : VLL_INFO);
  if (!on) {
    // The library's own chatter about each reconnect is ours to say, in words for operators. rconn warns of each attempt
    // that fails, of which there are ten a second for each bridge while ovs-vswitchd comes up.
    set_levels(vlog_module_from_name("reconnect"), VLL_WARN);
    set_levels(vlog_module_from_name("rconn"), VLL_ERR);
  }
}

void ml2_memory_run(const struct ml2_memory_count* counts, int n) {
  memory_run();
  if (!memory_should_report()) return;
  struct simap usage = SIMAP_INITIALIZER(&usage);
  for (int i = 0; i < n; i++) simap_increase(&usage, counts[i].name, counts[i].count);
  memory_report(&usage);
  simap_destroy(&usage);
}

void ml2_memory_wait(void) { memory_wait(); }

int ml2_unixctl_open(const char* path, struct unixctl_server** server) { return unixctl_server_create(path, server); }

void ml2_unixctl_close(struct unixctl_server* server) { unixctl_server_destroy(server); }

// What unixctl waited for last: its listener, and the connections that are to be read or written.
static bool noting_waits;
static int n_waits;
static struct pollfd last_wait;

void __real_poll_fd_wait_at(int fd, short events, const char* where);
void __wrap_poll_fd_wait_at(int fd, short events, const char* where);
void __wrap_poll_fd_wait_at(int fd, short events, const char* where) {
  if (noting_waits) {
    last_wait = (struct pollfd){.fd = fd, .events = events};
    n_waits++;
  }
  __real_poll_fd_wait_at(fd, events, where);
}

// To accept a connection the kernel makes a socket before it looks whether there is one; that there is none, as at nearly each
// pass of the loop, poll(2) says for less.
void ml2_unixctl_run(struct unixctl_server* server) {
  if (n_waits == 1 && poll(&last_wait, 1, 0) == 0) return;
  unixctl_server_run(server);
}

void ml2_unixctl_wait(struct unixctl_server* server) {
  noting_waits = true;
  n_waits = 0;
  unixctl_server_wait(server);
  noting_waits = false;
}

void ml2_unixctl_add(const char* name, const char* usage, int min_args, int max_args, ml2_unixctl_handler* handler,
                     void* aux) {
  unixctl_command_register(name, usage, min_args, max_args, handler, aux);
}

void ml2_unixctl_reply(struct unixctl_conn* conn, const char* body) { unixctl_command_reply(conn, body); }

void ml2_unixctl_reply_error(struct unixctl_conn* conn, const char* error) {
  unixctl_command_reply_error(conn, error);
}
