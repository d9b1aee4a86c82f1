// remotes: where the Open_vSwitch and the ML2 database are, as the ini and the command line say.
//
// Where in the walk: agent/main.cc, before it opens them.
// Threading: pure. Failure: none; RemoteDatabase::open() refuses addresses and files that make no sense.
// What it does not do: no connection.
#pragma once

#include "agent/config/config.h"
#include "agent/flags.h"
#include "ovsdb/remote_database.h"

namespace ml2 {

// With the files for TLS, and the columns that the agent reads.
struct Remotes {
  ovsdb::RemoteDatabase::Options vswitch;
  ovsdb::RemoteDatabase::Options ml2;
};
[[nodiscard]] Remotes remotes(const config::Config& config, const Flags& flags);

}  // namespace ml2
