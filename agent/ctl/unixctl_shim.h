// unixctl_shim: one command to a daemon's unixctl socket (JSON-RPC as ovs-appctl(8) speaks it), with a deadline; and
// libopenvswitch's own log kept quiet.
//
// Where in the walk: under ControlClient and main(); libopenvswitch's headers stay behind this file.
// Threading: uses the thread's poll loop.
// Failure: see ml2_unixctl_result.
// What it does not do: no search for pid files: the caller gives the socket's path.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// A command says what went wrong in its own words: "reconnect|INFO|..." lines are for daemons.
void ml2_silence_library_log(void);

enum ml2_unixctl_result {
  ML2_UNIXCTL_OK,          // *text is the reply
  ML2_UNIXCTL_REFUSED,     // the daemon answered with an error: *text
  ML2_UNIXCTL_NO_CONNECT,  // *error_number says why
  ML2_UNIXCTL_LOST,        // the connection broke or the reply made no sense: *error_number
  ML2_UNIXCTL_TIMEOUT,
};

// `*text` is malloc'ed or NULL.
enum ml2_unixctl_result ml2_unixctl_transact(const char* path, const char* command, int argc, char* argv[],
                                             long long timeout_msec, char** text, int* error_number);

#ifdef __cplusplus
}
#endif
