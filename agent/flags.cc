#include "agent/flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <vector>

#include "agent/cli_text.h"
#include "agent/config/check_config.h"
#include "agent/version.h"

namespace ml2 {
namespace {

// What ml2-agent(8) says beside the options.
std::vector<ManSection> man_sections() {
  return {
      {"SIGNALS",
       ".TP\nSIGTERM, SIGINT\nThe agent ends within a second. Bridges, ports and flows stay as they are: traffic "
       "goes "
       "on.\n.TP\nSIGHUP\nThe configuration is read again; options that may change while it runs are applied.\n"},
      {"EXIT STATUS",
       "0: ended by a signal, or what was asked for is done. 1: the configuration is wrong, another agent runs, a "
       "right is missing, or \\-\\-cleanup or \\-\\-dry\\-run did not come to their end; standard error says it.\n"},
      {"FILES",
       ".TP\n/etc/ml2\\-agent/openvswitch_agent.ini\nthe package's configuration file\n"
       ".TP\n/run/ml2\\-agent/ml2\\-agent.ctl\nthe control socket; its lock keeps a second agent away\n"
       ".TP\n/run/openvswitch/ml2\\-agent.pid\nby which \\fBovs\\-appctl \\-t ml2\\-agent\\fR finds the agent; its "
       "lock keeps a second one away from this Open vSwitch\n"
       ".TP\n/run/openvswitch/db.sock, /run/openvswitch/*.mgmt\nOpen vSwitch, as it listens\n"},
      {"SEE ALSO", ".BR ml2\\-agent.conf (5),\n.BR ml2ctl (1),\n.BR ovs\\-appctl (8)\n"}};
}

}  // namespace

std::optional<int> read_flags(int argc, char** argv, Flags& flags) {
  if (const char* rundir = std::getenv("OVS_RUNDIR"); rundir != nullptr && *rundir != '\0') flags.ovs_rundir = rundir;
  CLI::App app(
      "ml2-agent: the node agent for ML2/Open vSwitch networks.\n"
      "It reads openvswitch_agent.ini, follows the ML2 database, and wires this host's ports in Open vSwitch.",
      "ml2-agent");
  add_source_flags(app, flags.sources, "an ini file; may be given several times, later wins");
  app.add_option("--ovs-rundir", flags.ovs_rundir, "where ovs-vswitchd has its BRIDGE.mgmt sockets and db.sock")
      ->capture_default_str()
      ->type_name("DIR");
  app.add_option("--ctl", flags.ctl, "the control socket (ml2ctl status, ovs-appctl -t PATH list-commands)")
      ->capture_default_str()
      ->type_name("PATH");
  app.add_flag("--check-config", flags.check_config,
               "print the effective configuration with the origin of each value, or its errors, and end");
  app.add_flag("--help-config", flags.help_config, "print the table of all options and end");
  app.add_flag("--dry-run", flags.dry_run,
               "print what would be changed in Open vSwitch and end; beside a running agent too");
  app.add_flag(
      "--cleanup", flags.cleanup,
      "take away all that is ml2-agent's in this Open vSwitch (flows, ports, VLANs, bridges that it made), say "
      "what it was, and end; refused while an agent runs. With --dry-run only say it");
  app.add_option("--format", flags.format, "of --check-config")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_flag("-V,--version", flags.version, "print the version and end");
  std::string help_page;
  app.add_option("--help-man", help_page, "")->check(CLI::IsMember({"agent", "conf"}))->group("");  // for the build
  bool completion = false;
  app.add_flag("--help-bash-completion", completion, "")->group("");
  app.footer(
      "Examples:\n"
      "  ml2-agent --config-file /etc/neutron/plugins/ml2/openvswitch_agent.ini\n"
      "  ml2-agent --config-file agent.ini --check-config --format json\n"
      "SIGHUP re-reads the configuration; SIGTERM ends the agent and changes nothing in Open vSwitch.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (help_page == "agent") {
    fmt::print("{}", man_page(app, 8, kVersion, man_sections()));
    return EXIT_SUCCESS;
  }
  if (help_page == "conf") {
    fmt::print("{}", config::man_page(kVersion));
    return EXIT_SUCCESS;
  }
  if (completion) {
    fmt::print("{}", bash_completion(app));
    return EXIT_SUCCESS;
  }
  return std::nullopt;
}

}  // namespace ml2
