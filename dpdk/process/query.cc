// The questions that ml2ctl asks: one JSON object per row.
#include <fmt/format.h>

#include <charconv>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/text.h"
#include "dpdk/process/control.h"
#include "dpdk/process/rows.h"
#include "dpdk/process/trace.h"

namespace ml2::fastpath {

namespace {

// Sums over all workers.
class Sums {
 public:
  explicit Sums(const ControlParts& parts) : all_(parts.counters()) {}
  template <class Member>
  [[nodiscard]] std::uint64_t of(const Member& member) const {
    std::uint64_t sum = 0;
    for (const Counters* counters : all_) sum += __atomic_load_n(&member(*counters), __ATOMIC_RELAXED);
    return sum;
  }
  // "name_packets":1,"name_bytes":2
  template <class Member>
  [[nodiscard]] std::string pair(const char* name, const Member& member) const {
    return fmt::format("\"{0}_packets\":{1},\"{0}_bytes\":{2}", name,
                       of([&](const Counters& c) -> const std::uint64_t& { return member(c).packets; }),
                       of([&](const Counters& c) -> const std::uint64_t& { return member(c).bytes; }));
  }
  [[nodiscard]] std::uint64_t drops(std::uint16_t port, std::size_t reason) const {
    return of([&](const Counters& c) -> const std::uint64_t& { return c.ports[port].drops[reason]; });
  }

