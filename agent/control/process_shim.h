// process_shim: libopenvswitch's process-wide parts behind plain C: logging (vlog) and the control socket (unixctl).
//
// Where in the walk: main() sets up logging, Control owns the socket.
// Threading: the agent's thread, but for ml2_vlog() which any thread may call.
// Failure: functions that can fail answer an errno value.
// What it does not do: no policy; C++ callers use log.h and control.h.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct ml2_log_setup {
  const char* file;  // NULL: none
  int to_stderr, syslog, journal;
  const char* facility;  // a word that vlog knows
  int json, debug;
};
// Names the process for logs and `ovs-appctl version`, and starts vlog. An errno value when the file cannot be opened: then lines
// go to stderr.
int ml2_process_init(const char* program, const char* version, const struct ml2_log_setup* setup);
// After logrotate has moved the file; an errno value on failure.
int ml2_vlog_reopen(void);
// The vlog module of that name, made if need be (then `vlog/set NAME:...` knows it); it lives as long as the process.
struct vlog_module;
struct vlog_module* ml2_vlog_module(const char* name);
// level: 0 debug, 1 info, 2 warning, 3 error.
void ml2_vlog(struct vlog_module* module, int level, const char* text, int length);
// All modules to debug, or back to info, wherever lines go.
void ml2_vlog_debug(int on);

// For `ovs-appctl memory/show`: in each pass of the loop.
struct ml2_memory_count {
  const char* name;
  unsigned count;
};
void ml2_memory_run(const struct ml2_memory_count* counts, int n);
void ml2_memory_wait(void);

struct unixctl_server;
struct unixctl_conn;
typedef void ml2_unixctl_handler(struct unixctl_conn*, int argc, const char** argv, void* aux);

// Listens on `path` (absolute); errno value on failure.
int ml2_unixctl_open(const char* path, struct unixctl_server** server);
void ml2_unixctl_close(struct unixctl_server* server);
void ml2_unixctl_run(struct unixctl_server* server);
void ml2_unixctl_wait(struct unixctl_server* server);
void ml2_unixctl_add(const char* name, const char* usage, int min_args, int max_args, ml2_unixctl_handler* handler,
                     void* aux);
// Each connection is answered exactly once, at once or later.
void ml2_unixctl_reply(struct unixctl_conn* conn, const char* body);
void ml2_unixctl_reply_error(struct unixctl_conn* conn, const char* error);

#ifdef __cplusplus
}
#endif
