#include "agent/config/environment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "datapath/base/text.h"
#include "datapath/base/unique_fd.h"

namespace ml2::config {
namespace {

Result<std::string> read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return invalid(std::generic_category().message(errno));
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) return invalid(std::generic_category().message(errno));
  if (S_ISDIR(status.st_mode)) return invalid("it is a directory");
  std::string content;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count == 0) return content;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return invalid(std::generic_category().message(errno));
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > kMaxFileSize) return invalid("it is larger than 16 MiB, which is no configuration");
  }
}

std::string home_of_user() {
  std::array<char, 16384> buffer{};
  struct passwd entry = {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return found->pw_dir;
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      environment.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  const auto home = environment.variables.find("HOME");
  environment.home = home != environment.variables.end() ? home->second : home_of_user();
  std::error_code error;
  environment.working_directory = std::filesystem::current_path(error).string();
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) environment.host_name = name.data();
  environment.files.read = read_file;
  environment.files.exists = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  };
  environment.files.is_directory = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
  };
  environment.files.list = [](const std::string& path) {
    std::vector<std::string> names;
    std::error_code failed;
    auto entry = std::filesystem::directory_iterator(path, failed);
    for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
      names.push_back(entry->path().filename().string());
    }
    return names;
  };
  return environment;
}

Environment memory_environment(std::map<std::string, std::string> texts) {
  Environment environment;
  environment.home = "/root";
  environment.working_directory = "/";
  environment.host_name = "test-host";
  const auto files = std::make_shared<const std::map<std::string, std::string>>(std::move(texts));
  const auto below = [files](const std::string& path) {
    const std::string prefix = path.ends_with('/') ? path : path + "/";
    std::vector<std::string> names;
    for (const auto& [name, content] : *files) {
      if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
    }
    return names;
  };
  environment.files.read = [files, below](const std::string& path) -> Result<std::string> {
    if (const auto found = files->find(path); found != files->end()) return found->second;
    if (!below(path).empty()) return invalid("it is a directory");
    return invalid(std::generic_category().message(ENOENT));
  };
  environment.files.exists = [files, below](const std::string& path) {
    return files->contains(path) || !below(path).empty();
  };
  environment.files.is_directory = [below](const std::string& path) { return !below(path).empty(); };
  environment.files.list = [below](const std::string& path) {
    std::vector<std::string> names;
    for (const std::string& name : below(path)) {
      if (name.find('/') == std::string::npos) names.push_back(name);
    }
    return names;
  };
  return environment;
}

std::string absolute_path(const Environment& environment, const std::string& path) {
  std::string full = path;
  if (!environment.home.empty() && (path == "~" || path.starts_with("~/"))) {
    full = environment.home + path.substr(1);
  } else if (!path.starts_with('/')) {
    full = environment.working_directory + "/" + path;
  }
  std::vector<std::string> parts;
  for (const std::string& part : text::split(full, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  return fmt::format("/{}", fmt::join(parts, "/"));
}

}  // namespace ml2::config
