// Any bytes as configuration: the parser, the whole load, and both forms of output must neither crash nor hang, and
// must keep their promises.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "agent/config/check_config.h"
#include "agent/config/ini_file.h"
#include "agent/config/loader.h"
#include "datapath/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ml2::config;
  const std::string text(reinterpret_cast<const char*>(data), size);

  const IniFile file = parse_ini("/x.ini", text);
  for (const IniEntry& entry : file.entries)
    ML2_CHECK(!entry.key.empty() && entry.line > 0, "an entry has a key and a line");

  // A NUL byte parts the input: a second file, then a variable of the environment.
  const auto first = text.find('\0');
  const auto second = first == std::string::npos ? first : text.find('\0', first + 1);
  std::map<std::string, std::string> files = {{"/1.ini", text.substr(0, first)}};
  ConfigSources sources = ConfigSources().add_file("/1.ini");
  if (first != std::string::npos) {
    files["/d/2.conf"] = text.substr(first + 1, second == std::string::npos ? second : second - first - 1);
    sources.add_directory("/d");
  }
  Environment environment = memory_environment(files);
  if (second != std::string::npos) {
    environment.variables = {{"OS_OVS__BRIDGE_MAPPINGS", text.substr(second + 1)},
                             {"OS_DEFAULT__HOST", text.substr(second + 1)}};
  }

  const LoadResult result = load(sources, environment);
  ML2_CHECK(result.config.has_value() == result.errors.empty(), "there is a Config or an error");
  for (const std::string& line : result.errors)
    ML2_CHECK(line.find('\n') == std::string::npos, "an error is one line");
  for (const std::string& line : result.warnings)
    ML2_CHECK(line.find('\n') == std::string::npos, "a warning is one line");
  if (!result.config) return 0;
  ML2_CHECK(!config_json(*result.config).empty() && !config_text(*result.config).empty(), "there is output");
  (void)result.config->firewall_driver();
  const ReloadResult again = reload(*result.config);
  ML2_CHECK(again.config.has_value() && again.changes.empty(), "the same sources give the same configuration");
  return 0;
}
