// ml2-agent: the node agent. The only file that names the concrete classes behind the seams.
//
// In order: flags, configuration, signals, control socket, seams, loop. Shutdown changes nothing in OVS: traffic goes
// on, and the next start finds everything as it was.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/check_config.h"
#include "agent/config/loader.h"
#include "agent/control/agent_commands.h"
#include "agent/control/control.h"
#include "agent/control/metrics_listener.h"
#include "agent/control/notify.h"
#include "agent/control/pid_file.h"
#include "agent/control/process_shim.h"
#include "agent/control/rights.h"
#include "agent/flags.h"
#include "agent/heap.h"
#include "agent/intent/ml2_db_source.h"
#include "agent/intent/ml2_leave.h"
#include "agent/log_setup.h"
#include "agent/node_config.h"
#include "agent/reconcile/cleaner.h"
#include "agent/reconcile/plan_text.h"
#include "agent/reconcile/port_reports.h"
#include "agent/reconcile/reconciler.h"
#include "agent/remotes.h"
#include "agent/version.h"
#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/fastpath/socket_fast_path.h"
#include "datapath/netlink/nl_kernel.h"
#include "datapath/openflow/rconn_switch.h"
#include "ovsdb/blocking.h"
#include "ovsdb/remote_database.h"
#include "ovsdb/vswitch.h"

namespace ml2 {
namespace {

void print_lines(std::FILE* stream, const std::string& prefix, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) fmt::print(stream, "{}{}\n", prefix, line);
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
  void loop(control::Notify& notify);
  // --dry-run: the plan as text.
  Result<std::string> look();
  // --cleanup, instead of start().
  Result<std::string> cleanup(const Flags& flags);

 private:
  std::string leave_ml2(const Flags& flags, const std::string& host) const;
  void add_commands();
  void reload();
  [[nodiscard]] std::unique_ptr<of::Switch> open_switch(const std::string& bridge) const;
  [[nodiscard]] std::unique_ptr<fp::FastPath> open_fast_path() const;
  void read_signals();
  void give_memory_back();
  Status open_vswitch(const Flags& flags);
  Status open_metrics();
  void run_metrics();
  [[nodiscard]] std::string summary() const;

