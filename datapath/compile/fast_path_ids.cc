#include "datapath/compile/fast_path_ids.h"

#include <fmt/format.h>

namespace ml2 {
namespace {

constexpr std::uint16_t kLastPort = 4095;
constexpr std::uint16_t kLast = 65535;

std::uint32_t hash_of(std::string_view text) {  // FNV-1a: the same in every release
  std::uint32_t hash = 0x811c9dc5U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
  return hash;
}

template <class Key>
std::optional<std::uint16_t> number_for(const Key& key, std::uint32_t hash, std::uint16_t last,
                                        const FastPathNumbers<Key>& known, FastPathNumbers<Key>& given) {
  if (const auto number = given.of(key)) return number;
  if (const auto number = known.of(key)) {
    return given.give(key, *number) ? number : std::nullopt;
  }
  // Starts where the hash says, so that a number that has become free is seldom given to somebody else soon.
  for (std::uint32_t i = 0; i < last; ++i) {
    const auto number = static_cast<std::uint16_t>((std::uint64_t{hash} + i) % last + 1);
    if (known.holder(number) == nullptr && given.give(key, number)) return number;
  }
  return std::nullopt;
}

template <class Key>
FastPathNumbers<Key> known_numbers(const ReadNumbers<Key>& read, const std::set<Key>& keys,
                                   const FastPathNumbers<Key>& given) {
  FastPathNumbers<Key> known;
  const auto add = [&](const Key& key) {
    if (const auto number = read.known(key, given)) known.give(key, *number);
  };
  for (const Key& key : keys) add(key);
  for (const auto& [key, number] : given.by_key()) add(key);
  return known;
}

}  // namespace

std::uint32_t mark_of(const Segment& segment) {
  const std::uint32_t mark = hash_of(fmt::format("{}/{}/{}/{}", segment.network.to_string(), to_string(segment.type),
                                                 segment.physical_network, segment.segmentation_id));
  return mark == 0 ? 1 : mark;  // 0 is no mark
}

std::optional<fp::PortId> FastPathIdAllocation::port(const std::string& device) {
  return number_for(device, hash_of(device), kLastPort, known_.ports, given_.ports);
}

std::optional<FastPathIdAllocation::SegmentNumber> FastPathIdAllocation::segment(const Segment& segment) {
  std::uint32_t mark = mark_of(segment);
  // Two segments of one mark are told apart by the order in which they are asked for.
  while (mark == 0 || given_.segments.of(mark)) ++mark;
  const auto id = number_for(mark, mark, kLast, known_.segments, given_.segments);
  if (!id) return std::nullopt;
  return SegmentNumber{*id, mark};
}

std::optional<fp::VtepId> FastPathIdAllocation::vtep(const IpAddress& address) {
  return number_for(address, hash_of(address.to_string()), kLast, known_.vteps, given_.vteps);
}

std::string device_name(std::string_view devargs) { return std::string(devargs.substr(0, devargs.find(','))); }

std::optional<std::string> id_key_of(const fp::abi::Port& record) {
  return device_name({record.devargs, ::strnlen(record.devargs, sizeof(record.devargs))});
}
std::optional<std::uint32_t> id_key_of(const fp::abi::Segment& record) {
  return record.mark == 0 ? std::nullopt : std::optional(record.mark);
}
std::optional<IpAddress> id_key_of(const fp::abi::Vtep& record) {
  return fp::address_of(record.remote, record.ipv6 != 0);
}

FastPathIds known_ids(const fp::Tables* read_back, const FastPathIds& given) {
  FastPathIds known;
  static const fp::Tables kNone;
  const fp::Tables& tables = read_back == nullptr ? kNone : *read_back;
  for_each_id_kind(
      [](const auto& table, const auto& before, auto& numbers) {
        using Key = std::decay_t<decltype(numbers.by_key().begin()->first)>;
        ReadNumbers<Key> read;
        std::set<Key> keys;
        for (const auto& [id, record] : table) {
          const auto key = id_key_of(record);
          read.read(id, key, before, keys);
        }
        numbers = known_numbers(read, keys, before);
      },
      tables, given, known);
  return known;
}

}  // namespace ml2
