// ml2ctl: the operator's command: the ML2 database, interfaces on this host, the local agent's status.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <iostream>

#include "agent/cli_text.h"
#include "agent/ctl/control_client.h"
#include "agent/ctl/program.h"
#include "agent/ctl/unixctl_shim.h"
#include "agent/ctl/wait.h"
#include "agent/version.h"
#include "datapath/base/log.h"
#include "datapath/base/text.h"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kLate = 3;

std::vector<ml2::ManSection> man_sections() {
  return {{"FILES",
           ".TP\n/etc/neutron/plugins/ml2/*.ini, /etc/ml2\\-agent/*\nwhere the databases and the type drivers' "
           "ranges are "
           "found\n.TP\n/run/ml2\\-agent/ml2\\-agent.ctl\nthe control socket of the local agent\n"},
          {"SEE ALSO", ".BR ml2\\-agent (8),\n.BR ml2\\-agent.conf (5)\n"}};
}

void define_globals(ml2::ctl::Command& top, ml2::ctl::GlobalOptions& globals) {
  top.add_option("--db", globals.db,
                 "Remotes of the ML2 database, separated by commas; default: [ml2_db] connection, else the local "
                 "ovsdb-server")
      .env("ML2_DB");
  top.add_option(
         "--config-file", globals.config_files,
         "ini file, for type drivers, ranges and connections; repeat it. Default: those in /etc/ml2-agent and "
         "/etc/neutron that are there")
      .repeatable(',')
      .env("ML2_CONFIG_FILES");
  top.add_option("--config-dir", globals.config_dirs, "Directory of ini files; repeat it").repeatable();
  top.add_option("--format", globals.format, "table, for people, or json, for programs")
      .one_of({"table", "json"})
      .show_default();
  top.add_option(
         "--wait", globals.wait,
         "End a command that changes something when the switches have confirmed its flows: on the host of its "
         "ports (host), or on all hosts whose agent is alive (all)")
      .one_of({"host", "all"});
  top.add_option("--timeout", globals.timeout, "Seconds until a database or the agent is given up")
      .between(0.001, 86400.0)
      .show_default();
  top.add_option("--private-key", globals.private_key, "PEM file, for ssl: remotes");
  top.add_option("--certificate", globals.certificate, "PEM file, for ssl: remotes");
  top.add_option("--ca-cert", globals.ca_cert, "PEM file of the authority that signed the server's certificate");
  top.add_option("--ctl", globals.ctl, "Control socket of the local agent")
      .env("ML2_CTL")
      .show_default(ml2::ctl::kControlSocket);
}

int run(int argc, char** argv) {
  ml2_silence_library_log();
  ml2::log::set_sink([](std::string_view, ml2::log::Level level, std::string_view text) {
    if (level >= ml2::log::Level::Warn) std::cerr << "ml2ctl: " << text << "\n";
  });
  ml2::ctl::Program program;
  ml2::ctl::CommandLine command_line(
      "ml2ctl", "Operate ml2-agent: networks, subnets, ports, hosts; interfaces; the local agent",
      std::string("ml2ctl ") + ml2::kVersion);
  ml2::ctl::Command top = command_line.top();
  define_globals(top, program.globals);
  ml2::ctl::add_network_commands(top, program);
  ml2::ctl::add_subnet_commands(top, program);
  ml2::ctl::add_port_commands(top, program);
  ml2::ctl::add_host_commands(top, program);
  ml2::ctl::add_security_group_commands(top, program);
  ml2::ctl::add_vif_commands(top, program);
  ml2::ctl::add_agent_commands(top, program);
  ml2::ctl::add_explain_command(top, program);
  ml2::ctl::add_trace_command(top, program);
  ml2::ctl::add_sync_command(top, program);
  ml2::ctl::add_fastpath_commands(top, program);
  top.footer(
      "Exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage, 3 done, but --wait has not seen it\n"
      "confirmed (the hosts that are late are on stderr).\n"
      "Examples:\n"
      "  ml2ctl network create blue\n"
      "  ml2ctl subnet create blue4 --network blue --subnet-range 10.0.0.0/24\n"
      "  ml2ctl port create web1 --network blue --host hv1\n"
      "  ml2ctl --wait=host port set web1 --host hv2\n"
      "  ml2ctl vif plug web1 --netns vm1\n"
      "  ml2ctl --format json port list\n"
      "  ml2ctl explain web1\n");
  // For the build, which installs them.
  const std::string_view page = argc == 2 ? argv[1] : "";
  if (page == "--help-man" || page == "--help-bash-completion") {
    std::cout << (page == "--help-man" ? ml2::man_page(command_line.tree(), 1, ml2::kVersion, man_sections())
                                       : ml2::bash_completion(command_line.tree()));
    return std::cout.flush() ? 0 : kFailed;
  }
  const auto parsed = command_line.parse(argc, argv);
  if (parsed.wrong) {
    std::cerr << "ml2ctl: " << parsed.text << " (--help tells more)\n";
    return kUsage;
  }
  if (parsed.done) {
    std::cout << parsed.text;
    return std::cout.flush() ? 0 : kFailed;
  }
  ml2::ctl::Session session(program.globals, std::cout, std::cerr);
  const auto failed = [](const ml2::Error& error, int status) {
    std::cout.flush();
    std::cerr << "ml2ctl: " << error.message << "\n";
    return status;
  };
  ml2::ovsdb::Ml2Rows before;
  if (!program.globals.wait.empty()) {
    auto reading = ml2::ctl::read_rows(session);
    if (!reading) return failed(reading.error(), kFailed);
    before = std::move(reading->rows);
  }
  if (const ml2::Status done = program.action(session); !done) return failed(done.error(), kFailed);
  if (!program.globals.wait.empty()) {
    if (const ml2::Status applied = ml2::ctl::wait_until_applied(session, before); !applied) {
      return failed(applied.error(), kLate);
    }
  }
  return std::cout.flush() ? 0 : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {  // of the standard library and CLI11: ours throws nothing
    std::cerr << "ml2ctl: " << error.what() << "\n";
    return kFailed;
  }
}
