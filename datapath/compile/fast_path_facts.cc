// Facts for the fast path: devices, the underlay's link, next hops of VTEPs, and the ids that are in use.
#include <string_view>
#include <utility>

#include "datapath/compile/compile.h"
#include "datapath/compile/fast_path_ids.h"
#include "datapath/compile/fast_path_reading.h"
#include "datapath/netlink/next_hop.h"

namespace ml2 {
namespace {

constexpr std::string_view kTap = "tap";

// Those that may be ports of ours, in the order of their names.
template <class Visit>
void for_each_link(const nl::Snapshot& kernel, Visit visit) {
  const auto offer = [&](const std::pair<const std::string, IfIndex>& entry) {
    const nl::Link* link = nl::find_link(kernel, entry.second);
    if (link != nullptr) visit(entry.first, FastPathLink{link->mac, link->mtu});
  };
  static_assert(std::string_view(kFastPathPatchPeer) < std::string_view(kFastPathPatch));
  static_assert(std::string_view(kFastPathPatch) < kTap);
  for (const char* name : {kFastPathPatchPeer, kFastPathPatch}) {
    if (const auto found = kernel.link_names.find(name); found != kernel.link_names.end()) offer(*found);
  }
  for (auto at = kernel.link_names.lower_bound(kTap);
       at != kernel.link_names.end() && std::string_view(at->first).starts_with(kTap); ++at) {
    offer(*at);
  }
}

std::optional<FastPathLink> underlay_of(const Intent& intent, const nl::Snapshot& kernel) {
  const nl::Link* link = intent.node.local_ip ? nl::link_with_address(kernel, *intent.node.local_ip) : nullptr;
  return link == nullptr ? std::nullopt : std::optional(FastPathLink{link->mac, link->mtu});
}

bool is_vtep(const Intent& intent, const IpAddress& address) {
  const auto found = intent.vteps.lower_bound(Vtep{.type = NetworkType::Vxlan, .address = address, .host = {}});
  return found != intent.vteps.end() && found->type == NetworkType::Vxlan && found->address == address;
}

// What the fast path still has of a VTEP, for when the kernel has forgotten the neighbour: a MAC that was right once beats
// none, and a restarted agent changes nothing on account of an entry that timed out meanwhile.
std::optional<Mac> last_mac(const fp::Tables* read_back, const FastPathIds& ids, const IpAddress& address) {
  const auto id = ids.vteps.of(address);
  if (read_back == nullptr || !id) return std::nullopt;
  const auto record = read_back->vteps.find(*id);
  if (record == read_back->vteps.end() || id_key_of(record->second) != address) return std::nullopt;
  return fp::mac_of(record->second.next_hop_mac);
}

std::optional<NextHopFact> next_hop_of(const FastPathReading::Sources& sources, const FastPathFacts& facts,
                                       const IpAddress& vtep) {
  if (!facts.underlay || !is_vtep(sources.intent, vtep)) return std::nullopt;
  const auto hop = nl::find_next_hop(sources.kernel, vtep);
  if (!hop) return std::nullopt;
  NextHopFact fact{.hop = {nl::find_link(sources.kernel, hop->link)->name, hop->address},
                   .mac = hop->mac,
                   .resolved = hop->mac.has_value()};
  if (!fact.mac) fact.mac = last_mac(sources.read_back, facts.ids, vtep);
  return fact;
}

FastPathFacts gather(const FastPathReading::Sources& sources, FastPathIds ids) {
  FastPathFacts facts;
  facts.ids = std::move(ids);
  for_each_link(sources.kernel,
                [&](const std::string& name, const FastPathLink& link) { facts.links.emplace(name, link); });
  facts.underlay = underlay_of(sources.intent, sources.kernel);
  for (const Vtep& vtep : sources.intent.vteps) {
    if (facts.next_hops.contains(vtep.address)) continue;
    if (auto fact = next_hop_of(sources, facts, vtep.address))
      facts.next_hops.emplace(vtep.address, *std::move(fact));
  }
  return facts;
}

template <class Key, class Value>
void add_differences(const std::map<Key, Value>& before, const std::map<Key, Value>& now, std::set<Key>& keys) {
  for (const auto& [key, value] : before) {
    const auto found = now.find(key);
    if (found == now.end() || found->second != value) keys.insert(key);
  }
  for (const auto& [key, value] : now) {
    if (!before.contains(key)) keys.insert(key);
  }
}

void read_links(const nl::Snapshot& kernel, std::map<std::string, FastPathLink>& links,
                std::set<std::string>& changed) {
  auto at = links.begin();
  const auto gone_before = [&](const std::string* name) {
    while (at != links.end() && (name == nullptr || at->first < *name)) {
      changed.insert(at->first);
      at = links.erase(at);
    }
  };
  for_each_link(kernel, [&](const std::string& name, const FastPathLink& link) {
    gone_before(&name);
    if (at == links.end() || at->first != name) {
      changed.insert(name);
      links.emplace_hint(at, name, link);
      return;
    }
    if (at->second != link) {
      changed.insert(name);
      at->second = link;
    }
    ++at;
  });
  gone_before(nullptr);
}

}  // namespace

FastPathFacts gather_fast_path_facts(const Intent& intent, const nl::Snapshot& kernel, const fp::Tables* read_back,
                                     const FastPathIds& previous) {
  if (!intent.node.fast_path.enabled) return {};
  return gather({.intent = intent, .kernel = kernel, .read_back = read_back, .given = previous},
                known_ids(read_back, previous));
}

void FastPathReading::update(const Sources& sources, const News& news, FastPathFacts& facts,
                             FastPathFactsChanges& changes) {
  const bool has_records = sources.read_back != nullptr;
  const bool records_known = has_records == had_records_ && (news.records || !has_records);
  had_records_ = has_records;
  if (!std::exchange(started_, true) || !records_known || !news.given) return read_all(sources, facts, changes);
  std::set<IpAddress> vteps;
  read_ids(sources, news, facts, changes.ids, vteps);
  if (news.kernel) read_links(sources.kernel, facts.links, changes.links);
  if (news.kernel || news.vteps) {
    const auto underlay = underlay_of(sources.intent, sources.kernel);
    changes.underlay = changes.underlay || underlay != facts.underlay;
    facts.underlay = underlay;
    for (const Vtep& vtep : sources.intent.vteps) vteps.insert(vtep.address);
    for (const auto& [address, fact] : facts.next_hops) vteps.insert(address);
  }
  for (const IpAddress& address : vteps) {
    const auto now = next_hop_of(sources, facts, address);
    const auto before = facts.next_hops.find(address);
    if (before == facts.next_hops.end() ? !now : now == before->second) continue;
    changes.next_hops.insert(address);
    if (now) {
      facts.next_hops.insert_or_assign(address, *now);
    } else {
      facts.next_hops.erase(before);
    }
  }
}

void FastPathReading::read_all(const Sources& sources, FastPathFacts& facts, FastPathFactsChanges& changes) {
  read_ = {};
  static const fp::Tables kNone;
  const fp::Tables& tables = sources.read_back == nullptr ? kNone : *sources.read_back;
  FastPathIdKeys ignored;
  for_each_id_kind(
      [](const auto& table, const auto& given, auto& read, auto& suspects) {
        for (const auto& [id, record] : table) read.read(id, id_key_of(record), given, suspects);
      },
      tables, sources.given, read_, ignored);
  FastPathFacts now = gather(sources, known_ids(sources.read_back, sources.given));
  for_each_id_kind([](const auto& before, const auto& after,
                      auto& keys) { add_differences(before.by_key(), after.by_key(), keys); },
                   facts.ids, now.ids, changes.ids);
  add_differences(facts.links, now.links, changes.links);
  add_differences(facts.next_hops, now.next_hops, changes.next_hops);
  changes.underlay = changes.underlay || facts.underlay != now.underlay;
  facts = std::move(now);
}

// Also tells VTEPs of which the last MAC may be another.
void FastPathReading::read_ids(const Sources& sources, const News& news, FastPathFacts& facts,
                               FastPathIdKeys& changes, std::set<IpAddress>& vteps) {
  static const fp::Tables kNone;
  const fp::Tables& tables = sources.read_back == nullptr ? kNone : *sources.read_back;
  static const fp::RecordKeys kNoKeys;
  const fp::RecordKeys& records = news.records && sources.read_back != nullptr ? *news.records : kNoKeys;
  FastPathIdKeys suspects = *news.given;
  for_each_id_kind(
      [](const auto& ids, const auto& table, const auto& given, auto& read, auto& keys) {
        for (const std::uint16_t id : ids) {
          const auto record = table.find(id);
          using Key = std::decay_t<decltype(*keys.begin())>;
          read.read(id, record == table.end() ? std::optional<Key>() : id_key_of(record->second), given, keys);
        }
      },
      records, tables, sources.given, read_, suspects);
  for_each_id_kind(
      [](const auto& keys, const auto& given, const auto& read, auto& known, auto& changed) {
        std::map<std::decay_t<decltype(*keys.begin())>, std::optional<std::uint16_t>> moved;
        for (const auto& key : keys) {
          const auto number = read.known(key, given);
          if (number != known.of(key)) moved.emplace(key, number);
        }
        for (const auto& [key, number] : moved) known.take(key);
        for (const auto& [key, number] : moved) {
          changed.insert(key);
          if (number) known.give(key, *number);
        }
      },
      suspects, sources.given, read_, facts.ids, changes);
  vteps.insert(suspects.vteps.begin(), suspects.vteps.end());
  for (const fp::VtepId id : records.vteps) {
    const auto record = tables.vteps.find(id);
    if (record != tables.vteps.end()) vteps.insert(*id_key_of(record->second));
  }
}

}  // namespace ml2
