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

// Starts where the hash says, so that a number that has become free is seldom given to somebody else soon.
std::optional<std::uint16_t> free_number(std::set<std::uint16_t>& used, std::uint32_t hash, std::uint16_t last) {
  for (std::uint32_t i = 0; i < last; ++i) {
    const auto number = static_cast<std::uint16_t>((std::uint64_t{hash} + i) % last + 1);
    if (used.insert(number).second) return number;
  }
  return std::nullopt;
}

template <class Key>
std::set<std::uint16_t> numbers(const std::map<Key, std::uint16_t>& ids) {
  std::set<std::uint16_t> all;
  for (const auto& [key, id] : ids) all.insert(id);
  return all;
}

template <class Key>
std::optional<std::uint16_t> number_for(const Key& key, std::uint32_t hash, std::uint16_t last,
                                        const std::map<Key, std::uint16_t>& known,
                                        std::map<Key, std::uint16_t>& given, std::set<std::uint16_t>& used) {
  if (const auto found = given.find(key); found != given.end()) return found->second;
  const auto before = known.find(key);
  const auto number = before != known.end() ? std::optional(before->second) : free_number(used, hash, last);
  if (number) given.emplace(key, *number);
  return number;
}

template <class Key>
void keep(const std::map<Key, std::uint16_t>& previous, std::map<Key, std::uint16_t>& known) {
  std::set<std::uint16_t> used = numbers(known);
  for (const auto& [key, id] : previous) {
    if (!known.contains(key) && used.insert(id).second) known.emplace(key, id);
  }
}

}  // namespace

FastPathIdAllocation::FastPathIdAllocation(const FastPathIds& known)
    : known_(known), ports_(numbers(known.ports)), segments_(numbers(known.segments)), vteps_(numbers(known.vteps)) {}

std::optional<fp::PortId> FastPathIdAllocation::port(const std::string& device) {
  return number_for(device, hash_of(device), kLastPort, known_.ports, given_.ports, ports_);
}

std::optional<FastPathIdAllocation::SegmentNumber> FastPathIdAllocation::segment(const Segment& segment) {
  std::uint32_t mark = hash_of(fmt::format("{}/{}/{}/{}", segment.network.to_string(), to_string(segment.type),
                                           segment.physical_network, segment.segmentation_id));
  // 0 is no mark; and two segments of one mark are told apart by the order in which they are asked for.
  while (mark == 0 || given_.segments.contains(mark)) ++mark;
  const auto id = number_for(mark, mark, kLast, known_.segments, given_.segments, segments_);
  if (!id) return std::nullopt;
  return SegmentNumber{*id, mark};
}

std::optional<fp::VtepId> FastPathIdAllocation::vtep(const IpAddress& address) {
  return number_for(address, hash_of(address.to_string()), kLast, known_.vteps, given_.vteps, vteps_);
}

std::string device_name(std::string_view devargs) { return std::string(devargs.substr(0, devargs.find(','))); }

FastPathIds known_ids(const fp::Tables* read_back, const FastPathIds& previous) {
  FastPathIds known;
  if (read_back != nullptr) {
    for (const auto& [id, port] : read_back->ports) {
      known.ports.emplace(device_name({port.devargs, ::strnlen(port.devargs, sizeof(port.devargs))}), id);
    }
    for (const auto& [id, segment] : read_back->segments) {
      if (segment.mark != 0) known.segments.emplace(segment.mark, id);
    }
    for (const auto& [id, vtep] : read_back->vteps) {
      known.vteps.emplace(fp::address_of(vtep.remote, vtep.ipv6 != 0), id);
    }
  }
  keep(previous.ports, known.ports);
  keep(previous.segments, known.segments);
  keep(previous.vteps, known.vteps);
  return known;
}

}  // namespace ml2
