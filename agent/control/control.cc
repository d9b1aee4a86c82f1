#include "agent/control/control.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "agent/control/process_shim.h"

namespace ml2::control {
namespace {

void dispatch(unixctl_conn* conn, int argc, const char** argv, void* aux) {
  const Arguments arguments(argv + 1, argv + argc);
  (*static_cast<Handler*>(aux))(arguments, Reply(conn));
}

}  // namespace

Reply::~Reply() {
  if (conn_ != nullptr) ml2_unixctl_reply_error(conn_, "the agent dropped this command unanswered");
}

void Reply::ok(const std::string& text) {
  if (conn_ != nullptr) ml2_unixctl_reply(conn_, text.c_str());
  conn_ = nullptr;
}

void Reply::error(const std::string& text) {
  if (conn_ != nullptr) ml2_unixctl_reply_error(conn_, text.c_str());
  conn_ = nullptr;
}

Result<std::unique_ptr<Control>> Control::open(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  if (!directory.empty() && !std::filesystem::exists(directory)) {
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    if (failed) return fatal(fmt::format("control socket: cannot make {}: {}", directory.string(), failed.message()));
    ::chmod(directory.c_str(), 0750);
  }
  const std::string lock_path = path + ".lock";
  UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return fatal(fmt::format("control socket: cannot open {}: {}", lock_path, std::strerror(errno)));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return conflict(fmt::format("another ml2-agent is running on this node: it holds {} (--ctl names another socket)",
                                lock_path));
  }
  ::unlink(path.c_str());  // left by an agent that was killed: the lock says that nobody listens
  unixctl_server* server = nullptr;
  if (const int error = ml2_unixctl_open(path.c_str(), &server); error != 0) {
    return fatal(fmt::format("control socket: cannot listen on {}: {}", path, std::strerror(error)));
  }
  ::chmod(path.c_str(), 0600);
  return std::unique_ptr<Control>(new Control(std::move(lock), server));
}

Control::~Control() { ml2_unixctl_close(server_); }

void Control::add(const std::string& name, const std::string& usage, int min_arguments, int max_arguments,
                  Handler handler) {
  handlers_.push_back(std::make_unique<Handler>(std::move(handler)));
  ml2_unixctl_add(name.c_str(), usage.c_str(), min_arguments, max_arguments, &dispatch, handlers_.back().get());
}

void Control::run() { ml2_unixctl_run(server_); }

void Control::wait() { ml2_unixctl_wait(server_); }

}  // namespace ml2::control
