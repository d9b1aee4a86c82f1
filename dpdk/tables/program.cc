#include "dpdk/tables/program.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "datapath/base/delta.h"

namespace ml2::fastpath {

namespace {

template <class T>
T* map_zeroed(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

template <class Record>
bool same_bytes(const Record& a, const Record& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

}  // namespace

Program::Program(GracePeriod& grace, PortDevices& devices, std::uint64_t seed)
    : devices_(devices),
      retired_(grace),
      tables_(std::make_unique<Tables>()),
      by_vni_(map_zeroed<SegmentIndex>(kMaxVnis * sizeof(SegmentIndex))),
      fdb_(retired_, seed, 1000),
      neighbour_index_(retired_, seed, 1000),
      destinations_(1),
      output_sequence_(kMaxOutputs),
      segment_sequence_(kMaxSegments),
      learned_(0, MixedHash{seed | 1U}),
      learned_in_(kMaxSegments) {
  tables_->by_vni = by_vni_;
  tables_->fdb = &fdb_.array();
  tables_->neighbour_index = &neighbour_index_.array();
}

Program::~Program() {
  for (const Port* port : tables_->ports) delete port;
  for (const Segment* segment : tables_->segments) delete segment;
  for (const Output* output : tables_->outputs) delete output;
  for (const Neighbour* neighbour : tables_->neighbours) delete neighbour;
  ::munmap(by_vni_, kMaxVnis * sizeof(SegmentIndex));
}

OutputIndex Program::allocate(Destination destination) {
  if (!free_outputs_.empty()) {
    const OutputIndex index = free_outputs_.back();
    free_outputs_.pop_back();
    destinations_[index] = destination;
    return index;
  }
  // The last index is no output's: it stands in kMiss, the answer of a look-up that finds nothing.
  if (destinations_.size() >= kMaxOutputs - 1) return 0;
  destinations_.push_back(destination);
  return static_cast<OutputIndex>(destinations_.size() - 1);
}

void Program::release(OutputIndex index) {
  replace(tables_->outputs[index], static_cast<const Output*>(nullptr));
  destinations_[index] = {};
  ++output_sequence_[index];
  free_outputs_.push_back(index);
}

OutputIndex Program::output_of_attachment(std::uint16_t port, std::uint16_t segment) const {
  const auto it = attachment_outputs_.find({port, segment});
  return it == attachment_outputs_.end() ? OutputIndex{0} : it->second;
}

OutputIndex Program::output_of_vtep(std::uint16_t vtep) const {
  const auto it = vtep_outputs_.find(vtep);
  return it == vtep_outputs_.end() ? OutputIndex{0} : it->second;
}

template <class Record>
Program::Records<Record> Program::next(const Records<Record>& now, const Batch::Changes<Record>& changes,
                                       bool full) const {
  Records<Record> wanted;
  if (!full) wanted = now;
  for (const Record& record : changes.remove) wanted.erase(RecordKeys::key(record));
  for (const Record& record : changes.put) wanted.insert_or_assign(RecordKeys::key(record), record);
  return wanted;
}

// Makes `now` what is wanted; `mark` sees each record that came, changed or went, and the digest follows.
template <class Record, class Mark>
void Program::settle(Records<Record>& now, Records<Record> wanted, abi::Kind kind, Applied& applied, Mark mark) {
  const auto changes = delta(wanted, now, same_bytes<Record>);
  for (const auto& [key, record] : changes.remove) {
    abi::subtract(digests_[index(kind)], abi::digest(record));
    mark(&record, static_cast<const Record*>(nullptr));
  }
  for (const auto& [key, record] : changes.change) {
    abi::subtract(digests_[index(kind)], abi::digest(now.at(key)));
    abi::add(digests_[index(kind)], abi::digest(record));
    mark(&now.at(key), &record);
  }
  for (const auto& [key, record] : changes.add) {
    abi::add(digests_[index(kind)], abi::digest(record));
    mark(static_cast<const Record*>(nullptr), &record);
  }
  applied.applied += static_cast<std::uint32_t>(changes.add.size() + changes.change.size() + changes.remove.size());
  now = std::move(wanted);
}

void Program::validate(Records<abi::Port>& ports, Records<abi::Segment>& segments,
                       Records<abi::Attachment>& attachments, Records<abi::Vtep>& vteps, Records<abi::Flood>& floods,
                       Records<abi::Allowed>& allowed, Applied& applied) {
  const auto keep = [&applied](auto& records, const auto& wrong) {
    for (auto it = records.begin(); it != records.end();) {
      const std::string reason = wrong(it->second);
      if (reason.empty()) {
        ++it;
      } else {
        applied.refused.push_back(reason + "; it is left out");
        it = records.erase(it);
      }
    }
  };
  keep(ports, [](const abi::Port& r) -> std::string {
    if (r.id == 0 || r.id >= kMaxPorts) return fmt::format("port {}: an id is 1 to {}", r.id, kMaxPorts - 1);
    if (r.kind > abi::PortKind::Wire)
      return fmt::format("port {}: kind {} is not known", r.id, static_cast<int>(r.kind));
    if (std::memchr(r.devargs, 0, sizeof(r.devargs)) == nullptr)
      return fmt::format("port {}: devargs has no end", r.id);
    if (r.tunnel != 0 && r.kind != abi::PortKind::Tagged)
      return fmt::format("port {}: only a tagged port ends tunnels", r.id);
    if (r.tunnel_vlan > 4094) return fmt::format("port {}: VLAN {} is not 0 to 4094", r.id, r.tunnel_vlan);
    if (r.mtu < 68 || r.mtu > 9600) return fmt::format("port {}: MTU {} is not 68 to 9600", r.id, r.mtu);
    return {};
  });
  keep(ports, [&ports](const abi::Port& r) -> std::string {
    if ((r.peer != 0 || r.kind == abi::PortKind::Wire) && !ports.contains(r.peer)) {
      return fmt::format("port {}: its peer, port {}, is not there", r.id, r.peer);
    }
    return {};
  });
  std::map<std::uint32_t, std::uint16_t> vnis;
  keep(segments, [&vnis](const abi::Segment& r) -> std::string {
    if (r.id == 0) return "segment 0: an id is 1 to 65535";
    if (r.vni > vxlan::kMaxVni) return fmt::format("segment {}: VNI {} is more than 24 bits", r.id, r.vni);
    if (r.vni != 0 && !vnis.emplace(r.vni, r.id).second) {
      return fmt::format("segment {}: VNI {} is segment {}'s", r.id, r.vni, vnis.at(r.vni));
    }
    return {};
  });
  std::set<std::pair<std::uint16_t, std::uint16_t>> vlans;
  keep(attachments, [&](const abi::Attachment& r) -> std::string {
    const auto port = ports.find(r.port);
    if (port == ports.end())
      return fmt::format("attachment of port {} to segment {}: no such port", r.port, r.segment);
    if (!segments.contains(r.segment)) {
      return fmt::format("attachment of port {} to segment {}: no such segment", r.port, r.segment);
    }
    if (port->second.kind == abi::PortKind::Wire || (port->second.kind == abi::PortKind::Access && r.vlan != 0) ||
        r.vlan > 4094) {
      return fmt::format("attachment of port {} to segment {}: VLAN {} is not for this kind of port", r.port,
                         r.segment, r.vlan);
    }
    if (!vlans.emplace(r.port, r.vlan).second) {
      return fmt::format("attachment of port {} to segment {}: VLAN {} is another segment's there", r.port, r.segment,
                         r.vlan);
    }
    return {};
  });
  std::set<std::array<std::uint8_t, 18>> remotes;
  keep(vteps, [&](const abi::Vtep& r) -> std::string {
    const auto port = ports.find(r.port);
    if (r.id == 0) return "VTEP 0: an id is 1 to 65535";
    if (port == ports.end()) return fmt::format("VTEP {}: no such port: {}", r.id, r.port);
    if (r.vlan > 4094) return fmt::format("VTEP {}: VLAN {} is not 0 to 4094", r.id, r.vlan);
    std::array<std::uint8_t, 18> remote{static_cast<std::uint8_t>(r.port >> 8U), static_cast<std::uint8_t>(r.port)};
    std::copy(std::begin(r.remote), std::end(r.remote), remote.begin() + 2);
    if (!remotes.insert(remote).second) return fmt::format("VTEP {}: another VTEP has its address", r.id);
    return {};
  });
  keep(floods, [&](const abi::Flood& r) -> std::string {
    const auto segment = segments.find(r.segment);
    if (segment == segments.end() || segment->second.vni == 0 || !vteps.contains(r.vtep)) {
      return fmt::format("flood of segment {} to VTEP {}: no such VTEP, or no segment with a VNI", r.segment, r.vtep);
    }
    return {};
  });
  keep(allowed, [&](const abi::Allowed& r) -> std::string {
    if (!ports.contains(r.port) || r.prefix > (r.ipv6 != 0 ? 128 : 32)) {
      return fmt::format("allowed address of port {}: no such port, or prefix length {}", r.port, r.prefix);
    }
    return {};
  });
}

Applied Program::apply(Batch batch) {
  Applied applied;
  // Most deltas are about stations only; they cost nothing of what the network's size is.
  const auto none = [](const auto&... changes) { return (... && (changes.put.empty() && changes.remove.empty())); };
  if (batch.full || !none(batch.ports, batch.segments, batch.attachments, batch.vteps, batch.floods, batch.allowed)) {
    apply_objects(batch, applied);
  }
  apply_fdb(batch.fdb, batch.full, applied);
  apply_neighbours(batch.neighbours, batch.full, batch.full || !none(batch.segments), applied);
  devices_.serve();
  generation_ = batch.generation;
  retired_.run();
  return applied;
}

void Program::apply_objects(const Batch& batch, Applied& applied) {
  auto ports = next(ports_, batch.ports, batch.full);
  auto segments = next(segments_, batch.segments, batch.full);
  auto attachments = next(attachments_, batch.attachments, batch.full);
  auto vteps = next(vteps_, batch.vteps, batch.full);
  auto floods = next(floods_, batch.floods, batch.full);
  auto allowed = next(allowed_, batch.allowed, batch.full);

  validate(ports, segments, attachments, vteps, floods, allowed, applied);
  // Devices first: a port whose device does not open is not there for the rest.
  std::set<std::uint16_t> open;
  for (const auto& [id, port] : ports_) open.insert(id);
  for (auto it = ports.begin(); it != ports.end();) {
    auto& [id, port] = *it;
    Status opened;
    if (const auto now = ports_.find(id); now == ports_.end()) {
      opened = devices_.open(port);
      if (opened) open.insert(id);
    } else if (std::memcmp(now->second.devargs, port.devargs, sizeof(port.devargs)) != 0 ||
               now->second.queues != port.queues) {
      // Closed in this round and opened when the client sends it again: a device never has two masters.
      opened = transient("its device changes, so it is closed now; send it again");
    } else if (now->second.mtu != port.mtu) {
      if (const auto changed = devices_.change(port); !changed) {
        applied.refused.push_back(
            fmt::format("port {}: {}; its MTU stays {}", id, changed.error().message, now->second.mtu));
        port.mtu = now->second.mtu;
      }
    }
    if (opened) {
      ++it;
    } else {
      applied.refused.push_back(fmt::format("port {}: {}", id, opened.error().message));
      it = ports.erase(it);
    }
  }
  // Again, without a word, for what stood on a port that is not there after all.
  Applied silent;
  validate(ports, segments, attachments, vteps, floods, allowed, silent);
  std::vector<std::uint16_t> close;
  for (const std::uint16_t id : open)
    if (!ports.contains(id)) close.push_back(id);

  Dirty dirty;
  settle(attachments_, std::move(attachments), abi::Kind::Attachment, applied, [&](const auto* old, const auto* now) {
    const abi::Attachment& record = now != nullptr ? *now : *old;
    dirty.attachments.insert(RecordKeys::key(record));
    dirty.ports.insert(record.port);
    dirty.segments.insert(record.segment);
  });
  settle(vteps_, std::move(vteps), abi::Kind::Vtep, applied, [&](const auto* old, const auto* now) {
    for (const abi::Vtep* record : {old, now}) {
      if (record == nullptr) continue;
      dirty.vteps.insert(record->id);
      dirty.ports.insert(record->port);
    }
  });
  settle(floods_, std::move(floods), abi::Kind::Flood, applied, [&](const auto* old, const auto* now) {
    dirty.segments.insert(now != nullptr ? now->segment : old->segment);
  });
  settle(allowed_, std::move(allowed), abi::Kind::Allowed, applied,
         [&](const auto* old, const auto* now) { dirty.ports.insert(now != nullptr ? now->port : old->port); });
  settle(segments_, std::move(segments), abi::Kind::Segment, applied, [&](const auto* old, const auto* now) {
    if (old != nullptr && old->learn_age != 0) --learning_segments_;
    if (now != nullptr && now->learn_age != 0) ++learning_segments_;
    dirty.segments.insert(now != nullptr ? now->id : old->id);
    if (now == nullptr || (old != nullptr && old->flush != now->flush)) dirty.flush_segments.insert(old->id);
  });
  settle(ports_, std::move(ports), abi::Kind::Port, applied, [&](const auto* old, const auto* now) {
    const std::uint16_t id = now != nullptr ? now->id : old->id;
    dirty.ports.insert(id);
    const bool flush = old != nullptr && now != nullptr && old->flush != now->flush;
    for (const auto& [key, record] : attachments_) {
      if (record.port != id) continue;
      dirty.attachments.insert(key);
      if (flush) dirty.flush.insert(output_of_attachment(key.first, key.second));
    }
    for (const auto& [vtep, record] : vteps_) {
      if (record.port != id) continue;
      dirty.vteps.insert(vtep);
      if (flush) dirty.flush.insert(output_of_vtep(vtep));
    }
  });
  publish(dirty);
  for (const std::uint16_t id : close) devices_.close(id);
}

abi::State Program::state() const {
  abi::State state;
  state.generation = generation_;
  std::copy(digests_.begin(), digests_.end(), state.digests);
  const auto count = [&state](abi::Kind kind, std::size_t entries) { state.entries[index(kind)] = entries; };
  count(abi::Kind::Port, ports_.size());
  count(abi::Kind::Segment, segments_.size());
  count(abi::Kind::Attachment, attachments_.size());
  count(abi::Kind::Vtep, vteps_.size());
  count(abi::Kind::Flood, floods_.size());
  count(abi::Kind::Allowed, allowed_.size());
  count(abi::Kind::Fdb, fdb_.size() - learned_.size());
  count(abi::Kind::Neighbour, neighbour_index_.size());
  return state;
}

}  // namespace ml2::fastpath
