// ml2-agent: the node agent. The only file that names the concrete classes behind the seams.
//
// In order: flags, configuration, signals, control socket, seams, loop. Shutdown changes nothing in OVS: traffic goes
// on, and the next start finds everything as it was.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/check_config.h"
#include "agent/config/loader.h"
#include "agent/control/control.h"
#include "agent/control/process_shim.h"
#include "agent/control/status.h"
#include "agent/intent/ml2_db_source.h"
#include "agent/node_config.h"
#include "agent/reconcile/audit.h"
#include "agent/reconcile/plan_text.h"
#include "agent/reconcile/port_reports.h"
#include "agent/reconcile/reconciler.h"
#include "agent/version.h"
#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/netlink/nl_kernel.h"
#include "datapath/openflow/rconn_switch.h"
#include "ovsdb/idl_database.h"

namespace ml2 {
namespace {

struct Flags {
  config::ConfigSources sources;
  std::string ovs_rundir = "/var/run/openvswitch";
  std::string ctl = "/run/ml2-agent/ml2-agent.ctl";
  std::string format = "table";
  bool check_config = false;
  bool help_config = false;
  bool version = false;
};

void print_lines(std::FILE* stream, const std::string& prefix, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) fmt::print(stream, "{}{}\n", prefix, line);
}

// Where the two databases are, and the files for TLS.
struct Remotes {
  ovsdb::IdlDatabase::Options vswitch;
  ovsdb::IdlDatabase::Options ml2;
};

Remotes remotes(const config::Config& config, const Flags& flags) {
  Remotes result;
  result.vswitch.columns = ovsdb::vswitch_columns();
  result.vswitch.remotes = config.is_set("ovs", "ovsdb_connection")
                               ? config.get_string("ovs", "ovsdb_connection")
                               : fmt::format("unix:{}/db.sock", flags.ovs_rundir);
  result.vswitch.transaction_timeout = std::chrono::seconds(config.get_int("ovs", "ovsdb_timeout"));
  const auto ssl = [&](const char* group, ovsdb::IdlDatabase::Options& options) {
    options.private_key = config.get_optional_string(group, "ssl_key_file").value_or("");
    options.certificate = config.get_optional_string(group, "ssl_cert_file").value_or("");
    options.ca_certificate = config.get_optional_string(group, "ssl_ca_cert_file").value_or("");
  };
  ssl("ovs", result.vswitch);
  result.ml2 = result.vswitch;
  result.ml2.database = "ML2";
  result.ml2.columns = ovsdb::ml2_columns();
  const std::string connection = fmt::format("{}", fmt::join(config.get_list("ml2_db", "connection"), ","));
  if (!connection.empty()) {
    result.ml2.remotes = connection;
    ssl("ml2_db", result.ml2);
  }
  return result;
}

// The signals that we answer come through a descriptor of the loop. They are blocked before libopenvswitch's first
// call: its own handlers would end the process.
UniqueFd block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
}

class Agent {
 public:
  Agent(config::Config config, UniqueFd signals) : config_(std::move(config)), signals_(std::move(signals)) {}

  Status start(const Flags& flags);
  void loop();

 private:
  void add_commands();
  void reload();
  void run_audits();
  [[nodiscard]] std::unique_ptr<of::Switch> open_switch(const std::string& bridge) const;
  void read_signals();

  struct RunningAudit {
    std::unique_ptr<reconcile::Audit> audit;
    control::Reply reply;
  };

  config::Config config_;
  UniqueFd signals_;
  SystemClock clock_;
  std::string ovs_rundir_;
  control::AgentFacts facts_;
  ovsdb::IdlDatabase::Options vswitch_options_;
  std::unique_ptr<control::Control> control_;
  std::unique_ptr<ovsdb::Database> vswitch_;
  std::unique_ptr<ovsdb::Database> ml2_;
  std::unique_ptr<nl::NlKernel> kernel_;
  std::unique_ptr<intent::IntentSource> source_;
  std::unique_ptr<reconcile::Reconciler> reconciler_;
  std::vector<RunningAudit> audits_;
  bool exit_ = false;
};

