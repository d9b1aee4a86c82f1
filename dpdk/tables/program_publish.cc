// Program's objects: ports, segments, attachments and VTEPs, made of their records and put before the workers, in an order in
// which no frame sees half of a change.
#include <algorithm>

#include "dpdk/tables/program.h"

namespace ml2::fastpath {

void Program::publish(Dirty& dirty) {
  // What goes: ports, then segments; so that no frame comes into what is half gone.
  for (const std::uint16_t id : dirty.ports)
    if (!ports_.contains(id)) publish_port(id);
  for (const std::uint16_t id : dirty.segments)
    if (!segments_.contains(id)) publish_segment(id, true);

  bool stale = !dirty.flush_segments.empty();
  for (const OutputIndex index : dirty.flush) {
    ++output_sequence_[index];
    stale = true;
  }
  std::vector<OutputIndex> released;
  for (const auto& key : dirty.attachments) {
    if (attachments_.contains(key)) {
      publish_attachment(key);
    } else if (const auto it = attachment_outputs_.find(key); it != attachment_outputs_.end()) {
      released.push_back(it->second);
      attachment_outputs_.erase(it);
    }
  }
  for (const std::uint16_t id : dirty.vteps) {
    if (vteps_.contains(id)) {
      publish_vtep(id);
    } else if (const auto it = vtep_outputs_.find(id); it != vtep_outputs_.end()) {
      released.push_back(it->second);
      vtep_outputs_.erase(it);
    }
  }
  for (const std::uint16_t id : dirty.segments)
    if (segments_.contains(id)) publish_segment(id, dirty.flush_segments.contains(id));
  for (const std::uint16_t id : dirty.ports)
    if (ports_.contains(id)) publish_port(id);
  for (const OutputIndex index : released) release(index);
  if (stale || !released.empty()) forget_stale_fdb();
}

void Program::publish_attachment(const RecordKeys::Pair& key) {
  const abi::Attachment& record = attachments_.at(key);
  const abi::Port& port = ports_.at(record.port);
  auto [it, is_new] = attachment_outputs_.emplace(key, OutputIndex{0});
  if (is_new) it->second = allocate({record.port, record.segment, 0});
  if (it->second == 0) return;
  auto output = std::make_unique<Output>();
  output->port = record.port;
  output->refuses = record.port;
  output->headroom = wire::kVlanLength;
  output->entry = pack({it->second, 0, output_sequence_[it->second]});
  output->tag_raw = __builtin_bswap16(record.vlan);
  output->max_frame = static_cast<std::uint16_t>(port.mtu + wire::kEthernetLength);
  output->plain_frame = output->max_frame;
  replace(tables_->outputs[it->second], static_cast<const Output*>(output.release()));
}

void Program::publish_vtep(std::uint16_t id) {
  const abi::Vtep& record = vteps_.at(id);
  auto [it, is_new] = vtep_outputs_.emplace(id, OutputIndex{0});
  if (is_new) it->second = allocate({0, 0, id});
  if (it->second == 0) return;
  vxlan::Outer outer;
  std::memcpy(outer.source_mac, record.source_mac, 6);
  std::memcpy(outer.destination_mac, record.next_hop_mac, 6);
  outer.ipv6 = record.ipv6 != 0;
  std::memcpy(outer.source, record.local, 16);
  std::memcpy(outer.destination, record.remote, 16);
  outer.vlan = record.vlan;
  if (record.udp_port != 0) outer.udp_port = record.udp_port;
  outer.ttl = record.ttl;
  outer.dscp = record.dscp & 0x3fU;
  outer.dont_fragment = record.allow_fragments == 0;
  outer.udp_checksum = record.udp_checksum != 0;
  auto output = std::make_unique<Output>();
  output->port = record.port;
  output->refuses = kFromTunnel;
  output->headroom = vxlan::kSlack;
  output->entry = pack({it->second, 0, output_sequence_[it->second]});
  output->tunnel = true;
  output->header = vxlan::prepare(outer);
  output->added = output->header.length;
  // The MTU counts from the outer IP header on.
  const int room = ports_.at(record.port).mtu -
                   static_cast<int>((outer.ipv6 ? vxlan::kOverheadV6 : vxlan::kOverheadV4) - wire::kEthernetLength);
  output->max_frame = static_cast<std::uint16_t>(std::max(room, 0));
  output->inherit_dscp = record.inherit_dscp != 0;
  output->identify = !outer.ipv6 && !outer.dont_fragment;
  output->unusual = outer.ipv6 || outer.udp_checksum || output->inherit_dscp || output->identify;
  output->plain_frame = output->unusual ? std::uint16_t{0} : output->max_frame;
  replace(tables_->outputs[it->second], static_cast<const Output*>(output.release()));
}

void Program::publish_segment(std::uint16_t id, bool flush) {
  if (flush) ++segment_sequence_[id];
  const auto unpublish_vni = [&] {
    if (auto it = published_vnis_.find(id); it != published_vnis_.end()) {
      if (by_vni_[it->second] == id) store_shared(by_vni_[it->second], SegmentIndex{0});
      published_vnis_.erase(it);
    }
  };
  const auto record = segments_.find(id);
  if (record == segments_.end()) {
    unpublish_vni();
    replace(tables_->segments[id], static_cast<const Segment*>(nullptr));
    return;
  }
  auto segment = std::make_unique<Segment>();
  segment->vni = record->second.vni;
  segment->sequence = segment_sequence_[id];
  segment->flood_unknown = record->second.drop_unknown == 0;
  segment->vlan_transparent = record->second.vlan_transparent != 0;
  segment->learn = record->second.learn_age != 0;
  segment->answer_neighbours = record->second.answer_neighbours != 0;
  for (const auto& [key, output] : attachment_outputs_)
    if (key.second == id && output != 0) segment->members.push_back(output);
  for (auto it = floods_.lower_bound({id, std::uint16_t{0}}); it != floods_.end() && it->first.first == id; ++it)
    if (const OutputIndex output = output_of_vtep(it->first.second); output != 0) segment->vteps.push_back(output);
  replace(tables_->segments[id], static_cast<const Segment*>(segment.release()));
  const auto published = published_vnis_.find(id);
  if (published == published_vnis_.end() || published->second != record->second.vni) {
    unpublish_vni();
    if (record->second.vni != 0) {
      store_shared(by_vni_[record->second.vni], SegmentIndex{id});
      published_vnis_[id] = record->second.vni;
    }
  }
}

void Program::publish_port(std::uint16_t id) {
  const auto record = ports_.find(id);
  if (record == ports_.end()) {
    replace(tables_->ports[id], static_cast<const Port*>(nullptr));
    return;
  }
  const abi::Port& r = record->second;
  auto port = std::make_unique<Port>();
  port->kind = r.kind == abi::PortKind::Access   ? Port::Kind::Access
               : r.kind == abi::PortKind::Tagged ? Port::Kind::Tagged
                                                 : Port::Kind::Wire;
  port->spoof_check = r.spoof_check != 0;
  port->tunnel = r.tunnel != 0;
  port->peer = r.peer != 0 ? r.peer : kNoPort;
  port->max_frame = static_cast<std::uint16_t>(r.mtu + wire::kEthernetLength + wire::kVlanLength);
  port->tunnel_vlan = r.tunnel_vlan;
  std::memcpy(&port->mac, r.mac, 6);
  port->local.ipv6 = r.local_ipv6 != 0;
  std::memcpy(port->local.address, r.local, 16);
  if (r.udp_port != 0) port->local.udp_port = r.udp_port;
  port->local.verify_udp_checksum = r.skip_udp_checksum == 0;
  if (port->tunnel && !port->local.ipv6) port->usual = vxlan::usual(port->local, r.mac, r.tunnel_vlan);
  if (r.kind == abi::PortKind::Tagged) port->by_vlan = std::make_unique<SegmentIndex[]>(kMaxVlans);
  for (auto it = attachments_.lower_bound({id, std::uint16_t{0}}); it != attachments_.end() && it->first.first == id;
       ++it) {
    if (it->second.vlan == 0) {
      port->untagged = it->second.segment;
    } else {
      port->by_vlan[it->second.vlan] = it->second.segment;
    }
  }
  if (port->tunnel) {
    auto vteps = std::make_unique<VtepIndex>();
    vteps->ipv6 = port->local.ipv6;
    std::size_t count = 0;
    for (const auto& [vtep, v] : vteps_) count += v.port == id;
    std::size_t size = 4;
    while (size < count * 4) size *= 2;
    vteps->mask = static_cast<std::uint32_t>(size - 1);
    if (vteps->ipv6) {
      vteps->ipv6_entries.resize(size);
    } else {
      vteps->ipv4_entries.resize(size);
    }
    // The first free place from the address's own on.
    const auto place = [&vteps](auto& entries, const std::uint8_t* remote) -> auto& {
      std::uint32_t at = vtep_hash(remote, vteps->ipv6);
      while (entries[at & vteps->mask].output != 0) ++at;
      return entries[at & vteps->mask];
    };
    for (const auto& [vtep, v] : vteps_) {
      const OutputIndex output = output_of_vtep(vtep);
      if (v.port != id || output == 0 || (v.ipv6 != 0) != vteps->ipv6) continue;
      if (vteps->ipv6) {
        VtepIndex::Entry6& entry = place(vteps->ipv6_entries, v.remote);
        std::memcpy(entry.address, v.remote, sizeof(entry.address));
        entry.output = output;
      } else {
        place(vteps->ipv4_entries, v.remote) = {wire::load_raw<std::uint32_t>(v.remote), output};
      }
    }
    port->vteps = std::move(vteps);
  }
  for (const auto& [key, a] : allowed_) {
    if (a.port != id) continue;
    AllowedAddress address;
    std::memcpy(&address.mac, a.mac, 6);
    address.ipv6 = a.ipv6 != 0;
    std::memcpy(address.address, a.address, 16);
    for (unsigned bit = 0; bit < a.prefix; ++bit) {
      address.mask[bit / 8] = static_cast<std::uint8_t>(address.mask[bit / 8] | 0x80U >> bit % 8);
    }
    port->allowed.push_back(address);
  }
  replace(tables_->ports[id], static_cast<const Port*>(port.release()));
}

}  // namespace ml2::fastpath
