// PidFile: ml2-agent.pid in Open vSwitch's run directory, locked, and beside it a link to the control socket: as Open
// vSwitch's own daemons have them, so that `ovs-appctl -t ml2-agent COMMAND` finds the agent, and so that a second agent
// on one Open vSwitch is noticed, whatever --ctl it was given.
//
// Where in the walk: main() takes it after the control socket and before anything is read; it is given back at the end.
// Threading: one thread. The lock is fcntl(2)'s, which ovs-appctl looks at: it is the process's, and goes with it.
// Failure: Conflict when another agent holds the lock (the sentence names its process); Transient when the directory cannot
//   be written: the agent runs without it, and is found by the path of its control socket.
// What it does not do: it does not make the run directory; that is Open vSwitch's.
#pragma once

#include <memory>
#include <string>

#include "datapath/base/result.h"
#include "datapath/base/unique_fd.h"

namespace ml2::control {

class PidFile {
 public:
  // `ctl`: the control socket's path, which the link shall lead to. What an agent that was killed left is taken away.
  [[nodiscard]] static Result<std::unique_ptr<PidFile>> take(const std::string& ovs_rundir, const std::string& ctl);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  PidFile(UniqueFd fd, std::string path, std::string link)
      : fd_(std::move(fd)), path_(std::move(path)), link_(std::move(link)) {}

  UniqueFd fd_;
  std::string path_;
  std::string link_;
};

}  // namespace ml2::control
