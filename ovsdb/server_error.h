// server_error: what ovsdb-server answers to a refused transaction, as an Error for an operator.
//
// Where in the walk: RemoteDatabase, when a transaction fails.
// Threading: pure.
// Failure: an answer that is no <error> object (RFC 7047 section 3.1) is Invalid and quoted.
// What it does not do: no translation of the server's words but for a taken index.
#pragma once

#include <string_view>

#include "datapath/base/result.h"

namespace ml2::ovsdb {

[[nodiscard]] Error server_error(std::string_view json);

}  // namespace ml2::ovsdb
