// fake_database_server: what ovsdb-server does with one transaction (RFC 7047 section 5.2, ovsdb/transaction.c).
//
// Where in the walk: FakeDatabase hands each transaction here.
// Threading: values; pure but for the random UUIDs of inserted rows.
// Failure: the first refusal, with ovsdb-server's words; nothing is changed then.
// What it does not do: no types: FakeDatabase has checked them before, as RemoteDatabase does.
#pragma once

#include <map>
#include <vector>

#include "ovsdb/database.h"
#include "tests/fakes/fake_database_schema.h"

namespace ml2::ovsdb {

struct ServerReply {
  Snapshot rows;                  // all of them, after the transaction
  std::map<Uuid, Uuid> inserted;  // as in Outcome
};

// `verified`: what each RowVerify expects, in their order.
[[nodiscard]] Result<ServerReply> carry_out(const DatabaseSchema& schema, const Snapshot& rows,
                                            const Transaction& transaction, const std::vector<Datum>& verified);

}  // namespace ml2::ovsdb
