// switch_rig: what the Switch contract suite needs of a switch besides the seam, for the fake and for a real one.
//
// Where in the walk: tests/contract only.
// Threading: one thread. Failure: aborts with a message when the rig itself does not work.
// What it does not do: no traffic beyond single packets that hit one flow.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datapath/openflow/switch.h"

namespace ml2::of {

class SwitchRig {
 public:
  static constexpr Liveness kQuick{.quiet = std::chrono::seconds(1), .answers_within = std::chrono::seconds(1)};

  virtual ~SwitchRig() = default;

  // The switch of the bridge of this name, held to kQuick; the rig owns it and runs it in until().
  virtual Switch& open(const std::string& bridge) = 0;
  // The flows of the bridge as a connection made just now reads them.
  virtual FlowSet fresh_flows(const std::string& bridge) = 0;

  // Someone else's hand.
  virtual void foreign_put(const std::string& bridge, const FlowKey& key, const FlowBody& body) = 0;
  virtual void foreign_put_all(const std::string& bridge, const FlowSet& flows) = 0;
  virtual void foreign_remove(const std::string& bridge, const FlowKey& key) = 0;
  // One untagged frame comes in by OpenFlow port 1 and hits this flow (of table 0).
  virtual void hit(const std::string& bridge, const FlowKey& key) = 0;
  // A flow with a timeout of a second or so has had its time.
  virtual void let_expire(const std::string& bridge, const FlowKey& key) = 0;
  // From now on ovs-vswitchd answers nothing; only thaw() or restart() may follow.
  virtual void freeze() = 0;
  // It goes on.
  virtual void thaw() = 0;
  // ovs-vswitchd ends and starts again.
  virtual void restart() = 0;

  // Runs all switches until `condition`; false when it did not come true in 20 s.
  bool until(const std::function<bool()>& condition);

 protected:
  virtual std::vector<Switch*> switches() = 0;
};

[[nodiscard]] std::unique_ptr<SwitchRig> make_fake_rig();
// A private ovsdb-server and ovs-vswitchd (dummy datapath) in a directory of their own, both gone with the rig, and
// also when the test program is killed.
class RealSwitchRig : public SwitchRig {
 public:
  // ovs-vsctl, with these words.
  virtual void vsctl(const std::vector<std::string>& words) = 0;
  // As open(), held to something else.
  virtual Switch& open(const std::string& bridge, Liveness liveness) = 0;
  using SwitchRig::open;
};
[[nodiscard]] std::unique_ptr<RealSwitchRig> make_real_rig();

}  // namespace ml2::of