Status Agent::start(const Flags& flags) {
  ovs_rundir_ = flags.ovs_rundir;
  auto node = node_config(config_);
  if (!node) return forward_error(node);

  auto control = control::Control::open(flags.ctl);
  if (!control) return forward_error(control);
  control_ = std::move(*control);

  const Remotes where = remotes(config_, flags);
  vswitch_options_ = where.vswitch;
  auto vswitch = ovsdb::IdlDatabase::open(where.vswitch);
  if (!vswitch) return forward_error(vswitch);
  vswitch_ = std::move(*vswitch);
  auto ml2_db = ovsdb::IdlDatabase::open(where.ml2);
  if (!ml2_db) return forward_error(ml2_db);
  ml2_ = std::move(*ml2_db);
  auto kernel = nl::NlKernel::open({});
  if (!kernel) return forward_error(kernel);
  kernel_ = std::move(*kernel);

  const double interval = std::max(1.0, config_.get_double("agent", "report_interval"));
  source_ = std::make_unique<intent::Ml2DbSource>(
      *ml2_, clock_,
      intent::Ml2DbSource::Options{.node = *node,
                                   .version = kVersion,
                                   .report_interval = std::chrono::seconds(static_cast<std::int64_t>(interval))});
  reconciler_ = std::make_unique<reconcile::Reconciler>(
      reconcile::Seams{.vswitch = *vswitch_,
                       .source = *source_,
                       .kernel = *kernel_,
                       .open_switch = [this](const std::string& bridge) { return open_switch(bridge); },
                       .clock = clock_},
      *node);
  facts_ = {.version = kVersion,
            .security_groups_expected =
                config_.get_bool("securitygroup", "enable_security_group") && config_.firewall_driver() != "noop"};
  add_commands();
  log::info("agent", "ml2-agent {} on host {}: Open_vSwitch at {}, ML2 database at {}", kVersion, node->host,
            where.vswitch.remotes, where.ml2.remotes);
  if (facts_.security_groups_expected) log::warn("agent", "{}", reconcile::kNotEnforced);
  return {};
}

std::unique_ptr<of::Switch> Agent::open_switch(const std::string& bridge) const {
  return std::make_unique<of::RconnSwitch>(bridge, fmt::format("{}/{}.mgmt", ovs_rundir_, bridge));
}

void Agent::add_commands() {
  using control::Arguments;
  using control::Reply;
  control_->add("status", "[table|json]", 0, 1, [this](const Arguments& arguments, Reply reply) {
    const bool json = !arguments.empty() && arguments[0] == "json";
    if (!arguments.empty() && !json && arguments[0] != "table") {
      reply.error(fmt::format("status: \"{}\" is neither table nor json", arguments[0]));
      return;
    }
    reply.ok(json ? control::status_json(*reconciler_, facts_) : control::status_table(*reconciler_, facts_));
  });
  control_->add("dump-intent", "", 0, 0,
                [this](const Arguments&, Reply reply) { reply.ok(control::intent_text(*reconciler_)); });
  control_->add("dump-desired", "", 0, 0,
                [this](const Arguments&, Reply reply) { reply.ok(control::desired_text(*reconciler_)); });
  control_->add("dump-plan", "", 0, 0, [this](const Arguments&, Reply reply) {
    if (!reconciler_->in_sync()) {
      reply.error(fmt::format("not in sync yet: {}", fmt::join(reconciler_->gate(), "; ")));
      return;
    }
    reply.ok(reconcile::to_text(reconciler_->plan(), reconciler_->node()));
  });
  control_->add("recompute", "", 0, 0, [this](const Arguments&, Reply reply) {
    if (!reconciler_->in_sync()) {
      reply.error(fmt::format("not in sync yet: {}", fmt::join(reconciler_->gate(), "; ")));
      return;
    }
    const reconcile::OpenDatabase open_database = [this]() -> Result<std::unique_ptr<ovsdb::Database>> {
      auto database = ovsdb::IdlDatabase::open(vswitch_options_);
      if (!database) return forward_error(database);
      return std::unique_ptr<ovsdb::Database>(std::move(*database));
    };
    audits_.push_back(
        {std::make_unique<reconcile::Audit>(
             *reconciler_, open_database, [this](const std::string& bridge) { return open_switch(bridge); }, clock_),
         std::move(reply)});
  });
  control_->add("exit", "", 0, 0, [this](const Arguments&, Reply reply) {
    exit_ = true;
    reply.ok("");
  });
}

void Agent::run_audits() {
  for (RunningAudit& running : audits_) {
    running.audit->run();
    if (!running.audit->answer()) continue;
    const Result<std::string>& answer = *running.audit->answer();
    if (answer) {
      running.reply.ok(*answer);
    } else {
      running.reply.error(answer.error().message);
    }
    running.audit.reset();
  }
  std::vector<RunningAudit> still;
  for (RunningAudit& running : audits_) {
    if (running.audit) still.push_back(std::move(running));
  }
  audits_.swap(still);
}

void Agent::reload() {
  config::ReloadResult result = config::reload(config_);
  print_lines(stderr, "ml2-agent: warning: ", result.warnings);
  for (const std::string& error : result.errors) log::err("config", "{}; the running configuration stays", error);
  if (!result.config) return;
  for (const config::Change& change : result.changes) {
    log::info("config", "[{}] {}: {} -> {} ({})", change.group, change.name, change.before, change.after,
              change.origin);
  }
  config_ = std::move(*result.config);
  ml2_vlog_debug(config_.get_bool("DEFAULT", "debug") ? 1 : 0);
}

void Agent::read_signals() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) {
    if (signal.ssi_signo == SIGHUP) {
      log::info("agent", "SIGHUP: reading the configuration again");
      reload();
    } else {
      log::info("agent", "signal {}: ending; bridges, ports and flows stay as they are", signal.ssi_signo);
      exit_ = true;
    }
  }
}

