#include "datapath/openflow/codec.h"

#include <config.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "byte-order.h"
#include "datapath/base/text.h"
#include "datapath/openflow/codec_print.h"
#include "openvswitch/ofp-errors.h"
// ofp-errors.h first: the next ones need it.
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofpbuf.h"

namespace ml2::of {
namespace {

// An OpenFlow message's length has 16 bits; a flow mod travels inside a bundle-add message (16 bytes of header).
constexpr std::size_t kMaxFlowMod = 65535 - 16 - 8;
// Longer text cannot become a flow mod that fits; libopenvswitch's parser ends the process on much longer ones.
constexpr std::size_t kMaxText = 100'000;
constexpr std::uint8_t kTables = 255;

// A parsed flow mod; frees what the parser allocated.
struct ParsedFlowMod {
  ofputil_flow_mod fm{};
  bool valid = false;

  ParsedFlowMod() = default;
  ParsedFlowMod(const ParsedFlowMod&) = delete;
  ParsedFlowMod& operator=(const ParsedFlowMod&) = delete;
  ~ParsedFlowMod() {
    if (!valid) return;
    minimatch_destroy(&fm.match);
    std::free(fm.ofpacts);
  }
};

tl::unexpected<Error> refuse(const FlowMod& mod, const std::string& why) {
  return invalid(fmt::format("flow \"{}\" cannot be used: {}", text::printable(to_text(mod.key, mod.body)), why));
}

std::uint16_t ovs_command(FlowMod::Command command) {
  switch (command) {
    case FlowMod::Command::Add: return OFPFC_ADD;
    case FlowMod::Command::Modify: return OFPFC_MODIFY_STRICT;
    case FlowMod::Command::Delete: return OFPFC_DELETE_STRICT;
  }
  return OFPFC_ADD;
}

// Fields that Open vSwitch ignores because what they need is not in the match, as text; empty when there are none.
std::string ignored_fields(const match& given) {
  match kept = given;
  ofputil_normalize_match_quiet(&kept);
  if (flow_wildcards_equal(&kept.wc, &given.wc)) return {};
  const std::string rest = format_match(kept);
  return fmt::format("it would match {}, not what is written; a packet type (ip, ipv6, tcp, icmp6...) is missing",
                     rest.empty() ? "everything" : "\"" + rest + "\"");
}

Status parse(const FlowMod& mod, ParsedFlowMod& parsed) {
  const bool with_actions = mod.command != FlowMod::Command::Delete;
  if (mod.key.match.size() + mod.body.actions.size() > kMaxText) {
    return refuse(mod, fmt::format("it is longer than {} characters", kMaxText));
  }
  for (const std::string_view part : {mod.key.match.view(), mod.body.actions.view()}) {
    if (part.find('\0') != std::string_view::npos) return refuse(mod, "it holds a zero byte");
  }
  // The parser looks for the first "action" in the line.
  if (mod.key.match.view().find("action") != std::string_view::npos) return refuse(mod, "the match names actions");

  std::string line = fmt::format("table={},{}", mod.key.table, mod.key.match);
  if (with_actions) line.append(" actions=").append(mod.body.actions.view());
  ofputil_protocol usable{};
  char* error = parse_ofp_str(&parsed.fm, ovs_command(mod.command), line.c_str(), nullptr, nullptr, &usable);
  if (error != nullptr) {
    const std::string why = text::trim(error).empty() ? "it does not parse" : std::string(text::trim(error));
    std::free(error);
    return refuse(mod, why);
  }
  parsed.valid = true;

  ofputil_flow_mod& fm = parsed.fm;
  const bool only_match = fm.table_id == mod.key.table && fm.priority == OFP_DEFAULT_PRIORITY && fm.flags == 0 &&
                          fm.idle_timeout == 0 && fm.hard_timeout == 0 && fm.importance == 0 && fm.cookie == 0 &&
                          fm.cookie_mask == 0 && fm.new_cookie == 0 && fm.out_port == OFPP_ANY &&
                          fm.out_group == OFPG_ANY;
  if (!only_match) return refuse(mod, "the match may name packet fields only");
  if ((usable & OFPUTIL_P_OF14_OXM) == 0) return refuse(mod, "OpenFlow 1.4 cannot express it");

  match given;
  minimatch_expand(&fm.match, &given);
  if (const std::string why = ignored_fields(given); !why.empty()) return refuse(mod, why);

  fm.priority = mod.key.priority;
  if (mod.command == FlowMod::Command::Add) {
    fm.new_cookie = htonll(mod.body.cookie);
    fm.idle_timeout = mod.body.idle_timeout;
    fm.hard_timeout = mod.body.hard_timeout;
  }
  return {};
}

Result<EncodedFlowMod> encode_anew(const FlowMod& mod) {
  ParsedFlowMod parsed;
  if (const Status status = parse(mod, parsed); !status) return forward_error(status);

  Message message(ofputil_encode_flow_mod(&parsed.fm, OFPUTIL_P_OF14_OXM));
  if (message->size > kMaxFlowMod) {
    return refuse(mod, fmt::format("its message has {} bytes, {} are allowed", message->size, kMaxFlowMod));
  }

  // As ovs-vswitchd reads it (ofproto/ofproto.c, handle_bundle_add()).
  std::uint64_t stub[128];
  ofpbuf actions;
  ofpbuf_use_stub(&actions, stub, sizeof stub);
  ofputil_flow_mod seen{};
  const enum ofperr refused =
      ofputil_decode_flow_mod(&seen, static_cast<const ofp_header*>(message->data), OFPUTIL_P_OF14_OXM, nullptr,
                              nullptr, &actions, OFPP_MAX, kTables);
  if (refused != 0) {
    ofpbuf_uninit(&actions);
    return refuse(mod, ofperr_to_string(refused));
  }
  match fields;
  minimatch_expand(&seen.match, &fields);
  minimatch_destroy(&seen.match);

  FlowMod canonical{.command = mod.command,
                    .key = {.table = mod.key.table, .priority = mod.key.priority, .match = format_match(fields)},
                    .body = {}};
  if (mod.command != FlowMod::Command::Delete) {
    canonical.body = mod.body;
    canonical.body.actions = format_actions(seen.ofpacts, seen.ofpacts_len);
  }
  ofpbuf_uninit(&actions);
  if (canonical == mod) canonical = mod;  // of the same words, those that are there already
  return EncodedFlowMod{.message = std::move(message), .canonical = std::move(canonical)};
}

// The flow mods that canonical() encoded last, for encode() to take.
class KeptMessages {
 public:
  void keep(EncodedFlowMod encoded) {
    kept_[next_] = std::move(encoded);
    next_ = (next_ + 1) % kept_.size();
  }
  std::optional<EncodedFlowMod> take(const FlowMod& mod) {
    for (EncodedFlowMod& encoded : kept_) {
      if (encoded.message == nullptr || encoded.canonical != mod) continue;
      return EncodedFlowMod{.message = std::move(encoded.message), .canonical = std::exchange(encoded.canonical, {})};
    }
    return std::nullopt;
  }

