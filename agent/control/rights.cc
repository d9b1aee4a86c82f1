#include "agent/control/rights.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "datapath/base/text.h"

namespace ml2::control {
namespace {

constexpr std::string_view kUnix = "unix:";

std::string user_name(uid_t uid) {
  const passwd* entry = ::getpwuid(uid);
  return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

bool denied(const std::string& path, int how) {
  return ::faccessat(AT_FDCWD, path.c_str(), how, AT_EACCESS) != 0 && errno == EACCES;
}

std::string owner_and_mode(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "a directory above it is closed";
  return fmt::format("owner {}, mode {:04o}", user_name(status.st_uid), status.st_mode & 07777U);
}

std::string cannot_connect(const std::string& path) {
  return fmt::format(
      "user {} may not connect to {} ({}): run ml2-agent as the user of Open vSwitch (root), or give it "
      "CAP_DAC_OVERRIDE",
      user_name(::geteuid()), path, owner_and_mode(path));
}

}  // namespace

std::vector<std::string> missing_rights(const std::string& remotes, const std::string& ovs_rundir,
                                        const std::string& ctl) {
  std::vector<std::string> missing;
  for (const std::string& remote : text::split(remotes, ',')) {
    if (!remote.starts_with(kUnix)) continue;
    const std::string path = remote.substr(kUnix.size());
    if (denied(path, W_OK)) missing.push_back(cannot_connect(path));
  }
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(ovs_rundir, failed)) {
    if (entry.path().extension() != ".mgmt" || !denied(entry.path(), W_OK)) continue;
    missing.push_back(cannot_connect(entry.path()));
    break;  // they are all alike
  }
  std::filesystem::path directory = std::filesystem::path(ctl).parent_path();
  while (!directory.empty() && !std::filesystem::exists(directory, failed)) directory = directory.parent_path();
  if (!directory.empty() && denied(directory, W_OK | X_OK)) {
    missing.push_back(
        fmt::format("user {} may not write to {} ({}), where the control socket {} belongs: run ml2-agent "
                    "as root, or give --ctl a path in a directory of its own",
                    user_name(::geteuid()), directory.string(), owner_and_mode(directory), ctl));
  }
  return missing;
}

bool has_capability(unsigned number) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("CapEff:")) continue;
    return (std::strtoull(line.c_str() + 7, nullptr, 16) >> number & 1U) != 0;
  }
  return false;
}

}  // namespace ml2::control
