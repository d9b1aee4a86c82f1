#include "tests/states/fast_path_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "tests/states/world.h"

namespace ml2::testing {
namespace {

constexpr const char* kNic = "eth0";
const IfIndex kNicIndex = *IfIndex::make(1);

IpAddress far(int host) { return IpAddress::v4({10, 0, 1, static_cast<std::uint8_t>(host)}); }
Mac mac_of(int number) { return Mac({0x02, 0, 0, 0, 0, static_cast<std::uint8_t>(number)}); }

}  // namespace

FastPathModel::FastPathModel(std::mt19937& random) : random_(random) {
  kernel_.put(nl::Link{.index = kNicIndex, .name = kNic, .mac = mac_of(1), .mtu = 1600, .up = true, .running = true});
  kernel_.routes.insert(nl::Route{.dst = IpNetwork::parse("10.0.0.0/16").value(), .oif = kNicIndex});
}

void FastPathModel::have_addresses(const std::set<IpAddress>& addresses) {
  kernel_.addresses.clear();
  for (const IpAddress& address : addresses) {
    kernel_.put(nl::Address{.link = kNicIndex, .address = address, .prefix_length = 16});
  }
}

void FastPathModel::commit(const Plan& plan, bool lossy) {
  for (const nl::Operation& operation : plan.links.operations) {
    if (lossy && chance(50)) break;
    if (const auto* veth = std::get_if<nl::CreateVeth>(&operation)) {
      toggle_link(veth->name);
      toggle_link(veth->peer_name);
    } else if (const auto* set = std::get_if<nl::SetLink>(&operation)) {
      const nl::Link* link = nl::find_link(kernel_, set->name);
      if (link == nullptr) continue;
      nl::Link now = *link;
      now.up = set->up.value_or(now.up);
      now.alias = set->alias.value_or(now.alias);
      kernel_.put(now);
    }
  }
  if (away_ || (lossy && chance(20))) return;
  fp::Update update = plan.fast_path;
  if (lossy && chance(30)) {  // some records are refused
    fp::for_each_kind(
        [this](fp::abi::Kind, auto& records) { std::erase_if(records, [this](const auto&) { return chance(20); }); },
        update.put);
  }
  fp::carry_out(update, tables_);
}

void FastPathModel::change(const Intent& intent) {
  switch (pick(20)) {
    case 0:
      tables_ = {};  // it starts again
      break;
    case 1: away_ = !away_; break;
    case 2: another_number(); break;
    case 3: toggle_link(chance(50) ? kFastPathPatch : kFastPathPatchPeer); break;
    case 4: record_by_hand(); break;
    case 5:
    case 6:
    case 7: neighbour(); break;
    default: tap(intent); break;
  }
  if (away_ && chance(80)) away_ = false;
}

void FastPathModel::toggle_link(const std::string& name) {
  if (const nl::Link* link = nl::find_link(kernel_, name); link != nullptr) {
    kernel_.erase_link(link->index);
    return;
  }
  kernel_.put(nl::Link{.index = *IfIndex::make(next_index_++), .name = name, .mac = mac_of(pick(200)), .mtu = 1500});
}

void FastPathModel::tap(const Intent& intent) {
  if (intent.ports.empty()) return;
  auto port = intent.ports.begin();
  std::advance(port, pick(static_cast<int>(intent.ports.size())));
  toggle_link("tap" + port->first.to_string().substr(0, 11));
}

void FastPathModel::neighbour() {
  const IpAddress address = far(pick(4));
  nl::Neighbour entry{.link = kNicIndex, .address = address, .mac = mac_of(100 + pick(3))};
  if (chance(40)) entry.state = nl::NeighbourState::Failed;
  kernel_.put(entry);
}

void FastPathModel::record_by_hand() {
  fp::for_each_kind(
      [this](fp::abi::Kind, auto& records) {
        if (records.empty() || chance(60)) return;
        auto at = records.begin();
        std::advance(at, pick(static_cast<int>(records.size())));
        records.erase(at);
      },
      tables_);
}

// Another client, or another life of the agent, has written the same with another number.
void FastPathModel::another_number() {
  const auto move_one = [this](auto& records) {
    if (records.empty()) return;
    auto at = records.begin();
    std::advance(at, pick(static_cast<int>(records.size())));
    auto record = at->second;
    record.id = static_cast<std::uint16_t>(chance(50) ? record.id % 4000 + 1 : records.begin()->first);
    if (chance(70)) records.erase(at);
    records.insert_or_assign(record.id, record);
  };
  if (chance(50)) move_one(tables_.ports);
  if (chance(50)) move_one(tables_.segments);
  if (chance(50)) move_one(tables_.vteps);
}

}  // namespace ml2::testing
