#include "agent/log_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "datapath/base/text.h"

namespace ml2 {
namespace {

// lib/vlog.c, vlog_facilities.
constexpr std::array kFacilities{"kern",   "user",   "mail",   "daemon", "auth",   "syslog", "lpr",
                                 "news",   "uucp",   "clock",  "ftp",    "local0", "local1", "local2",
                                 "local3", "local4", "local5", "local6", "local7"};

// syslog(3)'s LOG_LOCAL0, or local0.
Result<std::string> facility_of(const config::Config& config) {
  const std::string written = config.get_string("DEFAULT", "syslog_log_facility");
  std::string word = text::lower(written);
  if (word.starts_with("log_")) word.erase(0, 4);
  if (word == "cron") word = "clock";     // one number, two names
  if (word == "authpriv") word = "auth";  // vlog has no other
  if (std::find(kFacilities.begin(), kFacilities.end(), word) != kFacilities.end()) return word;
  return invalid(
      fmt::format("{}: [DEFAULT] syslog_log_facility: \"{}\" is no facility: expected one such as LOG_USER, "
                  "LOG_DAEMON, LOG_LOCAL0",
                  config.origin("DEFAULT", "syslog_log_facility"), text::printable(written, 40)));
}

}  // namespace

Result<LogSetup> log_setup(const config::Config& config) {
  LogSetup setup;
  const std::string file = config.get_optional_string("DEFAULT", "log_file").value_or("");
  const std::string directory = config.get_optional_string("DEFAULT", "log_dir").value_or("");
  if (!file.empty()) {
    setup.file = directory.empty() || file.starts_with('/') ? file : directory + "/" + file;
  } else if (!directory.empty()) {
    setup.file = directory + "/ml2-agent.log";
  }
  setup.syslog = config.get_bool("DEFAULT", "use_syslog");
  setup.journal = config.get_bool("DEFAULT", "use_journal");
  const auto facility = facility_of(config);
  if (!facility) return forward_error(facility);
  setup.facility = *facility;
  setup.json = config.get_bool("DEFAULT", "use_json");
  setup.debug = config.get_bool("DEFAULT", "debug");
  const bool elsewhere = !setup.file.empty() || setup.syslog || setup.journal;
  setup.to_stderr = !elsewhere || config.get_bool("DEFAULT", "use_stderr");
  return setup;
}

}  // namespace ml2
