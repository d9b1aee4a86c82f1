#include "dpdk/process/driver.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "datapath/base/text.h"

namespace ml2::fastpath {

Status check_driver(const std::string& path) {
  const auto refused = [&path](const std::string& why) {
    return invalid(fmt::format("driver {}: {}", text::printable(path), why));
  };
  // A name alone would be looked for in directories that the environment names.
  if (path.empty() || path.front() != '/') return refused("its path does not begin with /");
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return refused(std::strerror(errno));
  if (!S_ISREG(found.st_mode)) return refused("it is no file");
  if (found.st_uid != 0 && found.st_uid != ::geteuid()) return refused("it is neither root's nor this user's");
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) return refused("others than its owner may write to it");
  return {};
}

}  // namespace ml2::fastpath
