// message_shim: the bytes of an OpenFlow message, which libopenvswitch's headers know.
//
// Where in the walk: tests of the codec. Threading: a pure function. Failure: none. What it does not do: no decoding.
#pragma once

#include <string>

#include "datapath/openflow/codec.h"

namespace ml2::of {

// As they go over the wire, but for the transaction id, which is 0.
[[nodiscard]] std::string bytes_without_id(const Message& message);

}  // namespace ml2::of
