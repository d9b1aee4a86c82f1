// codec: flow text to what the switch makes of it, by Open vSwitch's own parser, encoder and printer.
//
// Where in the walk: Switch::flows() is canonical; the reconciler makes what compile/ wrote canonical before diff/
//   compares the two; messages.h builds flow mods with it.
// How: the text is parsed, encoded as an OpenFlow 1.4 flow mod, decoded as ovs-vswitchd decodes it, and printed. That
//   way a spelling ("mod_vlan_vid:1", "dl_type=0x0806") becomes the one that a dump has ("set_field:4097->vlan_vid",
//   "arp"), and text that comes back from the switch is byte-equal to what was canonical before it went out.
//   A flow that is new is made canonical and then sent: the message of the first is kept for the second, of the last
//   few flows, and used up by it.
// Threading: pure functions to their callers (what is kept is each thread's own); libopenvswitch's tables behind them are
//   initialised once, by any thread.
// Failure: Invalid with the flow's text and Open vSwitch's own words; the rest of a FlowSet is not looked at then.
//   Refused are also fields whose prerequisites are missing (nw_src without ip): Open vSwitch would drop the field
//   and match more than was asked for.
// What it does not do: no memory of canonical forms (the caller's, per segment and port: 10 to 20 us per flow); no
//   port or table names, no flags (send_flow_rem, reset_counts...), no importance; no tun_metadata fields, whose
//   meaning differs from switch to switch.
#pragma once

#include <memory>
#include <utility>

#include "datapath/base/result.h"
#include "datapath/openflow/flow.h"

struct ofpbuf;  // libopenvswitch's buffer: one OpenFlow message

namespace ml2::of {

struct MessageDelete {
  void operator()(ofpbuf* message) const;
};
// An OpenFlow message, owned.
using Message = std::unique_ptr<ofpbuf, MessageDelete>;

[[nodiscard]] Result<std::pair<FlowKey, FlowBody>> canonical(const FlowKey& key, const FlowBody& body);
[[nodiscard]] Result<FlowSet> canonical(const FlowSet& flows);

// A flow mod as a message, and its flow in canonical form.
struct EncodedFlowMod {
  Message message;
  FlowMod canonical;  // of a Delete: body is empty
};
[[nodiscard]] Result<EncodedFlowMod> encode(const FlowMod& mod);

}  // namespace ml2::of