 private:
  std::vector<const Counters*> all_;
};

void show(ControlParts& parts, const EmitRow& emit) {
  const abi::State state = parts.program->state();
  const auto entries = [&state](abi::Kind kind) { return state.entries[index(kind)]; };
  emit(fmt::format(
      "{{\"protocol\":{},\"boot\":\"{:016x}\",\"generation\":{},\"ports\":{},\"segments\":{},\"vteps\":{},"
      "\"fdb\":{},\"learned\":{},\"learn_refused\":{},\"neighbours\":{},\"table_bytes\":{},{}}}",
      abi::kVersion, parts.boot, state.generation, entries(abi::Kind::Port), entries(abi::Kind::Segment),
      entries(abi::Kind::Vtep), entries(abi::Kind::Fdb), parts.program->learned(), parts.program->learn_refused(),
      entries(abi::Kind::Neighbour), parts.program->memory_bytes(), parts.process_members()));
}

void ports(ControlParts& parts, const EmitRow& emit) {
  const Sums sums(parts);
  for (const auto& [id, port] : parts.program->ports()) {
    std::uint64_t dropped = 0;
    for (std::size_t reason = 0; reason < kDrops; ++reason) dropped += sums.drops(id, reason);
    const auto at = [id = id](const Counters& c) -> const PortCounters& { return c.ports[id]; };
    emit(fmt::format(
        "{{\"port\":{},\"kind\":\"{}\",\"device\":{},\"mtu\":{},\"spoof_check\":{},{},{},{},\"dropped\":{},"
        "\"answered\":{},\"exception\":{}}}",
        id, kind_text(port.kind), in_quotes(port.devargs), port.mtu, port.spoof_check != 0, parts.port_members(id),
        sums.pair("rx", [&](const Counters& c) -> const PacketsBytes& { return at(c).received; }),
        sums.pair("tx", [&](const Counters& c) -> const PacketsBytes& { return at(c).sent; }), dropped,
        sums.of([&](const Counters& c) -> const std::uint64_t& { return at(c).answered; }),
        sums.of([&](const Counters& c) -> const std::uint64_t& { return at(c).exception; })));
  }
}

void segments(ControlParts& parts, const EmitRow& emit) {
  const Sums sums(parts);
  for (const auto& [id, segment] : parts.program->segments()) {
    std::string members;
    for (const auto& [key, attachment] : parts.program->attachments()) {
      if (key.second != id) continue;
      members += fmt::format("{}{}", members.empty() ? "" : " ", key.first);
      if (attachment.vlan != 0) members += fmt::format(".{}", attachment.vlan);
    }
    emit(
        fmt::format("{{\"segment\":{},\"vni\":{},\"ports\":{},\"flood_unknown\":{},\"answer_neighbours\":{},{}}}", id,
                    segment.vni, in_quotes(members), segment.drop_unknown == 0, segment.answer_neighbours != 0,
                    sums.pair("in", [id = id](const Counters& c) -> const PacketsBytes& { return c.segments[id]; })));
  }
}

void vteps(ControlParts& parts, const EmitRow& emit) {
  const Sums sums(parts);
  for (const auto& [id, vtep] : parts.program->vteps()) {
    const OutputIndex output = parts.program->output_of_vtep(id);
    emit(fmt::format(
        "{{\"vtep\":{},\"remote\":\"{}\",\"local\":\"{}\",\"port\":{},\"next_hop\":\"{}\",{},{}}}", id,
        ip_text(vtep.remote, vtep.ipv6 != 0), ip_text(vtep.local, vtep.ipv6 != 0), vtep.port,
        mac_text(vtep.next_hop_mac),
        sums.pair("out", [output](const Counters& c) -> const PacketsBytes& { return c.outputs[output]; }),
        sums.pair("in", [output](const Counters& c) -> const PacketsBytes& { return c.from_vteps[output]; })));
  }
}

void drops(ControlParts& parts, const EmitRow& emit) {
  const Sums sums(parts);
  // Also of ports that are gone: their frames were dropped all the same.
  for (std::size_t id = 0; id < kMaxPorts; ++id) {
    for (std::size_t reason = 0; reason < kDrops; ++reason) {
      const std::uint64_t packets = sums.drops(static_cast<std::uint16_t>(id), reason);
      if (packets == 0) continue;
      emit(fmt::format("{{\"port\":{},\"reason\":\"{}\",\"packets\":{},\"meaning\":{}}}", id, kDropNames[reason],
                       packets, in_quotes(kDropSentences[reason])));
    }
  }
}

// NICs, and what else leads to other hosts, of which the link is not up. Machines come and go: theirs stand in `ports`.
void links(ControlParts& parts, const EmitRow& emit) {
  for (const auto& [id, port] : parts.program->ports()) {
    if (port.kind == abi::PortKind::Access) continue;
    const std::string trouble = parts.link_trouble(id);
    if (trouble.empty()) continue;
    emit(
        fmt::format("{{\"port\":{},\"device\":{},\"trouble\":{}}}", id, in_quotes(port.devargs), in_quotes(trouble)));
  }
}

// What each worker did, all ports together: how evenly they share the work.
void stats(ControlParts& parts, const EmitRow& emit) {
  std::size_t worker = 0;
  for (const Counters* counters : parts.counters()) {
    PacketsBytes received;
    PacketsBytes sent;
    std::uint64_t answered = 0;
    std::uint64_t exception = 0;
    std::uint64_t dropped = 0;
    const auto read = [](const std::uint64_t& counter) { return __atomic_load_n(&counter, __ATOMIC_RELAXED); };
    for (const PortCounters& port : counters->ports) {
      received.packets += read(port.received.packets);
      received.bytes += read(port.received.bytes);
      sent.packets += read(port.sent.packets);
      sent.bytes += read(port.sent.bytes);
      answered += read(port.answered);
      exception += read(port.exception);
      for (const std::uint64_t& drop : port.drops) dropped += read(drop);
    }
    emit(fmt::format(
        "{{\"worker\":{},\"rx_packets\":{},\"rx_bytes\":{},\"tx_packets\":{},\"tx_bytes\":{},"
        "\"dropped\":{},\"answered\":{},\"exception\":{}}}",
        worker++, received.packets, received.bytes, sent.packets, sent.bytes, dropped, answered, exception));
  }
}

Status fdb(ControlParts& parts, std::string_view argument, const EmitRow& emit) {
  std::optional<std::int64_t> segment;
  if (!argument.empty()) {
    segment = text::to_int(argument);
    if (!segment) return invalid(fmt::format("fdb {}: a segment's id was expected", text::printable(argument)));
  }
  parts.program->for_each_fdb([&](const abi::Fdb& record) {
    if (!segment || *segment == record.segment) {
      emit(fmt::format("{{\"segment\":{},\"mac\":\"{}\",\"port\":{},\"vtep\":{},\"learned\":false}}", record.segment,
                       mac_text(record.mac), record.port, record.vtep));
    }
    return true;
  });
  parts.program->for_each_learned([&](const abi::Fdb& record, std::uint64_t second) {
    if (segment && *segment != record.segment) return;
    const std::uint64_t now = parts.second ? parts.second() : second;
    emit(fmt::format("{{\"segment\":{},\"mac\":\"{}\",\"port\":{},\"vtep\":{},\"learned\":true,\"age\":{}}}",
                     record.segment, mac_text(record.mac), record.port, record.vtep, now - second));
  });
  return {};
}

}  // namespace

Status answer_query(ControlParts& parts, const std::string& question, const EmitRow& emit) {
  const auto space = question.find(' ');
  const std::string word = question.substr(0, space);
  const std::string argument = space == std::string::npos ? "" : question.substr(space + 1);
  if (word == "show") return show(parts, emit), Status();
  if (word == "ports") return ports(parts, emit), Status();
  if (word == "segments") return segments(parts, emit), Status();
  if (word == "vteps") return vteps(parts, emit), Status();
  if (word == "drops") return drops(parts, emit), Status();
  if (word == "links") return links(parts, emit), Status();
  if (word == "stats") return stats(parts, emit), Status();
  if (word == "fdb") return fdb(parts, argument, emit);
  if (word == "trace") return trace(parts, argument, emit);
  return invalid(
      fmt::format("{}: not a question; show, ports, segments, vteps, fdb, stats, drops, links, trace and capture are",
                  text::printable(word)));
}

}  // namespace ml2::fastpath
