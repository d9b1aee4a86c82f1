// FastPathRig: what the FastPath contract suite runs on: the fake, the real server of the socket without devices, and the
//   real ml2-fastpath.
//
// Where in the walk: tests/contract only.
// Threading: one thread; the server without devices has a thread of its own, joined by stop().
// Failure: what keeps the tests from running is obstacle(); what fails otherwise fails the test.
// What it does not do: no packets. It ends only the process that it started.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datapath/fastpath/fast_path.h"

namespace ml2::fp {

class FastPathRig {
 public:
  virtual ~FastPathRig() = default;
  // Why the tests cannot run here; "" when they can.
  [[nodiscard]] virtual std::string obstacle() const { return {}; }
  // Another client; it looks for others' changes all the time.
  [[nodiscard]] virtual std::unique_ptr<FastPath> open() = 0;
  // The processors that the workers of what start() starts have.
  [[nodiscard]] virtual std::vector<unsigned> cores() const = 0;
  // A device for an access port whose machine has sent a frame from a MAC that is not its own...
  [[nodiscard]] virtual std::string spoofing_device() const { return "net_null9,copy=0"; }
  // ... and what a port with that device has to be told, where there is no packet walk.
  virtual void spoof(PortId /*port*/) {}
  // Lets the link of the device with these devargs go down (an empty reason: come up); false: no test can.
  [[nodiscard]] virtual bool trouble(const std::string& /*devargs*/, const std::string& /*reason*/) { return false; }
  virtual void start() = 0;
  virtual void stop() = 0;
  // Keeps the process from running, and lets it go on; false: no test can.
  [[nodiscard]] virtual bool hang(bool /*on*/) { return false; }
};

[[nodiscard]] std::unique_ptr<FastPathRig> make_fake_fastpath_rig();
[[nodiscard]] std::unique_ptr<FastPathRig> make_server_fastpath_rig();
[[nodiscard]] std::unique_ptr<FastPathRig> make_process_fastpath_rig();

// Runs `client` and sleeps in the poll loop until `done` or twenty seconds have passed; whether it was done.
[[nodiscard]] bool until(FastPath& client, const std::function<bool()>& done);

}  // namespace ml2::fp
