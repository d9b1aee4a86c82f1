// server_shim: asks an ovsdb-server which databases it serves, in plain C.
//
// Where in the walk: under ServerProbe, the only caller.
// Threading: one thread, the poll loop's.
// Failure: no answer as long as there is none.
// What it does not do: the IDL cannot be used for this: it reads _Server itself, and cannot do so twice on one
//   connection.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ml2_server_query;

struct ml2_server_query* ml2_server_query_open(const char* remotes);
void ml2_server_query_close(struct ml2_server_query* query);
// Asks again every second, as long as it is run.
void ml2_server_query_run(struct ml2_server_query* query);
void ml2_server_query_wait(struct ml2_server_query* query);
// The name, model and connected columns of the table Database of _Server (ovsdb-server(5)), as the JSON of the
// server's reply to "transact"; NULL: no server answers.
const char* ml2_server_query_answer(const struct ml2_server_query* query);
// The remote that answered.
const char* ml2_server_query_name(const struct ml2_server_query* query);

#ifdef __cplusplus
}
#endif
