// log_setup: oslo.log's options as what vlog is to do.
//
// Where in the walk: main(), before the first line is logged; `debug` again at SIGHUP.
// Threading: pure. Failure: none: what is in a Config has been checked.
// What it does not do: no rotation (logrotate and SIGHUP do that), no Python format strings.
// Source: oslo_log/log.py _setup_logging_from_conf(): stderr is used when nothing else is, or with use_stderr.
#pragma once

#include <string>

#include "agent/config/config.h"

namespace ml2 {

struct LogSetup {
  std::string file;  // empty: none
  bool to_stderr = true;
  bool syslog = false;
  bool journal = false;  // through journald's syslog socket
  std::string facility;  // vlog's word: "user", "daemon", "local0"...
  bool json = false;
  bool debug = false;

  friend bool operator==(const LogSetup&, const LogSetup&) = default;
};

[[nodiscard]] LogSetup log_setup(const config::Config& config);

}  // namespace ml2
