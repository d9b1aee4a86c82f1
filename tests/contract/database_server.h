// database_server: a private ovsdb-server for a test, ended with it.
//
// Where in the walk: tests/contract only. Threading: one thread.
// Failure: what the machine lacks (no ovsdb-server) fails the test with a sentence.
// What it does not do: nothing of the system's own ovsdb-server is touched: own directory, sockets and files.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ml2::ovsdb {

// A directory that goes with its contents.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Runs a program to its end; its exit status, and both outputs together.
struct CommandResult {
  int status = -1;
  std::string output;
};
CommandResult run_command(const std::vector<std::string>& command);
// The same where failure fails the test.
void must_run(const std::vector<std::string>& command);

// A TCP port of 127.0.0.1 that nobody listens on now.
int free_port();

class OvsdbServer {
 public:
  // `directory` must outlive it; `name` tells several servers in one directory apart.
  OvsdbServer(const TempDir& directory, std::string name = "db");
  ~OvsdbServer();
  OvsdbServer(const OvsdbServer&) = delete;
  OvsdbServer& operator=(const OvsdbServer&) = delete;

  void add_file(std::string database_file) { files_.push_back(std::move(database_file)); }
  void add_argument(std::string argument) { arguments_.push_back(std::move(argument)); }
  // Returns when it accepts connections.
  void start();
  void stop();    // SIGTERM, and waits
  void kill();    // SIGKILL, and waits
  void pause();   // SIGSTOP
  void resume();  // SIGCONT
  [[nodiscard]] bool running() const { return pid_ > 0; }

  [[nodiscard]] std::string socket() const { return socket_; }
  [[nodiscard]] std::string remote() const { return "unix:" + socket_; }
  [[nodiscard]] std::string control() const { return control_; }

 private:
  void end(int signal);

  std::string directory_;
  std::string name_;
  std::string socket_;
  std::string control_;
  std::vector<std::string> files_;
  std::vector<std::string> arguments_;
  pid_t pid_ = -1;
};

}  // namespace ml2::ovsdb