 private:
  std::array<EncodedFlowMod, 32> kept_;  // a port's flows
  std::size_t next_ = 0;
};
thread_local KeptMessages kept_messages;

}  // namespace

void MessageDelete::operator()(ofpbuf* message) const { ofpbuf_delete(message); }

Result<EncodedFlowMod> encode(const FlowMod& mod) {
  if (auto kept = kept_messages.take(mod)) return std::move(*kept);
  return encode_anew(mod);
}

Result<std::pair<FlowKey, FlowBody>> canonical(const FlowKey& key, const FlowBody& body) {
  auto encoded = encode_anew({.command = FlowMod::Command::Add, .key = key, .body = body});
  if (!encoded) return forward_error(encoded);
  auto flow = std::pair(encoded->canonical.key, encoded->canonical.body);
  kept_messages.keep(std::move(*encoded));
  return flow;
}

Result<FlowSet> canonical(const FlowSet& flows) {
  FlowSet result;
  for (const auto& [key, body] : flows) {
    auto flow = canonical(key, body);
    if (!flow) return forward_error(flow);
    const auto [at, inserted] = result.insert(std::move(*flow));
    if (!inserted) {
      return invalid(fmt::format("flow \"{}\" is written twice, in different spellings, with the same meaning",
                                 text::printable(to_text(key, body))));
    }
  }
  return result;
}

}  // namespace ml2::of
