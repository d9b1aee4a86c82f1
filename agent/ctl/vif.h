// vif: what plugging a port into a machine means, as values: kernel operations, rows of Open_vSwitch, and the way back.
//
// Where in the walk: `ml2ctl vif plug` and `vif unplug` compute a plan here and carry it out (commands_vif.cc).
// Threading: pure functions.
// Failure: Invalid when the port cannot be plugged: a bad MAC in its row, no integration bridge, plugged already.
// What it does not do: no sockets. No machine either: the namespace is the caller's.
// Source: os-vif vif_plug_ovs/{ovsdb/ovsdb_lib,linux_net}.py: external_ids and names; isolate_vif: tag 4095.
#pragma once

#include <optional>
#include <string>

#include "datapath/base/result.h"
#include "datapath/netlink/batch.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/transaction.h"
#include "ovsdb/vswitch.h"

namespace ml2::ctl {

struct PlugRequest {
  Uuid port;
  bool tap = false;             // a tap device for a hypervisor to open, in place of a veth pair
  nl::NetnsRef netns;           // of a veth pair: where the machine's end goes
  std::string ifname = "eth0";  // of the machine's end
  std::string bridge = "br-int";
  bool addresses = true;  // give the machine's end the port's addresses and routes
};

struct PlugPlan {
  std::string device;          // on this host: tap and the first 11 characters of the port's id
  nl::Batch host;              // in this namespace
  nl::Batch machine;           // in the machine's
  ovsdb::Transaction vswitch;  // Open_vSwitch
  nl::Batch undo;              // of `host`; the machine's end goes with it
};

[[nodiscard]] std::string device_name(const Uuid& port);
[[nodiscard]] Result<PlugPlan> plan_plug(const ovsdb::Ml2Rows& rows, const ovsdb::Vswitch& vswitch,
                                         const PlugRequest& request);

struct UnplugPlan {
  std::string device;          // empty: nothing of this port is plugged here
  ovsdb::Transaction vswitch;  // empty when OVS does not know it
};
[[nodiscard]] UnplugPlan plan_unplug(const ovsdb::Vswitch& vswitch, const Uuid& port);

// The name of an interface with this iface-id; nullopt when there is none.
[[nodiscard]] std::optional<std::string> plugged_as(const ovsdb::Vswitch& vswitch, const Uuid& port);

}  // namespace ml2::ctl
