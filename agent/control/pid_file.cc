#include "agent/control/pid_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "datapath/base/text.h"

namespace ml2::control {
namespace {

constexpr std::string_view kProgram = "ml2-agent";  // as ovs-appctl -t names it

// Where ovs-appctl looks for the socket of process `pid` (utilities/ovs-appctl.c, connect_to_target()).
std::string link_of(const std::string& directory, std::int64_t pid) {
  return fmt::format("{}/{}.{}.ctl", directory, kProgram, pid);
}

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

// What the file says, which is the process that wrote it, alive or not.
std::optional<std::int64_t> written_pid(int fd) {
  std::array<char, 32> buffer{};
  const ssize_t length = ::pread(fd, buffer.data(), buffer.size(), 0);
  if (length <= 0) return std::nullopt;
  std::string_view text(buffer.data(), static_cast<std::size_t>(length));
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const auto number = text::to_int(text);
  return number && *number > 0 ? std::optional<std::int64_t>(*number) : std::nullopt;
}

// Only what is a link: another program's socket of that name would be left alone.
void remove_link(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_symlink(path, failed)) std::filesystem::remove(path, failed);
}

}  // namespace

Result<std::unique_ptr<PidFile>> PidFile::take(const std::string& ovs_rundir, const std::string& ctl) {
  const std::string path = fmt::format("{}/{}.pid", ovs_rundir, kProgram);
  const auto cannot = [&](const char* what) {
    return transient(fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
  };
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return cannot("open");
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(fd.get(), F_SETLK, &lock) != 0) {
    if (errno != EACCES && errno != EAGAIN) return cannot("lock");
    struct flock holder = whole_file(F_WRLCK);
    const bool known = ::fcntl(fd.get(), F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK;
    return conflict(
        fmt::format("another ml2-agent{} is running on this Open vSwitch: it holds {}; two would write the "
                    "same bridges",
                    known ? fmt::format(" (process {})", holder.l_pid) : "", path));
  }
  if (const auto before = written_pid(fd.get())) remove_link(link_of(ovs_rundir, *before));
  const std::string text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), text.data(), text.size(), 0) < 0) return cannot("write");
  std::string link = link_of(ovs_rundir, ::getpid());
  std::error_code failed;
  remove_link(link);
  std::filesystem::create_symlink(std::filesystem::absolute(ctl), link, failed);
  if (failed) return transient(fmt::format("cannot make {}: {}", link, failed.message()));
  return std::unique_ptr<PidFile>(new PidFile(std::move(fd), path, std::move(link)));
}

PidFile::~PidFile() {
  remove_link(link_);
  ::unlink(path_.c_str());
}

}  // namespace ml2::control
