// IdlServerProbe: asks a server that answers but does not serve our database, why.
//
// Where in the walk: IdlDatabase has one while it waits for a database for longer than a moment. It reads the database
//   _Server (ovsdb-server(5)), which every server since Open vSwitch 2.9 has.
// Threading: the thread of the poll loop.
// Failure: finding() is empty when nothing is known.
// What it does not do: with several remotes it reaches one of them, not all.
#pragma once

#include <string>

#include "ovsdb/idl_replica.h"

namespace ml2::ovsdb {

class IdlServerProbe {
 public:
  [[nodiscard]] static Result<IdlServerProbe> open(const std::string& database, const std::string& remotes);

  void run() { server_.run(); }
  void wait() { ml2_idl_wait(server_.idl()); }
  // A sentence: why the server does not serve the database, and what to do; empty: no reason found (yet).
  [[nodiscard]] std::string finding() const;

 private:
  IdlServerProbe(IdlReplica server, std::string database, std::string remotes)
      : server_(std::move(server)), database_(std::move(database)), remotes_(std::move(remotes)) {}

  IdlReplica server_;
  std::string database_;
  std::string remotes_;
};

}  // namespace ml2::ovsdb
