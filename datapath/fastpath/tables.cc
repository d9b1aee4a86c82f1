#include "datapath/fastpath/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "datapath/base/text.h"

namespace ml2::fp {
namespace {

const char* to_string(abi::PortKind kind) {
  switch (kind) {
    case abi::PortKind::Access: return "access";
    case abi::PortKind::Tagged: return "tagged";
    case abi::PortKind::Wire: return "wire";
  }
  return "?";
}

std::string text_of(const abi::Port& r) {
  const std::string devargs(r.devargs, ::strnlen(r.devargs, sizeof(r.devargs)));
  return fmt::format("{} {} {}, MTU {}", r.id, to_string(r.kind), text::printable(devargs), r.mtu);
}
std::string text_of(const abi::Segment& r) { return fmt::format("{} VNI {}", r.id, r.vni); }
std::string text_of(const abi::Attachment& r) {
  return fmt::format("of port {} to segment {}, VLAN {}", r.port, r.segment, r.vlan);
}
std::string text_of(const abi::Vtep& r) {
  return fmt::format("{} {} by port {}, next hop {}", r.id, address_of(r.remote, r.ipv6 != 0).to_string(), r.port,
                     mac_of(r.next_hop_mac).to_string());
}
std::string text_of(const abi::Flood& r) { return fmt::format("of segment {} to VTEP {}", r.segment, r.vtep); }
std::string text_of(const abi::Allowed& r) {
  return fmt::format("of port {}: {} {}/{}", r.port, mac_of(r.mac).to_string(),
                     address_of(r.address, r.ipv6 != 0).to_string(), r.prefix);
}
std::string text_of(const abi::Fdb& r) {
  return fmt::format("{} of segment {}: {} {}", mac_of(r.mac).to_string(), r.segment, r.vtep != 0 ? "VTEP" : "port",
                     r.vtep != 0 ? r.vtep : r.port);
}
std::string text_of(const abi::Neighbour& r) {
  return fmt::format("{} of segment {}: {}", address_of(r.address, r.ipv6 != 0).to_string(), r.segment,
                     mac_of(r.mac).to_string());
}

}  // namespace

Mac mac_of(const std::uint8_t (&bytes)[6]) {
  std::array<std::uint8_t, 6> mac{};
  std::copy(std::begin(bytes), std::end(bytes), mac.begin());
  return Mac(mac);
}

IpAddress address_of(const std::uint8_t (&bytes)[16], bool ipv6) {
  if (!ipv6) return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  std::array<std::uint8_t, 16> all{};
  std::copy(std::begin(bytes), std::end(bytes), all.begin());
  return IpAddress::v6(all);
}

void write(std::uint8_t (&to)[6], const Mac& mac) { std::copy(mac.bytes().begin(), mac.bytes().end(), to); }
void write(std::uint8_t (&to)[16], const IpAddress& address) {
  std::copy(address.bytes().begin(), address.bytes().end(), to);
}

BytesKey key_of(const abi::Allowed& r) {
  BytesKey key{};
  std::memcpy(key.data(), &r, sizeof(r));
  return key;
}

std::size_t Tables::size() const {
  std::size_t sum = 0;
  for_each_kind([&sum](abi::Kind, const auto& table) { sum += table.size(); }, *this);
  return sum;
}

bool operator==(const Tables& a, const Tables& b) {
  bool equal = true;
  for_each_kind(
      [&equal](abi::Kind, const auto& left, const auto& right) {
        equal = equal && std::equal(left.begin(), left.end(), right.begin(), right.end(),
                                    [](const auto& l, const auto& r) { return same(l.second, r.second); });
      },
      a, b);
  return equal;
}

bool is_empty(const RecordKeys& keys) {
  bool empty = true;
  for_each_kind([&empty](abi::Kind, const auto& changed) { empty = empty && changed.empty(); }, keys);
  return empty;
}

void add_differences(const Tables& a, const Tables& b, RecordKeys& keys) {
  for_each_kind(
      [](abi::Kind, const auto& left, const auto& right, auto& changed) {
        auto l = left.begin();
        auto r = right.begin();
        while (l != left.end() || r != right.end()) {
          if (r == right.end() || (l != left.end() && l->first < r->first)) {
            changed.insert((l++)->first);
          } else if (l == left.end() || r->first < l->first) {
            changed.insert((r++)->first);
          } else {
            if (!same(l->second, r->second)) changed.insert(l->first);
            ++l;
            ++r;
          }
        }
      },
      a, b, keys);
}

Digests digests_of(const Tables& tables) {
  Digests sums{};
  for_each_kind(
      [&sums](abi::Kind kind, const auto& table) {
        for (const auto& [key, record] : table) abi::add(sums[index(kind)], abi::digest(record));
      },
      tables);
  return sums;
}

const char* to_string(abi::Kind kind) {
  switch (kind) {
    case abi::Kind::Port: return "port";
    case abi::Kind::Segment: return "segment";
    case abi::Kind::Attachment: return "attachment";
    case abi::Kind::Vtep: return "VTEP";
    case abi::Kind::Flood: return "flood";
    case abi::Kind::Allowed: return "allowed address";
    case abi::Kind::Fdb: return "FDB entry";
    case abi::Kind::Neighbour: return "neighbour";
  }
  return "record";
}

void carry_out(const Update& update, Tables& tables) {
  if (update.full) tables = {};
  for_each_kind(
      [](abi::Kind, auto& table, const auto& remove, const auto& put) {
        for (const auto& [key, record] : remove) table.erase(key);
        for (const auto& [key, record] : put) table.insert_or_assign(key, record);
      },
      tables, update.remove, update.put);
}

std::string summary(const Tables& tables) {
  std::string text;
  for_each_kind(
      [&text](abi::Kind kind, const auto& table) {
        if (table.empty()) return;
        std::string word = to_string(kind);
        if (table.size() != 1) {
          if (word.ends_with('y')) {
            word.replace(word.size() - 1, 1, "ies");
          } else {
            word += word.ends_with('s') ? "es" : "s";
          }
        }
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", table.size(), word);
      },
      tables);
  return text.empty() ? "nothing" : text;
}

std::string to_text(const Update& update) {
  std::string text;
  const auto tell = [&text](const char* verb, const Tables& tables) {
    for_each_kind(
        [&](abi::Kind kind, const auto& table) {
          for (const auto& [key, record] : table) {
            text += fmt::format("{}{} {} {}", text.empty() ? "" : "\n", verb, to_string(kind), text_of(record));
          }
        },
        tables);
  };
  tell("remove", update.remove);
  tell("put", update.put);
  return text;
}

}  // namespace ml2::fp