  config::Config config_;
  UniqueFd signals_;
  SystemClock clock_;
  reconcile::Counters trimmed_;  // as they were when memory was last given back
  std::optional<Monotonic> trim_at_;
  std::string ovs_rundir_;
  ovsdb::RemoteDatabase::Options vswitch_options_;
  std::unique_ptr<control::Control> control_;
  std::unique_ptr<control::PidFile> pid_file_;
  std::unique_ptr<ovsdb::Database> vswitch_;
  std::unique_ptr<ovsdb::Database> ml2_;
  std::unique_ptr<nl::NlKernel> kernel_;
  std::string fast_path_socket_;  // empty: [fastpath] is not enabled
  std::unique_ptr<fp::FastPath> fast_path_;
  std::unique_ptr<intent::IntentSource> source_;
  std::unique_ptr<reconcile::Reconciler> reconciler_;
  std::unique_ptr<control::AgentCommands> commands_;
  std::unique_ptr<control::MetricsListener> metrics_;
  bool exit_ = false;
};

// The control socket, whose lock keeps a second agent away (not for a dry run, which may look beside a running agent),
// and the Open_vSwitch database.
Status Agent::open_vswitch(const Flags& flags) {
  ovs_rundir_ = flags.ovs_rundir;
  vswitch_options_ = remotes(config_, flags).vswitch;
  if (!flags.dry_run) {
    auto control = control::Control::open(flags.ctl);
    if (!control) return forward_error(control);
    control_ = std::move(*control);
    auto pid_file = control::PidFile::take(ovs_rundir_, flags.ctl);
    if (!pid_file && pid_file.error().kind == ErrorKind::Conflict) return forward_error(pid_file);
    if (pid_file) {
      pid_file_ = std::move(*pid_file);
    } else {
      log::warn("agent", "{}: `ovs-appctl -t ml2-agent` does not find this agent, -t {} does",
                pid_file.error().message, flags.ctl);
    }
  }
  auto vswitch = ovsdb::RemoteDatabase::open(vswitch_options_);
  if (!vswitch) return forward_error(vswitch);
  vswitch_ = std::move(*vswitch);
  return {};
}

Status Agent::open_metrics() {
  const std::string where = config_.get_optional_string("agent", "metrics_listen").value_or("");
  if (where.empty()) return {};
  auto metrics = control::MetricsListener::open(where, clock_);
  if (!metrics) {
    return tl::unexpected<Error>(
        Error{metrics.error().kind, fmt::format("{}: [agent] metrics_listen: {}",
                                                config_.origin("agent", "metrics_listen"), metrics.error().message)});
  }
  metrics_ = std::move(*metrics);
  if (!metrics_->error().empty()) log::warn("agent", "[agent] metrics_listen: {}", metrics_->error());
  return {};
}

void Agent::run_metrics() {
  if (!metrics_) return;
  metrics_->run(*reconciler_, kVersion);
  const std::string& error = metrics_->error();
  reconciler_->set_process_problem(error.empty()
                                       ? ""
                                       : fmt::format("{}: [agent] metrics_listen: {}; it is tried again every {} s",
                                                     config_.origin("agent", "metrics_listen"), error,
                                                     control::MetricsListener::kRetry.count()));
}

Status Agent::start(const Flags& flags) {
  auto node = node_config(config_);
  if (!node) return forward_error(node);
  if (Status opened = open_vswitch(flags); !opened) return opened;
  const Remotes where = remotes(config_, flags);
  auto ml2_db = ovsdb::RemoteDatabase::open(where.ml2);
  if (!ml2_db) return forward_error(ml2_db);
  ml2_ = std::move(*ml2_db);
  // Routes and neighbours say where the fast path's tunnels go.
  const bool fast_path = node->fast_path.enabled;
  auto kernel = nl::NlKernel::open({.monitor = {.addresses = true, .routes = fast_path, .neighbours = fast_path}});
  if (!kernel) return forward_error(kernel);
  kernel_ = std::move(*kernel);

  fast_path_socket_ = fast_path ? node->fast_path.socket : std::string();
  fast_path_ = open_fast_path();

  const double interval = config_.get_double("agent", "report_interval");
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
                       .clock = clock_,
                       .fast_path = fast_path_.get()},
      *node, flags.dry_run ? reconcile::Reconciler::Mode::Look : reconcile::Reconciler::Mode::Act);
  if (flags.dry_run) return {};
  if (const Status opened = open_metrics(); !opened) return opened;
  add_commands();
  log::info("agent", "ml2-agent {} on host {}: Open_vSwitch at {}, ML2 database at {}", kVersion, node->host,
            where.vswitch.remotes, where.ml2.remotes);
  if (!control::has_capability(control::kCapNetAdmin)) {
    log::warn("agent",
              "without CAP_NET_ADMIN the buffer for the kernel's notifications is net.core.rmem_max at most: when it "
              "runs over, everything is read again");
  }
  return {};
}

std::unique_ptr<fp::FastPath> Agent::open_fast_path() const {
  if (fast_path_socket_.empty()) return nullptr;
  return std::make_unique<fp::SocketFastPath>(fast_path_socket_);
}

std::unique_ptr<of::Switch> Agent::open_switch(const std::string& bridge) const {
  return std::make_unique<of::RconnSwitch>(bridge, fmt::format("{}/{}.mgmt", ovs_rundir_, bridge), liveness(config_));
}

void Agent::add_commands() {
  const control::AgentFacts facts{
      .version = kVersion,
      .started = clock_.wall(),
      .ovs_rundir = ovs_rundir_,
      .ml2_schema = kMl2Schema,
      .security_groups_expected =
          config_.get_bool("securitygroup", "enable_security_group") && config_.firewall_driver() != "noop"};
  if (facts.security_groups_expected) log::warn("agent", "{}", reconcile::kNotEnforced);
  const reconcile::OpenDatabase open_vswitch = [this]() -> Result<std::unique_ptr<ovsdb::Database>> {
    auto database = ovsdb::RemoteDatabase::open(vswitch_options_);
    if (!database) return forward_error(database);
    return std::unique_ptr<ovsdb::Database>(std::move(*database));
  };
  commands_ = std::make_unique<control::AgentCommands>(
      *control_, *reconciler_, clock_, facts,
      control::AgentCommands::Places{.open_vswitch = open_vswitch,
                                     .open_switch = [this](const std::string& bridge) { return open_switch(bridge); },
                                     .open_fast_path = [this] { return open_fast_path(); },
                                     .exit = [this] { exit_ = true; }});
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
      if (const int error = ml2_vlog_reopen(); error != 0) {
        log::err("agent", "the log file could not be opened again: {}", std::strerror(error));
      }
      log::info("agent", "SIGHUP: reading the configuration again");
      reload();
    } else {
      log::info("agent", "signal {}: ending; bridges, ports and flows stay as they are", signal.ssi_signo);
      exit_ = true;
    }
  }
}

