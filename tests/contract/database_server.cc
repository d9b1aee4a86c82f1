#include "tests/contract/database_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "datapath/base/check.h"
#include "datapath/base/unique_fd.h"

namespace ml2::ovsdb {
namespace {

std::vector<char*> argv_of(std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return argv;
}

// Starts `words`; standard output and error go to `output`. It ends with this process, however that ends.
pid_t spawn(std::vector<std::string> words, int output) {
  const std::vector<char*> argv = argv_of(words);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  ML2_CHECK(pid >= 0, "fork(2) works in a test");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  return pid;
}

bool accepts_connections(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

TempDir::TempDir() {
  std::string name = "/tmp/ml2-contract-XXXXXX";  // short: a UNIX socket's path has 107 characters
  ML2_CHECK(mkdtemp(name.data()) != nullptr, "a test can make a directory in /tmp");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

CommandResult run_command(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  ML2_CHECK(pipe2(ends.data(), O_CLOEXEC) == 0, "pipe(2) works in a test");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t pid = spawn(command, writer.get());
  writer.reset();
  CommandResult result;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = read(reader.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    result.output.append(buffer.data(), static_cast<std::size_t>(n));
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

void must_run(const std::vector<std::string>& command) {
  const CommandResult result = run_command(command);
  EXPECT_EQ(result.status, 0) << command.front() << ": " << result.output;
}

int free_port() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ML2_CHECK(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0,
            "127.0.0.1 has a free port");
  return ntohs(address.sin_port);
}

OvsdbServer::OvsdbServer(const TempDir& directory, std::string name)
    : directory_(directory.path()),
      name_(std::move(name)),
      socket_(directory / (name_ + ".sock")),
      control_(directory / (name_ + ".ctl")) {}

OvsdbServer::~OvsdbServer() { end(SIGKILL); }

void OvsdbServer::start() {
  ML2_CHECK(pid_ < 0, "a server is started once");
  std::vector<std::string> words{"ovsdb-server",
                                 "--no-chdir",
                                 "-vconsole:off",
                                 "--log-file=" + directory_ + "/" + name_ + ".log",
                                 "--remote=punix:" + socket_,
                                 "--unixctl=" + control_};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  words.insert(words.end(), files_.begin(), files_.end());
  std::filesystem::remove(socket_);
  const UniqueFd null(
      open((directory_ + "/" + name_ + ".out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  pid_ = spawn(std::move(words), null.get());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!accepts_connections(socket_)) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      const CommandResult log =
          run_command({"tail", directory_ + "/" + name_ + ".log", directory_ + "/" + name_ + ".out"});
      FAIL() << "ovsdb-server ended with wait status " << status << ":\n" << log.output;
    }
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "ovsdb-server does not listen on " << socket_;
    poll(nullptr, 0, 5);  // ms between two looks at the socket
  }
}

void OvsdbServer::stop() { end(SIGTERM); }
void OvsdbServer::kill() { end(SIGKILL); }
void OvsdbServer::pause() { ::kill(pid_, SIGSTOP); }
void OvsdbServer::resume() { ::kill(pid_, SIGCONT); }

void OvsdbServer::end(int signal) {
  if (pid_ < 0) return;
  ::kill(pid_, signal);
  ::kill(pid_, SIGCONT);  // a paused one too
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace ml2::ovsdb
