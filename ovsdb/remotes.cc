#include "ovsdb/remotes.h"

#include <fmt/format.h>

#include "datapath/base/text.h"

namespace ml2::ovsdb {
namespace {

constexpr std::string_view kForms = "expected unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT, several separated by commas";

bool valid_port(std::string_view text) {
  const auto port = text::to_int(text);
  return port && *port >= 1 && *port <= 65535;
}

// HOST or HOST:PORT; an IPv6 address in brackets (inet_parse_active() of libopenvswitch).
bool valid_target(std::string_view target) {
  if (target.starts_with('[')) {
    const std::size_t end = target.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const std::string_view rest = target.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && valid_port(rest.substr(1)));
  }
  const std::size_t colon = target.find(':');
  if (colon == 0 || target.empty()) return false;
  if (target.find_first_of(" \t/@") != std::string_view::npos) return false;
  return colon == std::string_view::npos || valid_port(target.substr(colon + 1));
}

}  // namespace

std::string Remotes::joined() const {
  std::string out;
  for (const std::string& remote : each) out += (out.empty() ? "" : ",") + remote;
  return out;
}

Result<Remotes> parse_remotes(std::string_view text) {
  Remotes remotes;
  for (const std::string& part : text::split(text, ',')) {
    const std::string_view remote = text::trim(part);
    bool good = false;
    if (remote.starts_with("unix:")) {
      good = remote.size() > 5;
    } else if (remote.starts_with("tcp:") || remote.starts_with("ssl:")) {
      good = valid_target(remote.substr(4));
      remotes.any_network = true;
      remotes.any_tls |= remote.starts_with("ssl:");
    }
    if (!good) {
      return invalid(fmt::format("\"{}\" is no database remote: {}", text::printable(remote), kForms));
    }
    remotes.each.emplace_back(remote);
  }
  return remotes;
}

}  // namespace ml2::ovsdb
