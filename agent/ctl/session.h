// Session: what the commands of ml2ctl share: the options before the command, the configuration, the databases.
//
// Where in the walk: main() makes one; each command asks it for the plugin, and prints through it.
// Threading: one thread.
// Failure: a database that does not answer within --timeout is Transient, with its remotes and the reason.
// What it does not do: nothing is read or connected before a command asks for it.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/ctl/output.h"
#include "agent/ml2/plugin.h"
#include "agent/ml2/view.h"
#include "datapath/base/clock.h"
#include "ovsdb/database.h"

namespace ml2::ctl {

// The options before the command.
struct GlobalOptions {
  std::string db;  // remotes of the ML2 database, separated by commas; empty: ML2_DB, the ini files, the local server
  std::vector<std::string> config_files;
  std::vector<std::string> config_dirs;
  std::string format = "table";
  double timeout = 10;  // seconds
  std::string private_key, certificate, ca_cert;
  std::string wait;   // host, all, or empty: the command ends when it has written
  std::string ctl;    // the agent's control socket
  std::string ovsdb;  // remote of the local Open_vSwitch database; empty: the ini files, the local server
};

class Session {
 public:
  Session(const GlobalOptions& options, std::ostream& out, std::ostream& err)
      : options_(options), out_(out), err_(err) {}

  [[nodiscard]] const GlobalOptions& options() const { return options_; }
  [[nodiscard]] Format format() const { return options_.format == "json" ? Format::Json : Format::Table; }
  [[nodiscard]] std::chrono::milliseconds timeout() const;
  [[nodiscard]] const Clock& clock() const { return clock_; }

  [[nodiscard]] Result<const config::Config*> config();
  [[nodiscard]] Result<plugin::Plugin*> plugin();
  // The ML2 database, connected and read.
  [[nodiscard]] Result<ovsdb::Database*> database();
  // The local Open_vSwitch database, connected and read.
  [[nodiscard]] Result<ovsdb::Database*> vswitch();

  // Of ml2-fastpath: `given`, else [fastpath] socket of the ini files; what is wrong in their other sections does not matter.
  [[nodiscard]] Result<std::string> fast_path_socket(const std::string& given) const;

  void print(const std::string& text) { out_ << text; }
  void flush() { out_.flush(); }
  [[nodiscard]] bool good() const { return out_.good(); }
  void show(const nlohmann::json& object);
  void list(const nlohmann::json& objects, const std::vector<Column>& columns);
  // What is said beside the output.
  void say(const std::string& text) { err_ << text << "\n"; }
  void warn(const std::string& text) { err_ << "ml2ctl: warning: " << text << "\n"; }

 private:
  [[nodiscard]] config::ConfigSources config_sources(const config::Environment& environment) const;
  [[nodiscard]] Result<std::unique_ptr<ovsdb::Database>> open(const std::string& remotes, bool ml2);

  const GlobalOptions& options_;
  std::ostream& out_;
  std::ostream& err_;
  SystemClock clock_;
  std::optional<config::Config> config_;
  std::unique_ptr<ovsdb::Database> ml2_;
  std::unique_ptr<ovsdb::Database> vswitch_;
  std::unique_ptr<plugin::Plugin> plugin_;
};

}  // namespace ml2::ctl
