#include "dpdk/process/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "datapath/base/text.h"

namespace ml2::fastpath {

const char* usage() {
  return R"(ml2-fastpath: forwards frames between virtual machines, VLANs and VXLAN tunnels with DPDK.

Usage: ml2-fastpath [OPTION]...
  --socket PATH        control socket (default /run/ml2-fastpath/control); the agent and ml2ctl speak to it
  --cores LIST         processors for the workers, one each, polled all the time (default 1), e.g. 2,3
  --control-core N     processor for everything else (default: any)
  --mbufs N            packet buffers of 2 KB (default 65535)
  --memory MB          memory for DPDK (default: what the buffers need)
  --no-huge            ordinary pages instead of huge pages: slower, for trying out
  --pci ADDRESS        a NIC that may be used, as in 0000:01:00.0; may be repeated (default: none)
  --isa NAME           scalar, avx2 or avx512 (default: the best of this processor)
  --help, --version

It runs in the foreground and logs on stderr. It has no ports until the agent gives it some. SIGTERM ends it.
)";
}

Result<Options> parse_options(int argc, char** argv) {
  enum { kSocket = 1000, kCores, kControlCore, kMbufs, kMemory, kNoHuge, kPci, kIsa, kHelp, kVersion };
  static const option kLong[] = {{"socket", required_argument, nullptr, kSocket},
                                 {"cores", required_argument, nullptr, kCores},
                                 {"control-core", required_argument, nullptr, kControlCore},
                                 {"mbufs", required_argument, nullptr, kMbufs},
                                 {"memory", required_argument, nullptr, kMemory},
                                 {"no-huge", no_argument, nullptr, kNoHuge},
                                 {"pci", required_argument, nullptr, kPci},
                                 {"isa", required_argument, nullptr, kIsa},
                                 {"help", no_argument, nullptr, kHelp},
                                 {"version", no_argument, nullptr, kVersion},
                                 {nullptr, 0, nullptr, 0}};
  Options options;
  const auto number = [](const char* name, std::string_view text, std::int64_t low,
                         std::int64_t high) -> Result<unsigned> {
    const auto value = text::to_int(text);
    if (!value || *value < low || *value > high) {
      return invalid(
          fmt::format("--{} {}: a number from {} to {} was expected", name, text::printable(text), low, high));
    }
    return static_cast<unsigned>(*value);
  };
  opterr = 0;
  optind = 1;
  for (int option = 0; (option = getopt_long(argc, argv, "h", kLong, nullptr)) != -1;) {
    Result<unsigned> value = 0U;
    switch (option) {
      case kSocket: options.socket = optarg; break;
      case kCores:
        options.cores.clear();
        for (const std::string& part : text::split(optarg, ',')) {
          value = number("cores", text::trim(part), 0, 127);
          if (!value) return forward_error(value);
          if (std::find(options.cores.begin(), options.cores.end(), *value) != options.cores.end()) {
            return invalid(fmt::format("--cores {}: processor {} is there twice", text::printable(optarg), *value));
          }
          options.cores.push_back(*value);
        }
        break;
      case kControlCore:
        value = number("control-core", optarg, 0, 127);
        if (value) options.control_core = static_cast<int>(*value);
        break;
      case kMbufs:
        value = number("mbufs", optarg, 1023, 16777215);
        if (value) options.mbufs = *value;
        break;
      case kMemory:
        value = number("memory", optarg, 16, 1048576);
        if (value) options.memory_mb = *value;
        break;
      case kNoHuge: options.huge_pages = false; break;
      case kPci: options.pci.emplace_back(optarg); break;
      case kIsa: options.isa = optarg; break;
      case 'h':
      case kHelp: options.help = true; break;
      case kVersion: options.version = true; break;
      default:
        return invalid(
            fmt::format("{}: not an option, or its value is missing; see --help", text::printable(argv[optind - 1])));
    }
    if (!value) return forward_error(value);
  }
  if (optind < argc)
    return invalid(fmt::format("{}: no argument was expected; see --help", text::printable(argv[optind])));
  if (options.isa.empty()) return options;
  if (options.isa != "scalar" && options.isa != "avx2" && options.isa != "avx512") {
    return invalid(fmt::format("--isa {}: scalar, avx2 or avx512 was expected", text::printable(options.isa)));
  }
  return options;
}

std::vector<std::string> eal_arguments(const Options& options) {
  std::vector<std::string> arguments = {"ml2-fastpath", "--no-telemetry", "--log-level=lib.*:warning"};
  std::vector<std::string> lcores;
  if (options.control_core >= 0) {
    lcores.push_back(fmt::format("0@{}", options.control_core));
  } else {
    std::vector<long> all(static_cast<std::size_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L)));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<long>(i);
    lcores.push_back(fmt::format("0@({})", fmt::join(all, ",")));
  }
  for (std::size_t i = 0; i < options.cores.size(); ++i)
    lcores.push_back(fmt::format("{}@{}", i + 1, options.cores[i]));
  arguments.push_back("--lcores=" + fmt::format("{}", fmt::join(lcores, ",")));
  arguments.emplace_back("--main-lcore=0");
  unsigned memory = options.memory_mb;
  // Nothing is shared with other DPDK processes, and nothing stays behind.
  if (options.huge_pages) {
    arguments.emplace_back("--in-memory");
  } else {
    arguments.emplace_back("--no-huge");
    arguments.emplace_back("--no-shconf");
    // Ordinary memory does not grow later: each buffer is 2.3 KB with its bookkeeping, and drivers need some.
    if (memory == 0) memory = 64 + options.mbufs / 400;
  }
  if (memory != 0) arguments.push_back(fmt::format("-m{}", memory));
  if (options.pci.empty()) arguments.emplace_back("--no-pci");
  for (const std::string& address : options.pci) arguments.push_back("--allow=" + address);
  return arguments;
}

}  // namespace ml2::fastpath
