// NetnsRef: the name of a Linux network namespace, as a value.
//
// Where in the walk: operations that reach into a VM's or container's namespace carry one, and a Kernel is opened
//   in one. The default is the namespace of the calling thread.
// Threading: values.
// Failure: make_named() refuses what `ip netns` would refuse; that the namespace exists is seen when it is used.
// What it does not do: it does not create, mount or delete namespaces, nor keep one alive.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ml2::nl {

struct NetnsRef {
  // File that stands for the namespace, as setns(2) takes it; empty: the namespace of the calling thread.
  std::string path{};

  [[nodiscard]] bool is_current() const { return path.empty(); }
  // A namespace of `ip netns`: /run/netns/NAME. nullopt when `name` is empty, ".", ".." or has a '/'.
  [[nodiscard]] static std::optional<NetnsRef> make_named(std::string_view name);
  // As an operator writes it: with a '/' it is a path, otherwise the name of `ip netns`.
  [[nodiscard]] static std::optional<NetnsRef> parse(std::string_view text);

  friend auto operator<=>(const NetnsRef&, const NetnsRef&) = default;
};

// "vm1" for /run/netns/vm1, otherwise the path; "current" for the calling thread's.
[[nodiscard]] std::string to_string(const NetnsRef& netns);

}  // namespace ml2::nl
