#include "datapath/openflow/actions.h"

#include <fmt/format.h>

namespace ml2::of {
namespace {

constexpr std::uint16_t kVlanPresent = 0x1000;

// C's %#x, which Open vSwitch prints with: 0 has no prefix.
std::string hex(std::uint64_t value) { return value == 0 ? "0" : fmt::format("{:#x}", value); }

}  // namespace

std::string Subfield::to_string() const {
  if (whole) return fmt::format("{}[]", field.nxm);
  if (first_bit == last_bit) return fmt::format("{}[{}]", field.nxm, first_bit);
  return fmt::format("{}[{}..{}]", field.nxm, first_bit, last_bit);
}

namespace learn {

std::string match(const Subfield& both) { return both.to_string(); }
std::string match(const Subfield& learned, const Subfield& packet) {
  return learned.to_string() + "=" + packet.to_string();
}
std::string load(std::uint64_t value, const Subfield& to) { return action::load(value, to); }
std::string load(const Subfield& packet, const Subfield& to) {
  return "load:" + packet.to_string() + "->" + to.to_string();
}
std::string output(const Subfield& packet) { return "output:" + packet.to_string(); }

}  // namespace learn

namespace action {

std::string output(OfPort port) {
  if (port.value() == kOfppLocal) return "LOCAL";
  return fmt::format("output:{}", port.value());
}

std::string set_vlan_vid(std::uint16_t id) { return fmt::format("set_field:{}->vlan_vid", id | kVlanPresent); }

std::string set_number(std::uint64_t value, const Field& field, bool hexadecimal) {
  return fmt::format("set_field:{}->{}", hexadecimal ? hex(value) : std::to_string(value), field.name);
}

std::string set_text(const std::string& value, const Field& field) {
  return fmt::format("set_field:{}->{}", value, field.name);
}

std::string load(std::uint64_t value, const Subfield& to) { return "load:" + hex(value) + "->" + to.to_string(); }

std::string move(const Subfield& from, const Subfield& to) {
  return "move:" + from.to_string() + "->" + to.to_string();
}

// In the order of learn_format() (lib/learn.c); what has its default there is left out.
std::string learn(std::uint8_t table, std::uint16_t idle_timeout, std::uint16_t hard_timeout, std::uint16_t priority,
                  std::uint64_t cookie, const std::vector<std::string>& steps) {
  constexpr std::uint16_t kDefaultPriority = 32768;
  std::string result = fmt::format("learn(table={}", table);
  if (idle_timeout != 0) result += fmt::format(",idle_timeout={}", idle_timeout);
  if (hard_timeout != 0) result += fmt::format(",hard_timeout={}", hard_timeout);
  if (priority != kDefaultPriority) result += fmt::format(",priority={}", priority);
  if (cookie != 0) result += ",cookie=" + hex(cookie);
  for (const std::string& step : steps) result += "," + step;
  return result + ")";
}

std::string join(const std::vector<std::string>& actions) {
  if (actions.empty()) return "drop";
  return fmt::format("{}", fmt::join(actions, ","));
}

}  // namespace action
}  // namespace ml2::of
