// messages: the OpenFlow 1.4 messages of a switch connection, made and read.
//
// Where in the walk: RconnSwitch sends what is made here and feeds what it receives to decode().
// Threading: pure functions; transaction ids come from libopenvswitch's counter.
// Failure: decode() answers Invalid on bytes that are no message. One flow of a reply that cannot be decoded (an
//   action that this libopenvswitch does not know) is left out and counted: the rest is good.
// What it does not do: no connection and no state.
// Sections are those of the OpenFlow Switch Specification 1.4.0.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "datapath/base/result.h"
#include "datapath/openflow/codec.h"
#include "datapath/openflow/flow.h"
#include "datapath/openflow/switch.h"

namespace ml2::of {

// Network order in the message, host order here. A reply has its request's.
[[nodiscard]] std::uint32_t transaction_id(const Message& message);

[[nodiscard]] Message make_barrier();  // 7.3.8
// Every flow now, and from then on each change (7.3.5.12). Our own changes come as one Own update per bundle.
[[nodiscard]] Message make_flow_monitor(std::uint32_t monitor_id);
// The flows with this cookie (nullopt: all) with counters (7.3.5.2).
[[nodiscard]] Message make_flow_stats_request(std::optional<std::uint64_t> cookie);
[[nodiscard]] Message make_echo_request();
[[nodiscard]] Message make_echo_reply(const Message& request);
// Bundles, ordered and atomic (7.3.9).
[[nodiscard]] Message make_bundle_open(std::uint32_t bundle_id);
[[nodiscard]] Message make_bundle_add(std::uint32_t bundle_id, const Message& flow_mod);  // has flow_mod's id
[[nodiscard]] Message make_bundle_commit(std::uint32_t bundle_id);
[[nodiscard]] Message make_bundle_discard(std::uint32_t bundle_id);

// One item of a flow monitor's reply.
struct FlowUpdate {
  enum class Event {
    Present,  // is there at the start, was added or was changed: key and body say what it is now
    Absent,   // is gone: key says which
    Own,      // what our own bundle did, not told in full
    Paused,   // the switch has more to tell than we read; changes are held back until
    Resumed,  //   here, after all of them were told
  };
  Event event = Event::Present;
  FlowKey key;
  FlowBody body;
};

struct Reply {
  enum class Kind { Error, BundleOpened, BundleCommitted, Barrier, FlowUpdates, FlowStats, EchoRequest, Other };
  Kind kind = Kind::Other;
  std::uint32_t transaction_id = 0;
  bool more = false;  // of FlowUpdates and FlowStats: another part of the same reply follows
  std::string error;  // of Error: its name and meaning, "OFPBAC_BAD_OUT_PORT (bad output port)"
  std::vector<FlowUpdate> updates;
  std::vector<std::pair<FlowKey, FlowCounters>> counters;
  std::size_t unreadable = 0;     // flows left out
  std::string unreadable_reason;  // of the first of them
};

[[nodiscard]] Result<Reply> decode(const Message& message);

// A message of these bytes, as if it had been received.
[[nodiscard]] Message make_message(std::span<const std::uint8_t> bytes);

}  // namespace ml2::of
