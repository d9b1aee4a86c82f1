// request: a Transaction as the parameters of "transact" (RFC 7047 section 4.1.3), and the answer to it as an Outcome.
//
// Where in the walk: RemoteDatabase::commit(), and when the answer is there.
// Threading: pure.
// Failure: make_request() is Invalid for what is a mistake of the caller: unknown names, rows that are not there, other
//   types. What is a matter of the data it tells as a server would, as an Outcome: the insert of a row that is there
//   (Conflict), text that is no UTF-8, over which a server hangs up (Invalid).
// What it does not do: sends nothing. What is in the snapshot already is left out, so that whole rows can be written
//   and a transaction that changes nothing costs nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datapath/base/result.h"
#include "ovsdb/layout.h"
#include "ovsdb/snapshot.h"
#include "ovsdb/transaction.h"

namespace ml2::ovsdb {

struct Request {
  std::string json;                                    // empty: nothing to do
  std::vector<std::pair<Uuid, std::size_t>> inserted;  // a row by its name, and the place of its result in the answer
  std::optional<Error> refused;                        // instead of being sent
};

[[nodiscard]] Result<Request> make_request(const std::string& database, const Layout& layout,
                                           const Snapshot& snapshot, const Transaction& transaction);

// `json`: the answer; `refused`: it is a JSON-RPC error. `database`: for the sentences.
[[nodiscard]] Outcome read_answer(const std::string& database, const Request& request, bool refused,
                                  std::string_view json);

}  // namespace ml2::ovsdb
