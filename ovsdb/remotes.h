// remotes: the remotes of a database as an operator writes them.
//
// Where in the walk: RemoteDatabase::open() and the check of the ini.
// Threading: pure.
// Failure: Invalid, naming the remote and what was expected.
// What it does not do: no name resolution: a name that does not resolve now may do so later.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "datapath/base/result.h"

namespace ml2::ovsdb {

struct Remotes {
  std::vector<std::string> each;  // unix:FILE, tcp:HOST[:PORT], ssl:HOST[:PORT]; port 6640 if left out
  bool any_tls = false;
  bool any_network = false;  // tcp: or ssl:

  [[nodiscard]] std::string joined() const;  // with commas, as libopenvswitch takes them
};

// Separated by commas; several are the servers of one cluster, or relays: any that answers will do.
[[nodiscard]] Result<Remotes> parse_remotes(std::string_view text);

}  // namespace ml2::ovsdb
