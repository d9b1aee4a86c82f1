// ServerProbe: asks a server that answers but does not serve our database, why.
//
// Where in the walk: RemoteDatabase has one while it waits for a database for longer than a moment. It reads the database
//   _Server (ovsdb-server(5)), which every server since Open vSwitch 2.9 has.
// Threading: the thread of the poll loop.
// Failure: finding() is empty when nothing is known.
// What it does not do: with several remotes it reaches one of them, not all.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ovsdb/server_shim.h"

namespace ml2::ovsdb {

class ServerProbe {
 public:
  ServerProbe(std::string database, const std::string& remotes);

  void run() { ml2_server_query_run(query_.get()); }
  void wait() { ml2_server_query_wait(query_.get()); }
  // A sentence: why the server does not serve the database, and what to do; empty: no reason found (yet).
  [[nodiscard]] std::string finding() const;

 private:
  struct Close {
    void operator()(ml2_server_query* query) const { ml2_server_query_close(query); }
  };

  std::string database_;
  std::unique_ptr<ml2_server_query, Close> query_;
};

// What the server's answer (see server_shim.h) means for `database`.
[[nodiscard]] std::string explain_databases(std::string_view answer, const std::string& database,
                                            const std::string& server);

}  // namespace ml2::ovsdb
