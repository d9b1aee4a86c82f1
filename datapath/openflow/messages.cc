#include "datapath/openflow/messages.h"

#include <arpa/inet.h>
#include <config.h>
#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "byte-order.h"
#include "datapath/openflow/codec_print.h"
#include "openvswitch/ofp-errors.h"
// ofp-errors.h first: the next ones need it.
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"

namespace ml2::of {
namespace {

// ofproto-dpif's own table (ofproto/ofproto-dpif.h, TBL_INTERNAL): no one else can write it.
constexpr std::uint8_t kInternalTable = 254;

const ofp_header* header(const Message& message) { return static_cast<const ofp_header*>(message->data); }

Message make_bundle_control(std::uint32_t bundle_id, std::uint16_t type) {
  ofputil_bundle_ctrl_msg control{.bundle_id = bundle_id, .type = type, .flags = OFPBF_ORDERED | OFPBF_ATOMIC};
  return Message(ofputil_encode_bundle_ctrl_request(OFP14_VERSION, &control));
}

FlowBody body_of(ovs_be64 cookie, std::uint16_t idle, std::uint16_t hard, const ofpact* actions, std::size_t length) {
  return {.actions = format_actions(actions, length),
          .cookie = ntohll(cookie),
          .idle_timeout = idle,
          .hard_timeout = hard};
}

// Cuts the next item off `rest`: items of both replies begin with their length. nullopt: the rest makes no sense.
std::optional<ofpbuf> next_item(ofpbuf& rest) {
  constexpr std::size_t kSmallest = 8;
  if (rest.size < kSmallest) return std::nullopt;
  ovs_be16 raw{};
  std::memcpy(&raw, rest.data, sizeof raw);
  const std::uint16_t length = ntohs(raw);
  if (length < kSmallest || length > rest.size) return std::nullopt;
  ofpbuf item;
  ofpbuf_use_const(&item, rest.data, length);
  item.header = rest.header;
  item.msg = rest.msg;
  ofpbuf_pull(&rest, length);
  return item;
}

void leave_out(Reply& reply, const std::string& reason) {
  if (reply.unreadable++ == 0) reply.unreadable_reason = reason;
}

// decode_item(item, actions) reads one item into `reply` and answers an error number of libopenvswitch, or 0.
template <class DecodeItem>
void decode_items(const Message& message, Reply& reply, DecodeItem decode_item) {
  ofpbuf rest;
  ofpbuf_use_const(&rest, message->data, message->size);
  ofpraw_pull_assert(&rest);
  reply.more = ofpmp_more(header(message));
  std::uint64_t stub[128];
  while (rest.size > 0) {
    std::optional<ofpbuf> item = next_item(rest);
    if (!item) {
      leave_out(reply, "the reply is cut off");
      return;
    }
    ofpbuf actions;
    ofpbuf_use_stub(&actions, stub, sizeof stub);
    if (const int error = decode_item(*item, actions); error != 0) {
      leave_out(reply, ofperr_is_valid(static_cast<ofperr>(error)) ? ofperr_to_string(static_cast<ofperr>(error))
                                                                   : "it is malformed");
    }
    ofpbuf_uninit(&actions);
  }
}

int decode_update(ofpbuf& item, ofpbuf& actions, Reply& reply) {
  ofputil_flow_update seen{};
  if (const int error = ofputil_decode_flow_update(&seen, &item, &actions); error != 0) return error;
  FlowUpdate update;
  switch (seen.event) {
    case OFPFME_ABBREV: update.event = FlowUpdate::Event::Own; break;
    case OFPFME_PAUSED: update.event = FlowUpdate::Event::Paused; break;
    case OFPFME_RESUMED: update.event = FlowUpdate::Event::Resumed; break;
    case OFPFME_INITIAL:
    case OFPFME_ADDED:
    case OFPFME_MODIFIED:
    case OFPFME_REMOVED: {
      if (seen.table_id == kInternalTable) return 0;
      update.event = seen.event == OFPFME_REMOVED ? FlowUpdate::Event::Absent : FlowUpdate::Event::Present;
      update.key = {.table = seen.table_id, .priority = seen.priority, .match = format_match(seen.match)};
      if (update.event == FlowUpdate::Event::Present) {
        update.body = body_of(seen.cookie, seen.idle_timeout, seen.hard_timeout, seen.ofpacts, seen.ofpacts_len);
      }
      break;
    }
  }
  reply.updates.push_back(std::move(update));
  return 0;
}

int decode_stats(ofpbuf& item, ofpbuf& actions, Reply& reply) {
  ofputil_flow_stats seen{};
  if (const int error = ofputil_decode_flow_stats_reply(&seen, &item, false, &actions); error != 0) return error;
  if (seen.table_id == kInternalTable) return 0;
  reply.counters.emplace_back(
      FlowKey{.table = seen.table_id, .priority = seen.priority, .match = format_match(seen.match)},
      FlowCounters{.packets = seen.packet_count,
                   .bytes = seen.byte_count,
                   .age = std::chrono::seconds(seen.duration_sec) +
                          std::chrono::milliseconds(seen.duration_nsec / 1'000'000)});
  return 0;
}

void decode_error(const Message& message, Reply& reply) {
  reply.kind = Reply::Kind::Error;
  const ofperr error = ofperr_decode_msg(header(message), nullptr);
  reply.error = error == 0 ? "an error that this version of Open vSwitch's library does not know"
                           : fmt::format("{} ({})", ofperr_get_name(error), ofperr_get_description(error));
}

void decode_bundle_control(const Message& message, Reply& reply) {
  ofputil_bundle_ctrl_msg control{};
  if (ofputil_decode_bundle_ctrl(header(message), &control) != 0) return;
  if (control.type == OFPBCT_OPEN_REPLY) reply.kind = Reply::Kind::BundleOpened;
  if (control.type == OFPBCT_COMMIT_REPLY) reply.kind = Reply::Kind::BundleCommitted;
}

}  // namespace

std::uint32_t transaction_id(const Message& message) { return ntohl(header(message)->xid); }

Message make_barrier() { return Message(ofputil_encode_barrier_request(OFP14_VERSION)); }

// Without ONLY_OWN, which the specification means as "hide other controllers' changes"; Open vSwitch 3.1 takes it for
// "tell own changes in full" instead (ofproto/connmgr.c, ofmonitor_report()). So our own changes come abbreviated.
Message make_flow_monitor(std::uint32_t monitor_id) {
  ofputil_flow_monitor_request request{};
  request.id = monitor_id;
  request.command = OFPFMC_ADD;
  request.flags = static_cast<ofp14_flow_monitor_flags>(OFPFMF_INITIAL | OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY |
                                                        OFPFMF_INSTRUCTIONS);
  request.out_port = OFPP_ANY;
  request.out_group = OFPG_ANY;
  request.table_id = OFPTT_ALL;
  match_init_catchall(&request.match);
  Message message(ofpbuf_new(0));
  ofputil_append_flow_monitor_request(&request, message.get(), OFPUTIL_P_OF14_OXM);
  ofpmsg_update_length(message.get());
  return message;
}

// Of one cookie Open vSwitch has an index (ofproto/ofproto.c, collect_rules_loose()): it does not look at all flows.
Message make_flow_stats_request(std::optional<std::uint64_t> cookie) {
  ofputil_flow_stats_request request{};
  match_init_catchall(&request.match);
  if (cookie) {
    request.cookie = htonll(*cookie);
    request.cookie_mask = OVS_BE64_MAX;
  }
  request.out_port = OFPP_ANY;
  request.out_group = OFPG_ANY;
  request.table_id = OFPTT_ALL;
  return Message(ofputil_encode_flow_stats_request(&request, OFPUTIL_P_OF14_OXM));
}

Message make_echo_request() { return Message(ofputil_encode_echo_request(OFP14_VERSION)); }
Message make_echo_reply(const Message& request) { return Message(ofputil_encode_echo_reply(header(request))); }

Message make_bundle_open(std::uint32_t bundle_id) { return make_bundle_control(bundle_id, OFPBCT_OPEN_REQUEST); }
Message make_bundle_commit(std::uint32_t bundle_id) { return make_bundle_control(bundle_id, OFPBCT_COMMIT_REQUEST); }
Message make_bundle_discard(std::uint32_t bundle_id) {
  return make_bundle_control(bundle_id, OFPBCT_DISCARD_REQUEST);
}

Message make_bundle_add(std::uint32_t bundle_id, const Message& flow_mod) {
  ofputil_bundle_add_msg add{.bundle_id = bundle_id, .flags = OFPBF_ORDERED | OFPBF_ATOMIC, .msg = header(flow_mod)};
  return Message(ofputil_encode_bundle_add(OFP14_VERSION, &add));
}

Message make_message(std::span<const std::uint8_t> bytes) {
  return Message(ofpbuf_clone_data(bytes.data(), bytes.size()));
}

Result<Reply> decode(const Message& message) {
  if (message->size < sizeof(ofp_header) || ntohs(header(message)->length) != message->size) {
    return invalid(fmt::format("{} bytes received are no OpenFlow message", message->size));
  }
  if (header(message)->version != OFP14_VERSION) {
    return invalid(fmt::format("a message of OpenFlow wire version {} was received, 5 (OpenFlow 1.4) was expected",
                               header(message)->version));
  }
  ofptype type{};
  if (const ofperr error = ofptype_decode(&type, header(message)); error != 0) {
    return invalid(fmt::format("an OpenFlow message of type {} does not decode: {}", header(message)->type,
                               ofperr_to_string(error)));
  }
  Reply reply;
  reply.transaction_id = transaction_id(message);
  switch (static_cast<int>(type)) {
    case OFPTYPE_ERROR: decode_error(message, reply); break;
    case OFPTYPE_ECHO_REQUEST: reply.kind = Reply::Kind::EchoRequest; break;
    case OFPTYPE_BARRIER_REPLY: reply.kind = Reply::Kind::Barrier; break;
    case OFPTYPE_BUNDLE_CONTROL: decode_bundle_control(message, reply); break;
    case OFPTYPE_FLOW_MONITOR_STATS_REPLY:
      reply.kind = Reply::Kind::FlowUpdates;
      decode_items(message, reply,
                   [&reply](ofpbuf& item, ofpbuf& actions) { return decode_update(item, actions, reply); });
      break;
    case OFPTYPE_FLOW_STATS_REPLY:
      reply.kind = Reply::Kind::FlowStats;
      decode_items(message, reply,
                   [&reply](ofpbuf& item, ofpbuf& actions) { return decode_stats(item, actions, reply); });
      break;
    default: break;
  }
  return reply;
}

}  // namespace ml2::of
