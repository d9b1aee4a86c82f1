#include "agent/log_setup.h"

#include "agent/config/mappings.h"
#include "datapath/base/check.h"

namespace ml2 {
LogSetup log_setup(const config::Config& config) {
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
  const auto facility = config::syslog_facility(config.get_string("DEFAULT", "syslog_log_facility"));
  ML2_CHECK(facility.has_value(), "the facility has been checked at load");
  setup.facility = *facility;
  setup.json = config.get_bool("DEFAULT", "use_json");
  setup.debug = config.get_bool("DEFAULT", "debug");
  const bool elsewhere = !setup.file.empty() || setup.syslog || setup.journal;
  setup.to_stderr = !elsewhere || config.get_bool("DEFAULT", "use_stderr");
  return setup;
}

}  // namespace ml2
