#include "agent/ctl/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>

#include "agent/config/loader.h"
#include "ovsdb/blocking.h"
#include "ovsdb/remote_database.h"
#include "ovsdb/vswitch.h"

namespace ml2::ctl {
namespace {

constexpr const char* kLocalServer = "unix:/var/run/openvswitch/db.sock";

// Where the plugin's and the agent's ini files usually are; later ones win.
constexpr std::array kDefaultFiles{"/etc/neutron/neutron.conf",
                                   "/etc/neutron/plugins/ml2/ml2_conf.ini",
                                   "/etc/neutron/plugins/ml2/openvswitch_agent.ini",
                                   "/etc/ml2-agent/ml2-agent.conf",
                                   "/etc/ml2-agent/ml2_conf.ini",
                                   "/etc/ml2-agent/openvswitch_agent.ini"};

std::string first_of(const std::string& a, const std::optional<std::string>& b) {
  return a.empty() ? b.value_or("") : a;
}

std::string vswitch_remote(const config::Config& config) {
  return config.is_set("ovs", "ovsdb_connection") ? config.get_string("ovs", "ovsdb_connection") : kLocalServer;
}

}  // namespace

std::chrono::milliseconds Session::timeout() const {
  return std::chrono::milliseconds(static_cast<std::int64_t>(options_.timeout * 1000));
}

config::ConfigSources Session::config_sources(const config::Environment& environment) const {
  config::ConfigSources sources;
  for (const std::string& file : options_.config_files) sources.add_file(file);
  for (const std::string& directory : options_.config_dirs) sources.add_directory(directory);
  if (sources.sources.empty()) {
    for (const char* file : kDefaultFiles) {
      if (environment.files.exists(file)) sources.add_file(file);
    }
  }
  return sources;
}

Result<std::string> Session::fast_path_socket(const std::string& given) const {
  if (!given.empty()) return given;
  const config::Environment environment = config::process_environment();
  config::ConfigSources sources = config_sources(environment);
  sources.section = "fastpath";
  const auto loaded = config::load(sources, environment);
  if (!loaded.config) return invalid(fmt::format("{}", fmt::join(loaded.errors, "; ")));
  return loaded.config->get_string("fastpath", "socket");
}

Result<const config::Config*> Session::config() {
  if (config_) return &*config_;
  const config::Environment environment = config::process_environment();
  auto loaded = config::load(config_sources(environment), environment);
  if (!loaded.config) return invalid(fmt::format("{}", fmt::join(loaded.errors, "; ")));
  config_ = std::move(*loaded.config);
  return &*config_;
}

Result<std::unique_ptr<ovsdb::Database>> Session::open(const std::string& remotes, bool ml2) {
  const auto config = this->config();
  if (!config) return forward_error(config);
  const auto ini = [&](const char* name) { return (*config)->get_optional_string(ml2 ? "ml2_db" : "ovs", name); };
  ovsdb::RemoteDatabase::Options options;
  options.database = ml2 ? "ML2" : "Open_vSwitch";
  options.remotes = remotes;
  options.columns = ml2 ? ovsdb::ml2_columns() : ovsdb::vswitch_columns();
  options.private_key = first_of(options_.private_key, ini("ssl_key_file"));
  options.certificate = first_of(options_.certificate, ini("ssl_cert_file"));
  options.ca_certificate = first_of(options_.ca_cert, ini("ssl_ca_cert_file"));
  options.transaction_timeout = timeout();
  auto database = ovsdb::RemoteDatabase::open(std::move(options));
  if (!database) return forward_error(database);
  if (Status synced = ovsdb::wait_until_synced(**database, timeout()); !synced) {
    return tl::unexpected<Error>(Error{
        synced.error().kind, fmt::format("{} database: {}", ml2 ? "ML2" : "Open_vSwitch", synced.error().message)});
  }
  return std::unique_ptr<ovsdb::Database>(std::move(*database));
}

Result<ovsdb::Database*> Session::database() {
  if (ml2_) return ml2_.get();
  std::string remotes = options_.db;
  if (remotes.empty()) {
    const auto config = this->config();
    if (!config) return forward_error(config);
    remotes = fmt::format("{}", fmt::join((*config)->get_list("ml2_db", "connection"), ","));
    // Beside Open_vSwitch on the same server.
    if (remotes.empty()) remotes = vswitch_remote(**config);
  }
  auto opened = open(remotes, true);
  if (!opened) return forward_error(opened);
  ml2_ = std::move(*opened);
  return ml2_.get();
}

Result<ovsdb::Database*> Session::vswitch() {
  if (vswitch_) return vswitch_.get();
  std::string remote = options_.ovsdb;
  if (remote.empty()) {
    const auto config = this->config();
    if (!config) return forward_error(config);
    remote = vswitch_remote(**config);
  }
  auto opened = open(remote, false);
  if (!opened) return forward_error(opened);
  vswitch_ = std::move(*opened);
  return vswitch_.get();
}

Result<plugin::Plugin*> Session::plugin() {
  if (plugin_) return plugin_.get();
  const auto config = this->config();
  if (!config) return forward_error(config);
  auto options = plugin::read_options(**config);
  if (!options) return forward_error(options);
  const auto database = this->database();
  if (!database) return forward_error(database);
  auto made = plugin::Plugin::make(std::move(*options), **database, clock_, plugin::system_random(), timeout());
  if (!made) return forward_error(made);
  plugin_ = std::move(*made);
  return plugin_.get();
}

void Session::show(const nlohmann::json& object) { out_ << format_object(format(), object); }

void Session::list(const nlohmann::json& objects, const std::vector<Column>& columns) {
  out_ << format_list(format(), objects, columns);
}

}  // namespace ml2::ctl
