#include "dpdk/process/trace.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

#include "datapath/base/text.h"
#include "datapath/tunnel/wire.h"
#include "dpdk/process/rows.h"

namespace ml2::fastpath {
namespace {

constexpr std::size_t kRoom = 256;  // before the frame, for an outer header
constexpr std::size_t kMaxFrame = 9700;

struct Question {
  PortIndex port = 0;
  std::vector<std::uint8_t> memory;  // kRoom bytes, then the frame
};

Result<Question> read(std::string_view argument) {
  const auto words = text::split(argument, ' ');
  const auto port = words.empty() ? std::nullopt : text::to_int(words[0]);
  if (words.size() != 2 || !port || *port < 1 || *port >= static_cast<std::int64_t>(kMaxPorts) ||
      words[1].size() % 2 != 0) {
    return invalid("trace: expected a port's id and a frame in hexadecimal: trace 3 ffffffffffff...");
  }
  if (words[1].size() / 2 > kMaxFrame) return invalid(fmt::format("trace: a frame of at most {} bytes", kMaxFrame));
  Question question{.port = static_cast<PortIndex>(*port),
                    .memory = std::vector<std::uint8_t>(kRoom + words[1].size() / 2)};
  for (std::size_t i = 0; i < words[1].size() / 2; ++i) {
    const char* at = words[1].data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, question.memory[kRoom + i], 16);
    if (error != std::errc() || end != at + 2) return invalid("trace: the frame is not hexadecimal");
  }
  return question;
}

std::string end_of(const Frame& frame) {
  if (frame.dropped) {
    const auto reason = static_cast<std::size_t>(frame.drop);
    return fmt::format("{{\"step\":\"drop\",\"reason\":\"{}\",\"meaning\":{}}}", kDropNames[reason],
                       in_quotes(kDropSentences[reason]));
  }
  std::string hex;
  for (std::uint32_t i = 0; i < frame.length; ++i) hex += fmt::format("{:02x}", frame.data[i]);
  return fmt::format("{{\"step\":\"send\",\"port\":{},\"length\":{},\"frame\":\"{}\"}}", frame.port, frame.length,
                     hex);
}

// Copies of a broadcast, and answers; they are told as they are sent.
struct Tracer : Sink {
  std::vector<std::vector<std::uint8_t>> buffers;
  std::vector<std::string> sent;

  Tracer() {
    copy = [](Sink* sink, const Frame& from, std::uint16_t, Frame* to) {
      std::uint8_t* data = static_cast<Tracer*>(sink)->room_for(from.length);
      std::memcpy(data, from.data, from.length);
      to->start(data, from.length, kRoom, nullptr);
      return true;
    };
    allocate = [](Sink* sink, std::uint32_t length, std::uint16_t, Frame* to) {
      to->start(static_cast<Tracer*>(sink)->room_for(length), length, kRoom, nullptr);
      return true;
    };
    learn = [](Sink*, std::uint64_t, std::uint32_t, bool) { return false; };
    now_ms = [](Sink*) { return std::uint64_t{1000000}; };
    send = [](Sink* sink, const Frame& frame) { static_cast<Tracer*>(sink)->sent.push_back(end_of(frame)); };
  }
  std::uint8_t* room_for(std::uint32_t length) { return buffers.emplace_back(kRoom + length).data() + kRoom; }
};

// Where the frame begins that the FDB is asked about: behind the outer header of one that was taken apart.
std::size_t inner_offset(const std::uint8_t* data, std::size_t length) {
  std::size_t ip = wire::kEthernetLength;
  if (length >= ip + wire::kVlanLength && wire::load16(data + ip - 2) == wire::kTypeVlan) ip += wire::kVlanLength;
  const bool ipv6 = length >= ip && wire::load16(data + ip - 2) == wire::kTypeIpv6;
  return ip + (ipv6 ? wire::kIpv6Length : wire::kIpv4Length) + wire::kUdpLength + vxlan::kLength;
}

// What one frame has met, read off the counters that it alone has moved.
class Decisions {
 public:
  Decisions(const ControlParts& parts, const Counters& counters, const EmitRow& emit)
      : program_(*parts.program), counters_(counters), emit_(emit) {}

