// IntentSource: the seam to whoever says what this node shall do.
//
// Where in the walk: main() picks one by the ini (transport_url: a Neutron server; otherwise the ML2 database); the
//   reconciler reads intent() at each step and hands back how the ports stand.
// Threading: the thread of the poll loop only.
// Failure: a source that is away is no error: intent() goes on showing the last state, and status().error says why.
// What it does not do: nothing of OVS. Its words are Neutron's, whichever source it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/base/ip.h"
#include "datapath/model/intent.h"

namespace ml2::intent {

enum class PortStatus { Active, Down, Error };

struct PortReport {
  PortStatus status = PortStatus::Down;
  std::string reason;  // why not ACTIVE; when ACTIVE, what is wrong all the same; empty: nothing

  friend bool operator==(const PortReport&, const PortReport&) = default;
};

// Brings `mine` up to `ports`, from which it differs in `changed` alone (nullptr: anywhere): the ports are thousands, and few
// of them change at a time.
inline void follow(std::map<Uuid, PortReport>& mine, const std::map<Uuid, PortReport>& ports,
                   const std::set<Uuid>* changed) {
  if (changed == nullptr) {
    mine = ports;
    return;
  }
  for (const Uuid& id : *changed) {
    const auto port = ports.find(id);
    if (port == ports.end()) {
      mine.erase(id);
    } else {
      mine.insert_or_assign(id, port->second);
    }
  }
}

// What the node says of itself.
struct NodeReport {
  std::map<Uuid, PortReport> ports;  // one for each port of the intent, refused ones too
  std::set<std::string> problems;    // sentences an operator can act on
  // Whether local_ip is an address of this host: only then is it announced as a VTEP.
  bool local_ip_present = false;
  std::set<std::string> datapath_types;  // of ovs-vswitchd, for the binding of vhost-user ports
  std::set<std::string> iface_types;
  // Of this node's Open_vSwitch database: by it two nodes of one name are told apart. Empty: not known.
  std::string switch_id;
  // The generation() whose changes the switches have confirmed; nullopt: none since the agent started.
  std::optional<std::int64_t> applied;

  friend bool operator==(const NodeReport&, const NodeReport&) = default;
};

struct SourceStatus {
  std::string kind;   // "ML2 database"
  std::string where;  // remotes
  bool connected = false;
  std::string error;  // why not, or what keeps the source from being told of this node; empty otherwise
  std::uint64_t reconnects = 0;
  bool old_schema = false;  // the database on the server is older than this program
};

class IntentSource {
 public:
  virtual ~IntentSource() = default;

  virtual void run() = 0;
  virtual void wait() = 0;
  // nullptr until the source was read whole once.
  [[nodiscard]] virtual const Intent* intent() const = 0;
  // Grows whenever intent() changes.
  [[nodiscard]] virtual std::uint64_t sequence() const = 0;
  // In what intent() may differ from what it was at number `sequence`; `all` when nobody knows.
  [[nodiscard]] virtual IntentChanges changes_since(std::uint64_t sequence) const = 0;
  // The number of the last request to say when all changes so far are carried out (NodeReport::applied says it). A new
  // number alone does not move sequence(). 0: nobody has asked.
  [[nodiscard]] virtual std::int64_t generation() const { return 0; }
  // The source writes what differs from what it holds; cheap when nothing does. `node`: nullptr: as at the last call, of
  // which there has been one; its ports are not looked at: `ports` are the ports as they stand, which differ from the
  // last call's in `changed` (nullptr: anywhere).
  virtual void report(const NodeReport* node, const std::map<Uuid, PortReport>& ports,
                      const std::set<Uuid>* changed) = 0;
  [[nodiscard]] virtual SourceStatus status() const = 0;
  // Why a port is not one of intent()'s, and what to do, for an interface here that says it is that port; empty when
  // nothing is wrong (it is about to come).
  [[nodiscard]] virtual std::string why_not_here(const Uuid& port) const = 0;
};

}  // namespace ml2::intent
