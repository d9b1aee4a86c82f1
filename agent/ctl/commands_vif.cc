// ml2ctl vif plug, vif unplug: a port's interface on this host.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "agent/ctl/program.h"
#include "agent/ctl/vif.h"
#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"
#include "datapath/netlink/nl_kernel.h"
#include "ovsdb/blocking.h"
#include "ovsdb/vswitch.h"

namespace ml2::ctl {
namespace {

struct PlugOptions {
  std::string port;
  std::string netns;
  std::string type = "veth";
  std::string ifname = "eth0";
  std::string bridge = "br-int";
  std::string host;
  bool no_address = false;
  bool wait = false;
};

std::string system_host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

// By which name this host's agent reports: what is told, else the first that the database knows.
Result<std::string> this_host(Session& session, const ovsdb::Ml2Rows& rows, const ovsdb::Vswitch& vswitch,
                              const std::string& told) {
  if (!told.empty()) return told;
  const auto config = session.config();
  if (!config) return forward_error(config);
  std::vector<std::string> names;
  if ((*config)->is_set("DEFAULT", "host")) return (*config)->get_string("DEFAULT", "host");
  if (const auto found = vswitch.external_ids.find("hostname"); found != vswitch.external_ids.end()) {
    names.push_back(found->second);
  }
  names.push_back(system_host_name());
  for (const std::string& name : names) {
    if (ovsdb::host_named(rows, name) != nullptr) return name;
  }
  return names.front();
}

// Binds the port to `host` unless it is; answers the host that it was bound to before.
Result<std::string> bind_here(plugin::Plugin& plugin, const ovsdb::Ml2Rows& rows, const Uuid& port,
                              const std::string& host) {
  const auto bindings = plugin::bindings_of(rows, port);
  const std::string before = bindings.empty() ? "" : bindings.front().host;
  if (before == host && bindings.front().segment) return before;
  plugin::PortUpdate update;
  update.host = host;
  if (Status done = plugin.update_port(port, update); !done) return forward_error(done);
  const auto now = plugin.rows();
  if (!now) return forward_error(now);
  for (const auto& binding : plugin::bindings_of(*now, port)) {
    if (binding.host != host || binding.failure.empty()) continue;
    if (before != host) {
      update.host = before;
      if (Status back = plugin.update_port(port, update); !back) log::err("ml2ctl", "{}", back.error().message);
    }
    return invalid(
        fmt::format("port {} cannot be bound here: {}", plugin::name_of(rows.ports, port), binding.failure));
  }
  return before;
}

Status carry_out(Session& session, const PlugPlan& plan, const PlugRequest& request) {
  const auto vswitch = session.vswitch();
  if (!vswitch) return forward_error(vswitch);
  const auto kernel = nl::NlKernel::open({});
  if (!kernel) return forward_error(kernel);
  const auto undo = [&](const Error& error) -> Status {
    if (const Status undone = (*kernel)->apply(plan.undo); !undone) {
      log::debug("ml2ctl", "undoing: {}", undone.error().message);
    }
    return tl::unexpected<Error>(error);
  };
  // A veth that is there but not plugged is of a run that was killed half-way: it is ours by its name.
  if (const Status stale = (*kernel)->apply(plan.undo); stale) {
    session.warn(fmt::format("{} was left from before and was made anew", plan.device));
  }
  if (Status made = (*kernel)->apply(plan.host); !made) return undo(made.error());
  if (!plan.machine.empty()) {
    nl::NlKernel::Options options;
    options.netns = request.netns;
    const auto machine = nl::NlKernel::open(options);
    if (!machine) return undo(machine.error());
    if (Status made = (*machine)->apply(plan.machine); !made) return undo(made.error());
  }
  const ovsdb::Outcome outcome = ovsdb::commit_and_wait(**vswitch, plan.vswitch, session.timeout());
  if (!outcome.status) return undo(outcome.status.error());
  return {};
}

Status wait_active(Session& session, const Uuid& port) {
  const auto database = session.database();
  if (!database) return forward_error(database);
  const long long deadline = ml2_time_msec() + session.timeout().count();
  std::string last = "nothing";
  while (true) {
    (*database)->run();
    if (const auto* snapshot = (*database)->snapshot(); snapshot != nullptr) {
      const auto rows = ovsdb::read_ml2(*snapshot);
      const auto row = rows.ports.find(port);
      if (row == rows.ports.end()) return invalid("the port was deleted meanwhile");
      if (row->second.status == "ACTIVE") return {};
      last = row->second.status + (row->second.status_reason.empty() ? "" : ": " + row->second.status_reason);
    }
    const long long left = deadline - ml2_time_msec();
    if (left <= 0) {
      return transient(
          fmt::format("the port is plugged, but not ACTIVE after {} s: {}", session.timeout().count() / 1000, last));
    }
    (*database)->wait();
    ml2_poll_timer(left);
    ml2_poll_block();
  }
}

Result<nl::NetnsRef> find_netns(const std::string& text) {
  const auto netns = nl::NetnsRef::parse(text);
  if (!netns) return invalid(fmt::format("{} cannot be a network namespace's name", text::printable(text)));
  if (::access(netns->path.c_str(), F_OK) != 0) {
    return invalid(fmt::format("there is no network namespace {} ({}): ip netns add makes one", text::printable(text),
                               netns->path));
  }
  return *netns;
}

Status plug(Session& session, const PlugOptions& options) {
  PlugRequest request;
  request.tap = options.type == "tap";
  request.ifname = options.ifname;
  request.bridge = options.bridge;
  request.addresses = !options.no_address;
  if (request.tap != options.netns.empty()) {
    return invalid(request.tap
                       ? "a tap device stays in this namespace, where the hypervisor opens it: leave --netns out"
                       : "--netns is missing: where the machine's end of the veth pair goes");
  }
  if (!request.tap) {
    const auto netns = find_netns(options.netns);
    if (!netns) return forward_error(netns);
    request.netns = *netns;
  }
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto port = plugin::find_resource(reading->rows.ports, "port", options.port);
  if (!port) return forward_error(port);
  request.port = *port;
  const auto database = session.vswitch();
  if (!database) return forward_error(database);
  const ovsdb::Vswitch vswitch = ovsdb::read_vswitch(*(*database)->snapshot());
  const auto plan = plan_plug(reading->rows, vswitch, request);
  if (!plan) return forward_error(plan);
  const auto host = this_host(session, reading->rows, vswitch, options.host);
  if (!host) return forward_error(host);
  const auto before = bind_here(*reading->plugin, reading->rows, *port, *host);
  if (!before) return forward_error(before);
  if (Status done = carry_out(session, *plan, request); !done) {
    if (*before != *host) {
      plugin::PortUpdate update;
      update.host = *before;
      if (Status back = reading->plugin->update_port(*port, update); !back) {
        log::err("ml2ctl", "the port's host could not be set back to {}: {}", *before, back.error().message);
      }
    }
    return done;
  }
  if (options.wait) {
    if (Status active = wait_active(session, *port); !active) return active;
  }
  nlohmann::json shown{
      {"port_id", port->to_string()}, {"device", plan->device}, {"bridge", request.bridge}, {"host", *host}};
  if (!request.tap) {
    shown["netns"] = options.netns;
    shown["ifname"] = request.ifname;
  }
  session.show(shown);
  return {};
}

struct UnplugOptions {
  std::string port;
};

Status unplug(Session& session, const UnplugOptions& options) {
  const auto database = session.vswitch();
  if (!database) return forward_error(database);
  const ovsdb::Vswitch vswitch = ovsdb::read_vswitch(*(*database)->snapshot());
  // By its id also when the port is deleted already: its interface must be removable.
  auto port = Uuid::parse(options.port);
  if (!port) {
    const auto reading = read_rows(session);
    if (!reading) return forward_error(reading);
    const auto found = plugin::find_resource(reading->rows.ports, "port", options.port);
    if (!found) return forward_error(found);
    port = *found;
  }
  const UnplugPlan plan = plan_unplug(vswitch, *port);
  if (!plan.vswitch.empty()) {
    const ovsdb::Outcome outcome = ovsdb::commit_and_wait(**database, plan.vswitch, session.timeout());
    if (!outcome.status) return outcome.status;
  }
  const auto kernel = nl::NlKernel::open({});
  if (!kernel) return forward_error(kernel);
  // Only what we make by this name is ours to delete; a device of another name was plugged by somebody else.
  nl::Batch batch;
  batch.add(nl::DeleteLink{.name = device_name(*port)});
  const Status deleted = (*kernel)->apply(batch);
  if (plan.device.empty() && !deleted) {
    return invalid(fmt::format("port {} is not plugged on this host", text::printable(options.port)));
  }
  return {};
}

}  // namespace

void add_vif_commands(Command& top, Program& program) {
  Command vif = top.add_group("vif", "Interfaces of ports on this host");
  add_command<PlugOptions>(
      vif, program, "plug", "Plug a port into a machine's network namespace",
      [&program](Command& command, PlugOptions& options) {
        command.add_option("PORT", options.port, "Name or id").required();
        command.add_option("--netns", options.netns,
                           "Network namespace of the machine: a name of ip netns, or a path");
        command.add_option("--type", options.type, "veth: a pair, one end in the namespace; tap: for a hypervisor")
            .one_of({"veth", "tap"})
            .show_default();
        command.add_option("--ifname", options.ifname, "Name of the machine's end").show_default();
        command.add_option("--bridge", options.bridge, "Integration bridge").show_default();
        command
            .add_option("--host", options.host,
                        "Name of this host; default: [DEFAULT] host, else Open vSwitch's "
                        "hostname, else the system's")
            .env("ML2_HOST");
        command.add_option("--ovsdb", program.globals.ovsdb, "The local Open vSwitch database");
        command.add_flag("--no-address", options.no_address, "Give the machine's end no addresses and routes");
        Option wait = command.add_flag("--wait", options.wait, "Wait (up to --timeout) until the port is ACTIVE");
        command
            .add_flag(
                "--no-wait", [] {}, "Do not wait (default)")
            .excludes(wait);
        command.footer(
            "Everything is taken back if a step fails.\n"
            "Examples:\n"
            "  ip netns add vm1 && ml2ctl vif plug web1 --netns vm1 --wait\n"
            "  ml2ctl vif plug web2 --type tap\n");
      },
      plug);
  add_command<UnplugOptions>(
      vif, program, "unplug", "Remove a port's interface",
      [&program](Command& command, UnplugOptions& options) {
        command.add_option("PORT", options.port, "Name or id").required();
        command.add_option("--ovsdb", program.globals.ovsdb, "The local Open vSwitch database");
        command.footer("Example:\n  ml2ctl vif unplug web1\n");
      },
      unplug);
}

}  // namespace ml2::ctl