void Agent::loop() {
  while (true) {
    read_signals();
    control_->run();
    if (exit_) return;
    reconciler_->run();
    run_audits();

    ml2_poll_fd(signals_.get(), POLLIN);
    control_->wait();
    reconciler_->wait();
    for (RunningAudit& running : audits_) running.audit->wait();
    ml2_poll_block();
  }
}

void vlog_sink(std::string_view module, log::Level level, std::string_view text) {
  ml2_vlog(std::string(module).c_str(), static_cast<int>(level), text.data(), static_cast<int>(text.size()));
}

int run(const Flags& flags) {
  if (flags.version) {
    fmt::print("ml2-agent {}\n", kVersion);
    return EXIT_SUCCESS;
  }
  if (flags.help_config) {
    fmt::print("{}", config::help_text());
    return EXIT_SUCCESS;
  }
  config::LoadResult loaded = config::load(flags.sources, config::process_environment());
  print_lines(stderr, "ml2-agent: warning: ", loaded.warnings);
  if (loaded.config) {
    if (auto node = node_config(*loaded.config); !node) loaded.errors.push_back(node.error().message);
  }
  print_lines(stderr, "ml2-agent: error: ", loaded.errors);
  if (!loaded.errors.empty() || !loaded.config) return EXIT_FAILURE;
  if (flags.check_config) {
    fmt::print("{}",
               flags.format == "json" ? config::config_json(*loaded.config) : config::config_text(*loaded.config));
    return EXIT_SUCCESS;
  }
  if (loaded.config->is_set("DEFAULT", "transport_url") &&
      loaded.config->origin("DEFAULT", "transport_url") != "default") {
    fmt::print(
        stderr,
        "ml2-agent: error: {}: [DEFAULT] transport_url asks for a Neutron server as the source of intent, which "
        "this version does not have yet; take it out to use the ML2 database ([ml2_db] connection)\n",
        loaded.config->origin("DEFAULT", "transport_url"));
    return EXIT_FAILURE;
  }

  UniqueFd signals = block_signals();
  ml2_process_init("ml2-agent", kVersion);
  for (const char* module : {"agent", "config", "intent", "reconcile", "ovsdb", "openflow", "netlink"}) {
    ml2_vlog_module(module);
  }
  log::set_sink(&vlog_sink);
  ml2_vlog_debug(loaded.config->get_bool("DEFAULT", "debug") ? 1 : 0);
  for (const std::string& notice : loaded.notices) log::info("config", "{}", notice);

  Agent agent(std::move(*loaded.config), std::move(signals));
  if (const Status started = agent.start(flags); !started) {
    fmt::print(stderr, "ml2-agent: error: {}\n", started.error().message);
    return EXIT_FAILURE;
  }
  agent.loop();
  return EXIT_SUCCESS;
}

// Adds one --config-file or --config-dir as it comes, so that their order among each other is kept.
void add_source_flags(CLI::App& app, config::ConfigSources& sources) {
  const auto add = [&](const std::string& name, config::ConfigSources::Kind kind, const std::string& help) {
    app.add_option_function<std::vector<std::string>>(
           name,
           [&sources, kind](const std::vector<std::string>& paths) {
             for (const std::string& path : paths) sources.sources.push_back({kind, path});
           },
           help)
        ->trigger_on_parse()
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("PATH");
  };
  add("--config-file", config::ConfigSources::Kind::File, "an ini file; may be given several times, later wins");
  add("--config-dir", config::ConfigSources::Kind::Directory, "a directory whose *.conf files are read in order");
}

}  // namespace
}  // namespace ml2

int main(int argc, char** argv) {
  ml2::Flags flags;
  if (const char* rundir = std::getenv("OVS_RUNDIR"); rundir != nullptr && *rundir != '\0') flags.ovs_rundir = rundir;
  CLI::App app(
      "ml2-agent: the node agent for ML2/Open vSwitch networks.\n"
      "It reads openvswitch_agent.ini, follows the ML2 database, and wires this host's ports in Open vSwitch.");
  ml2::add_source_flags(app, flags.sources);
  app.add_option("--ovs-rundir", flags.ovs_rundir, "where ovs-vswitchd has its BRIDGE.mgmt sockets and db.sock")
      ->capture_default_str()
      ->type_name("DIR");
  app.add_option("--ctl", flags.ctl, "the control socket (ml2ctl status, ovs-appctl -t PATH list-commands)")
      ->capture_default_str()
      ->type_name("PATH");
  app.add_flag("--check-config", flags.check_config,
               "print the effective configuration with the origin of each value, or its errors, and end");
  app.add_flag("--help-config", flags.help_config, "print the table of all options and end");
  app.add_option("--format", flags.format, "of --check-config")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_flag("-V,--version", flags.version, "print the version and end");
  app.footer(
      "Examples:\n"
      "  ml2-agent --config-file /etc/neutron/plugins/ml2/openvswitch_agent.ini\n"
      "  ml2-agent --config-file agent.ini --check-config --format json\n"
      "SIGHUP re-reads the configuration; SIGTERM ends the agent and changes nothing in Open vSwitch.");
  CLI11_PARSE(app, argc, argv);
  return ml2::run(flags);
}