// One line for `systemctl status`.
std::string Agent::summary() const {
  if (!reconciler_->in_sync()) return fmt::format("waiting: {}", fmt::join(reconciler_->gate(), "; "));
  const std::size_t problems = reconciler_->problems().size();
  return fmt::format("{} of {} ports wired{}{}{}", reconciler_->active_ports(), reconciler_->port_reports().size(),
                     reconciler_->out_of_reach().empty() ? "" : "; ", fmt::join(reconciler_->out_of_reach(), "; "),
                     problems == 0 ? "" : fmt::format("; {} problems, see ml2ctl status", problems));
}

Result<std::string> Agent::look() {
  const Monotonic deadline = clock_.now() + reconcile::Audit::kLimit;
  while (reconciler_->counters().steps == 0) {
    read_signals();
    if (exit_) return transient("ended by a signal; nothing was changed");
    reconciler_->run();
    const Monotonic now = clock_.now();
    if (reconciler_->counters().steps != 0) break;
    if (now >= deadline) {
      return transient(fmt::format("no plan within {} s: {}", reconcile::Audit::kLimit.count(),
                                   fmt::join(reconciler_->gate(), "; ")));
    }
    ml2_poll_fd(signals_.get(), POLLIN);
    reconciler_->wait();
    ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now).count() + 1);
    ml2_poll_block();
  }
  return reconcile::to_text(reconciler_->plan(), reconciler_->node()) + "\n";
}

Result<std::string> Agent::cleanup(const Flags& flags) {
  const auto node = node_config(config_);
  if (!node) return forward_error(node);
  if (Status opened = open_vswitch(flags); !opened) return forward_error(opened);
  reconcile::Cleaner cleaner(
      *vswitch_, [this](const std::string& bridge) { return open_switch(bridge); }, *node, clock_,
      flags.dry_run ? reconcile::Cleaner::Mode::Look : reconcile::Cleaner::Mode::Remove);
  while (!cleaner.answer()) {
    read_signals();
    if (exit_) return transient("ended by a signal: run it again");
    cleaner.run();
    ml2_poll_fd(signals_.get(), POLLIN);
    cleaner.wait();
    ml2_poll_block();
  }
  if (!*cleaner.answer()) return *cleaner.answer();
  const std::string text = **cleaner.answer() + leave_ml2(flags, node->host);
  if (!node->fast_path.enabled) return text;
  return text +
         "ml2-fastpath goes on with what it has: end it (systemctl stop ml2-fastpath), then\n"
         "`ip link delete patch-fastpath` takes the patch's devices away\n";
}

// The lines of --cleanup on the ML2 database; that there is none is worth a word only where the ini names one.
std::string Agent::leave_ml2(const Flags& flags, const std::string& host) const {
  constexpr std::chrono::seconds kPatience{5};
  ovsdb::RemoteDatabase::Options options = remotes(config_, flags).ml2;
  options.columns = intent::leave_columns();
  options.unread = {};
  const bool named = !config_.get_list("ml2_db", "connection").empty();
  auto database = ovsdb::RemoteDatabase::open(options);
  if (!database) return fmt::format("ML2 database at {}: {}\n", options.remotes, database.error().message);
  if (!named && !ovsdb::wait_until_synced(**database, kPatience)) return {};
  const auto root = ovsdb::read_vswitch(*vswitch_->snapshot()).root;
  return intent::leave_ml2(**database, options.remotes,
                           {.host = host, .switch_id = root ? root->to_string() : std::string()}, flags.dry_run,
                           kPatience);
}

// What it took to read, compile and send a great deal is needed no more half a second after it is done: by then the
// ports' states are reported, too.
void Agent::give_memory_back() {
  constexpr std::uint64_t kManyFlowMods = 1000;
  const reconcile::Counters& now = reconciler_->counters();
  if (now.from_nothing == trimmed_.from_nothing && now.flow_mods < trimmed_.flow_mods + kManyFlowMods) return;
  if (!reconciler_->converged()) {
    trim_at_.reset();
    return;
  }
  if (!trim_at_) trim_at_ = clock_.now() + std::chrono::milliseconds(500);
  if (clock_.now() < *trim_at_) {
    ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(*trim_at_ - clock_.now()).count() + 1);
    return;
  }
  heap::give_back();
  trimmed_ = now;
  trim_at_.reset();
}

