// ml2_remote: what the rows of the ML2 database say of the other hosts of this node's networks. Pure.
//
// Where in the walk: read_intent() calls it when the ports bound here are known.
// Threading: pure functions.
// Failure: a row of another host that makes no sense is left out: that host says so. What does not fit between that
//   host and this one becomes a sentence in Intent::problems.
// What it does not do: no flows; nothing of networks without a port here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datapath/base/mac.h"
#include "datapath/base/result.h"
#include "datapath/model/intent.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::intent {

struct Neighbourhood {
  std::map<Uuid, Segment> segments;  // Segment rows that a port is bound to here
};

// The port's allowed_address_pairs; `own` is its MAC.
[[nodiscard]] Result<std::vector<AddressPair>> read_address_pairs(const ovsdb::Ml2Rows& rows,
                                                                  const ovsdb::Ml2Port& port, const Mac& own);

// Into `intent`: remote, problems, and refusals of ports whose MAC or address another port of the network has. Of two
// such ports the one that is wired keeps it, then the one that was not refused before, then the one with the lower id.
void read_neighbours(const ovsdb::Ml2Rows& rows, const Neighbourhood& here, Intent& intent);

// IntentSource::why_not_here().
[[nodiscard]] std::string why_not_here(const ovsdb::Ml2Rows& rows, const std::string& host, const Uuid& port);

}  // namespace ml2::intent