  void received(PortIndex port, std::uint32_t length) {
    const auto record = program_.ports().find(port);
    kind_ = record == program_.ports().end() ? "" : kind_text(record->second.kind);
    emit_(fmt::format(
        "{{\"step\":\"receive\",\"port\":{},\"length\":{},\"meaning\":{}}}", port, length,
        in_quotes(record == program_.ports().end() ? "there is no such port"
                                                   : fmt::format("{} port {}", kind_, record->second.devargs))));
  }
  // Whether the frame was a tunnel packet for us.
  bool decapsulated() {
    for (const auto& [id, vtep] : program_.vteps()) {
      if (counters_.from_vteps[program_.output_of_vtep(id)].packets == 0) continue;
      emit_(fmt::format("{{\"step\":\"decapsulate\",\"vtep\":{},\"remote\":\"{}\",\"meaning\":\"from VTEP {}\"}}", id,
                        ip_text(vtep.remote, vtep.ipv6 != 0), ip_text(vtep.remote, vtep.ipv6 != 0)));
      return true;
    }
    return false;
  }
  // The segment that it was accepted into; 0: none.
  std::uint16_t accepted() {
    for (const auto& [id, segment] : program_.segments()) {
      if (counters_.segments[id].packets == 0) continue;
      emit_(fmt::format("{{\"step\":\"segment\",\"segment\":{},\"vni\":{}}}", id, segment.vni));
      return id;
    }
    return 0;
  }
  void checked(PortIndex port) {
    const auto record = program_.ports().find(port);
    if (record == program_.ports().end() || record->second.kind != abi::PortKind::Access) return;
    emit_(fmt::format("{{\"step\":\"anti-spoofing\",\"port\":{},\"meaning\":\"{}\"}}", port,
                      record->second.spoof_check != 0 ? "its source is one that the port was given"
                                                      : "off: the port may send from any address"));
  }
  void handled(PortIndex port) {
    if (counters_.ports[port].answered != 0)
      emit_("{\"step\":\"answer\",\"meaning\":\"ARP or neighbour discovery, in place\"}");
    if (counters_.ports[port].exception != 0)
      emit_("{\"step\":\"exception\",\"meaning\":\"not ours: to the other end\"}");
  }
  void looked_up(std::uint16_t segment, const std::uint8_t* mac) {
    std::string told = fmt::format("{{\"step\":\"fdb\",\"segment\":{},\"mac\":\"{}\"", segment, mac_text(mac));
    std::string meaning;
    const auto entry = program_.find_fdb(segment, mac);
    if ((mac[0] & 1U) != 0) {
      meaning = "a group's address: to all of the segment";
    } else if (!entry) {
      meaning = program_.segments().at(segment).drop_unknown == 0 ? "not known: to all of the segment"
                                                                  : "not known, and the segment does not flood";
    } else if (entry->vtep != 0) {
      told += fmt::format(",\"vtep\":{}", entry->vtep);
      meaning = "known: behind a VTEP";
    } else {
      told += fmt::format(",\"port\":{}", entry->port);
      meaning = "known: at a port here";
    }
    emit_(fmt::format("{},\"meaning\":\"{}\"}}", told, meaning));
  }
  void put_before(std::uint16_t segment) {
    for (const auto& [id, vtep] : program_.vteps()) {
      if (counters_.outputs[program_.output_of_vtep(id)].packets == 0) continue;
      emit_(
          fmt::format("{{\"step\":\"encapsulate\",\"vtep\":{},\"port\":{},\"remote\":\"{}\",\"meaning\":\"VNI {} to "
                      "{} by next hop {}\"}}",
                      id, vtep.port, ip_text(vtep.remote, vtep.ipv6 != 0), program_.segments().at(segment).vni,
                      ip_text(vtep.remote, vtep.ipv6 != 0), mac_text(vtep.next_hop_mac)));
    }
    for (const auto& [key, attachment] : program_.attachments()) {
      const OutputIndex output = program_.output_of_attachment(attachment.port, attachment.segment);
      if (attachment.vlan == 0 || counters_.outputs[output].packets == 0) continue;
      emit_(fmt::format("{{\"step\":\"tag\",\"port\":{},\"meaning\":\"VLAN {} is put on\"}}", attachment.port,
                        attachment.vlan));
    }
  }

 private:
  const Program& program_;
  const Counters& counters_;
  const EmitRow& emit_;
  std::string kind_;
};

}  // namespace

Status trace(ControlParts& parts, std::string_view argument, const EmitRow& emit) {
  Result<Question> question = read(argument);
  if (!question) return forward_error(question);
  const std::vector<std::uint8_t> original(question->memory.begin() + kRoom, question->memory.end());
  const auto counters = std::make_unique<Counters>();
  Tracer tracer;
  Frame frame;
  frame.start(question->memory.data() + kRoom, static_cast<std::uint32_t>(original.size()), kRoom, nullptr);
  Walk walk{&parts.program->tables(), counters.get(), &tracer};
  parts.walk(walk, question->port, &frame, 1);

  Decisions decisions(parts, *counters, emit);
  decisions.received(question->port, static_cast<std::uint32_t>(original.size()));
  const std::size_t begins = decisions.decapsulated() ? inner_offset(original.data(), original.size()) : 0;
  const std::uint16_t segment = decisions.accepted();
  if (segment != 0) decisions.checked(question->port);
  decisions.handled(question->port);
  const bool handled = counters->ports[question->port].answered != 0;
  if (segment != 0 && !handled && begins + 6 <= original.size()) {
    decisions.looked_up(segment, original.data() + begins);
    decisions.put_before(segment);
  }
  if (!tracer.sent.empty() && !handled)
    emit(fmt::format("{{\"step\":\"flood\",\"copies\":{}}}", tracer.sent.size() + 1));
  for (const std::string& row : tracer.sent) emit(row);
  emit(end_of(frame));
  return {};
}

}  // namespace ml2::fastpath
