#include "datapath/netlink/netns.h"

namespace ml2::nl {
namespace {

// Where iproute2 mounts named namespaces (ip-netns(8)).
constexpr std::string_view kNamedDir = "/run/netns/";

}  // namespace

std::optional<NetnsRef> NetnsRef::make_named(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  return NetnsRef{.path = std::string(kNamedDir) + std::string(name)};
}

std::optional<NetnsRef> NetnsRef::parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (text.find('/') != std::string_view::npos) return NetnsRef{.path = std::string(text)};
  return make_named(text);
}

std::string to_string(const NetnsRef& netns) {
  if (netns.is_current()) return "current";
  if (netns.path.starts_with(kNamedDir)) return netns.path.substr(kNamedDir.size());
  return netns.path;
}

}  // namespace ml2::nl
