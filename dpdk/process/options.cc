#include "dpdk/process/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "agent/cli_text.h"
#include "agent/config/loader.h"
#include "datapath/base/text.h"

namespace ml2::fastpath {
namespace {

constexpr const char* kGroup = "fastpath";
constexpr std::size_t kPciAddress = 12;  // 0000:01:00.0

std::string flag_of(const config::Option& option) {
  std::string flag = "--" + std::string(option.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

const char* type_of(const config::Option& option) {
  switch (option.type) {
    case config::OptionType::Int: return "NUMBER";
    case config::OptionType::List: return "LIST";
    default: return option.choices.empty() ? "PATH" : "NAME";
  }
}

// Each row of the table that is the process's own.
void add_table(CLI::App& app, std::vector<config::CommandLineOption>& given) {
  for (const config::Option& option : config::all_options()) {
    if (option.group != kGroup || !option.process) continue;
    const std::string name(option.name);
    const std::string meaning(option.meaning);
    const auto take = [&given, name](std::string value) { given.push_back({kGroup, name, std::move(value)}); };
    if (option.type == config::OptionType::Bool) {
      app.add_flag_callback(
          flag_of(option), [take] { take("true"); }, meaning);
      continue;
    }
    // A list may also be given in pieces.
    CLI::Option* added = app.add_option_function<std::vector<std::string>>(
        flag_of(option),
        [take](const std::vector<std::string>& values) { take(fmt::format("{}", fmt::join(values, ","))); }, meaning);
    added->expected(1)->type_name(type_of(option))->default_str(std::string(option.fallback.value_or("")));
    added->multi_option_policy(option.type == config::OptionType::List ? CLI::MultiOptionPolicy::TakeAll
                                                                       : CLI::MultiOptionPolicy::TakeLast);
    if (!option.choices.empty())
      added->check(CLI::IsMember(std::vector<std::string>(option.choices.begin(), option.choices.end())));
  }
}

// What ml2-fastpath(8) says beside the options.
std::vector<ManSection> man_sections() {
  return {
      {"HUGE PAGES",
       "Packet buffers and tables are in huge pages of the machine, which are to be set aside before the start: 2 KB "
       "and some for each of \\-\\-mbufs, and 17 MB for each million addresses. 512 pages of 2 MB are enough for the "
       "defaults:\n.PP\n.nf\nsysctl vm.nr_hugepages=512      # /etc/sysctl.d/ for good\n.fi\n.PP\nThe memory of "
       "machines behind vhost\\-user ports must be shared: QEMU takes it from huge pages too, "
       "(\\-object memory\\-backend\\-memfd,share=on,hugetlb=on). No file of hugetlbfs is made, and nothing is left "
       "behind.\n"},
      {"NICS",
       "A NIC is driven by DPDK alone, by way of VFIO, and needs an IOMMU (intel_iommu=on in the kernel's command "
       "line):\n.PP\n.nf\nmodprobe vfio\\-pci\ndpdk\\-devbind.py \\-b vfio\\-pci 0000:01:00.0\n.fi\n.PP\nNICs whose "
       "driver "
       "shares them with the kernel (mlx5) stay bound to it. Which NICs may be touched is said by \\-\\-pci and by "
       "the "
       "devices that [fastpath] names.\n"},
      {"DEVICES",
       "Each port is a device of DPDK's, and so is each end of a tunnel or of a physical network. Debian's DPDK has "
       "room for 32 in all (RTE_MAX_ETHPORTS): what is over that is refused, and ml2ctl status says so.\n"
       ".B ml2ctl fastpath show\nhas their number (devices, max_devices). More than that needs a DPDK built with "
       "\\-Dmax_ethports=NUMBER, and ml2\\-fastpath built with it.\n"},
      {"DRIVERS",
       "Those of Debian's DPDK are loaded by themselves. Another one is named by \\-\\-driver, once for each. What "
       "is in "
       "it runs with all rights of ml2\\-fastpath: it must be a file of root's, or of the user that ml2\\-fastpath "
       "runs "
       "as, which nobody else may write to, and no directory above it may be writable for everybody.\n"},
      {"SIGNALS",
       ".TP\nSIGTERM, SIGINT\nIt ends, and its devices with it. A new one has no ports until the agent, which "
       "notices "
       "within a tenth of a second, has filled it again.\n"},
      {"EXIT STATUS",
       "0: ended by a signal. 1: DPDK does not start: no huge pages, no right; standard error says it. 2: an option "
       "is "
       "wrong.\n"},
      {"ENVIRONMENT",
       ".TP\nOS_FASTPATH__\\fIOPTION\\fR\ncounts more than a file, and less than the command "
       "line\n.TP\nNOTIFY_SOCKET\n"
       "where the service manager is told that it is ready\n"},
      {"FILES",
       ".TP\n/etc/default/ml2\\-fastpath\nthe service's options\n"
       ".TP\n/etc/ml2\\-agent/openvswitch_agent.ini\nthe agent's configuration, with [fastpath]\n"
       ".TP\n/run/ml2\\-fastpath/control\nthe control socket\n"},
      {"SEE ALSO", ".BR ml2\\-agent (8),\n.BR ml2\\-agent.conf (5),\n.BR ml2ctl (1)\n"}};
}

bool is_pci(std::string_view device) {
  const config::Option& pci = *config::find_option(kGroup, "pci");
  return config::parse_value(pci, device).has_value() && device.size() == kPciAddress;
}

// The NICs that may be touched: those of `pci`, and those that the agent is going to name.
std::vector<std::string> nics(const config::Config& config) {
  std::vector<std::string> found;
  const auto add = [&found](std::string_view devargs) {
    const std::string device(devargs.substr(0, devargs.find(',')));
    if (is_pci(device) && std::find(found.begin(), found.end(), device) == found.end()) found.push_back(device);
  };
  for (const std::string& address : config.get_list(kGroup, "pci")) add(address);
  for (const char* name : {"tunnel_device", "tunnel_host_device"}) add(config.get_string(kGroup, name));
  for (const std::string& entry : config.get_list(kGroup, "physnet_devices")) {
    const std::size_t colon = entry.find(':');
    if (colon != std::string::npos) add(text::trim(std::string_view(entry).substr(colon + 1)));
  }
  return found;
}

// For --check-config: what counts, and where it came from.
std::string text_of(const config::Config& config, const std::vector<std::string>& nics) {
  std::string text = "[fastpath]\n";
  for (std::size_t i = 0; i < config.settings().size(); ++i) {
    const config::Option& option = config::all_options()[i];
    const config::Setting& setting = config.settings()[i];
    if (option.group != kGroup || !option.process) continue;
    text +=
        fmt::format("{} = {}  ({})\n", option.name, text::printable(config::to_text(setting.value)), setting.origin);
  }
  return text +
         fmt::format("NICs that may be used: {}\n", nics.empty() ? "none" : fmt::format("{}", fmt::join(nics, ",")));
}

}  // namespace

Result<Options> read_options(const std::vector<std::string>& arguments, const config::Environment& environment) {
  Options options;
  config::ConfigSources sources;
  sources.search = false;
  sources.section = kGroup;
  std::string help_page;
  CLI::App app(
      "ml2-fastpath: forwards frames between virtual machines, VLANs and VXLAN tunnels with DPDK.\n"
      "It runs in the foreground and logs on standard error. It has no ports until ml2-agent gives it some, and "
      "forwards on its own when the agent is away.",
      "ml2-fastpath");
  add_source_flags(
      app, sources,
      "an ini file whose section [fastpath] is read, the agent's perhaps; may be given several times, later "
      "wins");
  add_table(app, sources.options);
  bool check = false;
  app.add_flag("--check-config", check, "print what counts and where it came from, or what is wrong, and end");
  app.add_flag("-V,--version", options.version, "print the version and end");
  bool man = false;
  bool completion = false;
  app.add_flag("--help-man", man, "")->group("");  // for the build
  app.add_flag("--help-bash-completion", completion, "")->group("");
  app.footer(
      "Examples:\n"
      "  ml2-fastpath --config-file /etc/ml2-agent/openvswitch_agent.ini\n"
      "  ml2-fastpath --cores 2,3 --pci 0000:01:00.0\n"
      "  ml2-fastpath --no-huge --mbufs 8191 --socket /tmp/control");
  try {
    // CLI11 takes them from the end.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    options.page = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    return invalid(fmt::format("{}; see --help", text::printable(error.what())));
  }
  if (man) options.page = man_page(app, 8, ML2_VERSION, man_sections());
  if (completion) options.page = bash_completion(app);
  if (!options.page.empty() || options.version) return options;

  config::LoadResult loaded = config::load(sources, environment);
  options.warnings = std::move(loaded.warnings);
  if (!loaded.config) return invalid(fmt::format("{}", fmt::join(loaded.errors, "\n")));
  const config::Config& config = *loaded.config;
  options.socket = config.get_string(kGroup, "socket");
  for (const std::string& core : config.get_list(kGroup, "cores"))
    options.cores.push_back(static_cast<unsigned>(text::to_int(core).value_or(0)));
  options.control_core = static_cast<int>(config.get_int(kGroup, "control_core"));
  options.mbufs = static_cast<unsigned>(config.get_int(kGroup, "mbufs"));
  options.memory_mb = static_cast<unsigned>(config.get_int(kGroup, "memory"));
  options.huge_pages = !config.get_bool(kGroup, "no_huge");
  options.drivers = config.get_list(kGroup, "driver");
  options.isa = config.get_string(kGroup, "isa");
  options.pci = nics(config);
  if (check) options.page = text_of(config, options.pci);
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
  for (const std::string& driver : options.drivers) {
    arguments.emplace_back("-d");
    arguments.push_back(driver);
  }
  return arguments;
}

}  // namespace ml2::fastpath