void Agent::loop(control::Notify& notify) {
  notify.send("READY=1");
  while (true) {
    read_signals();
    heap::give_back_at_once(true);  // an answer with all ports is large, and the next may be asked for in days
    control_->run();
    if (exit_) {
      notify.send("STOPPING=1");
      return;
    }
    // Much to read frees pages only to take them again.
    heap::give_back_at_once(trim_at_.has_value());
    reconciler_->run();
    give_memory_back();
    commands_->run();
    run_metrics();
    notify.status(summary());
    notify.run(clock_.now());

    ml2_poll_fd(signals_.get(), POLLIN);
    notify.wait(clock_.now());
    control_->wait();
    reconciler_->wait();
    commands_->wait();
    if (metrics_) metrics_->wait();
    ml2_poll_block();
  }
}

void vlog_sink(std::string_view module, log::Level level, std::string_view text) {
  // vlog looks through all of its modules for a name.
  static thread_local std::map<std::string, vlog_module*, std::less<>> modules;
  auto found = modules.find(module);
  if (found == modules.end()) {
    const std::string name(module);
    found = modules.emplace(name, ml2_vlog_module(name.c_str())).first;
  }
  ml2_vlog(found->second, static_cast<int>(level), text.data(), static_cast<int>(text.size()));
}

int print_answer(const Result<std::string>& answer) {
  if (answer) {
    fmt::print("{}", *answer);
    return EXIT_SUCCESS;
  }
  fmt::print(stderr, "ml2-agent: error: {}\n", answer.error().message);
  return EXIT_FAILURE;
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
  if (!flags.cleanup && loaded.config->is_set("DEFAULT", "transport_url") &&
      loaded.config->origin("DEFAULT", "transport_url") != "default") {
    fmt::print(
        stderr,
        "ml2-agent: error: {}: [DEFAULT] transport_url asks for a Neutron server as the source of intent, which "
        "this version does not have yet; take it out to use the ML2 database ([ml2_db] connection)\n",
        loaded.config->origin("DEFAULT", "transport_url"));
    return EXIT_FAILURE;
  }

  if (const auto missing = control::missing_rights(remotes(*loaded.config, flags).vswitch.remotes, flags.ovs_rundir,
                                                   flags.dry_run ? "" : flags.ctl);
      !missing.empty()) {
    print_lines(stderr, "ml2-agent: error: ", missing);
    return EXIT_FAILURE;
  }
  const LogSetup logging = log_setup(*loaded.config);
  UniqueFd signals = block_signals();
  control::Notify notify = control::Notify::from_environment();
  const ml2_log_setup log_files{.file = logging.file.empty() ? nullptr : logging.file.c_str(),
                                .to_stderr = logging.to_stderr,
                                .syslog = logging.syslog,
                                .journal = logging.journal,
                                .facility = logging.facility.c_str(),
                                .json = logging.json,
                                .debug = logging.debug};
  const int log_error = ml2_process_init("ml2-agent", kVersion, &log_files);
  for (const char* module : {"agent", "config", "intent", "reconcile", "ovsdb", "openflow", "netlink"}) {
    ml2_vlog_module(module);
  }
  log::set_sink(&vlog_sink);
  if (log_error != 0) {
    log::warn("agent", "{}: [DEFAULT] log_file: {} cannot be written: {}; logging to stderr instead",
              loaded.config->origin("DEFAULT", "log_file"), logging.file, std::strerror(log_error));
  }
  for (const std::string& notice : loaded.notices) log::info("config", "{}", notice);

  Agent agent(std::move(*loaded.config), std::move(signals));
  if (flags.cleanup) return print_answer(agent.cleanup(flags));
  if (const Status started = agent.start(flags); !started) {
    fmt::print(stderr, "ml2-agent: error: {}\n", started.error().message);
    return EXIT_FAILURE;
  }
  if (flags.dry_run) return print_answer(agent.look());
  agent.loop(notify);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ml2

int main(int argc, char** argv) {
  ml2::Flags flags;
  if (const auto status = ml2::read_flags(argc, argv, flags)) return *status;
  return ml2::run(flags);
}
