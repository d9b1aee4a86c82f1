// dpdk/process/options: ml2-fastpath's ini and command line, which are one table.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/config/options.h"
#include "dpdk/process/driver.h"
#include "dpdk/process/options.h"

namespace ml2::fastpath {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Result<Options> read(const std::vector<std::string>& arguments, const std::string& ini = "",
                     const std::map<std::string, std::string>& variables = {}) {
  config::Environment environment = config::memory_environment({{"/x.ini", ini}});
  environment.variables = variables;
  return read_options(arguments, environment);
}
std::string error_of(const Result<Options>& options) { return options ? "no error" : options.error().message; }

TEST(FastPathOptions, WithoutAnyTheTablesDefaultsCount) {
  const auto options = read({});
  ASSERT_TRUE(options) << error_of(options);
  EXPECT_EQ(options->socket, "/run/ml2-fastpath/control");
  EXPECT_THAT(options->cores, ElementsAre(1U));
  EXPECT_EQ(options->control_core, -1);
  EXPECT_EQ(options->mbufs, 65535U);
  EXPECT_TRUE(options->huge_pages);
  EXPECT_THAT(options->pci, IsEmpty());
  EXPECT_EQ(options->isa, "best");
  EXPECT_THAT(options->warnings, IsEmpty());
}

TEST(FastPathOptions, TheAgentsIniIsReadAndTheCommandLineCountsMore) {
  const std::string ini =
      "[ovs]\nlocal_ip = nonsense\n[fastpath]\nenabled = true\ncores = 2,3\nsocket = /a\nmbufs = 2047\nno_huge = "
      "true\n"
      "tunnel_device = 0000:01:00.0,some=1\ntunnel_host_device = net_tap_host,iface=fp\n"
      "physnet_devices = physnet1:0000:02:00.1\nphysnet_devices = physnet2:net_null0\npci = "
      "0000:03:00.0,0000:01:00.0\n";
  const auto file = read({"--config-file", "/x.ini"}, ini);
  ASSERT_TRUE(file) << error_of(file);  // what is wrong in [ovs] is the agent's concern
  EXPECT_THAT(file->cores, ElementsAre(2U, 3U));
  EXPECT_EQ(file->socket, "/a");
  EXPECT_FALSE(file->huge_pages);
  EXPECT_THAT(file->pci, ElementsAre("0000:03:00.0", "0000:01:00.0", "0000:02:00.1"));

  const auto both = read({"--config-file=/x.ini", "--cores", "5", "--socket=/b", "--control-core", "0", "--isa",
                          "scalar", "--pci", "0000:04:00.0", "--pci", "0000:05:00.0"},
                         ini, {{"OS_FASTPATH__SOCKET", "/c"}, {"OS_FASTPATH__MBUFS", "4095"}});
  ASSERT_TRUE(both) << error_of(both);
  EXPECT_THAT(both->cores, ElementsAre(5U));
  EXPECT_EQ(both->socket, "/b");
  EXPECT_EQ(both->mbufs, 4095U);
  EXPECT_EQ(both->control_core, 0);
  EXPECT_EQ(both->isa, "scalar");
  EXPECT_THAT(both->pci, ElementsAre("0000:04:00.0", "0000:05:00.0", "0000:01:00.0", "0000:02:00.1"));
}

TEST(FastPathOptions, WhatCountsIsPrintedWithItsOrigin) {
  const auto options = read({"--config-file", "/x.ini", "--mbufs", "2047", "--check-config"},
                            "[fastpath]\ncores = 2,3\nphysnet_devices = physnet1:0000:02:00.1\n");
  ASSERT_TRUE(options) << error_of(options);
  EXPECT_THAT(options->page,
              AllOf(HasSubstr("cores = 2,3  (/x.ini:2)\n"), HasSubstr("mbufs = 2047  (command line)\n"),
                    HasSubstr("isa = best  (default)\n"), HasSubstr("used: 0000:02:00.1\n")));
}

TEST(FastPathOptions, MistakesAreSaidWithTheirPlace) {
  const auto in_file = [](const std::string& line) {
    return error_of(read({"--config-file", "/x.ini"}, "[fastpath]\n" + line + "\n"));
  };
  EXPECT_THAT(in_file("cores = 1,1"), AllOf(HasSubstr("/x.ini:2"), HasSubstr("processor 1 is there twice")));
  EXPECT_THAT(in_file("cores = 128"), HasSubstr("'128' is no processor"));
  EXPECT_THAT(in_file("cores ="), HasSubstr("[fastpath] cores"));
  EXPECT_THAT(in_file("pci = 01:00.0"), HasSubstr("entry '01:00.0' is none"));
  EXPECT_THAT(in_file("pci = 0000:01:00.8"), HasSubstr("PCI addresses as 0000:01:00.0"));
  EXPECT_THAT(in_file("mbufs = 5"), HasSubstr("1023"));
  EXPECT_THAT(error_of(read({"--config-file", "/gone.ini"})), HasSubstr("/gone.ini"));
  EXPECT_THAT(error_of(read({"--cores", "x"})), AllOf(HasSubstr("command line"), HasSubstr("'x' is no processor")));
  EXPECT_THAT(error_of(read({"--isa", "mmx"})), HasSubstr("isa"));
  EXPECT_THAT(error_of(read({"--nonsense"})), HasSubstr("--nonsense"));
  EXPECT_THAT(error_of(read({"word"})), HasSubstr("word"));
  EXPECT_THAT(error_of(read({"--mbufs"})), HasSubstr("--mbufs"));
  const auto slip = read({"--config-file", "/x.ini"}, "[agent]\nnonsense = 1\n[fastpath]\ncore = 3\n");
  ASSERT_TRUE(slip);
  EXPECT_THAT(slip->warnings, ElementsAre(HasSubstr("core")));
}

TEST(FastPathOptions, ThePagesNameEveryOptionOfTheTable) {
  const auto help = read({"--help"});
  const auto man = read({"--help-man"});
  const auto completion = read({"--help-bash-completion"});
  ASSERT_TRUE(help && man && completion);
  std::size_t count = 0;
  for (const config::Option& option : config::all_options()) {
    if (!option.process) continue;
    ++count;
    std::string flag(option.name);
    for (char& c : flag) c = c == '_' ? '-' : c;
    EXPECT_THAT(help->page, HasSubstr("--" + flag));
    EXPECT_THAT(completion->page, HasSubstr("--" + flag));
    EXPECT_THAT(man->page, HasSubstr(std::string(option.meaning.substr(0, 10))));
  }
  EXPECT_GE(count, 8U);
  EXPECT_THAT(man->page, AllOf(HasSubstr(".TH ML2\\-FASTPATH 8"), HasSubstr(".SH HUGE PAGES")));
}

TEST(FastPathOptions, EalGetsAWorkerForEachProcessor) {
  auto options = read({"--cores", "2,3", "--control-core", "0", "--pci", "0000:01:00.0"});
  ASSERT_TRUE(options);
  EXPECT_THAT(eal_arguments(*options),
              AllOf(Contains("--lcores=0@0,1@2,2@3"), Contains("--in-memory"), Contains("--allow=0000:01:00.0")));
  options = read({"--no-huge"});
  ASSERT_TRUE(options);
  EXPECT_THAT(eal_arguments(*options), AllOf(Contains("--no-huge"), Contains("--no-pci")));
  options = read({"--driver", "/a.so", "--driver=/b.so"});
  ASSERT_TRUE(options);
  EXPECT_THAT(options->drivers, ElementsAre("/a.so", "/b.so"));
  const std::vector<std::string> arguments = eal_arguments(*options);
  EXPECT_THAT(std::vector<std::string>(arguments.end() - 4, arguments.end()),
              ElementsAre("-d", "/a.so", "-d", "/b.so"));
}

TEST(FastPathOptions, ADriverThatOthersMayWriteIsRefused) {
  const std::string path = std::filesystem::temp_directory_path() / ("ml2-driver-" + std::to_string(::getpid()));
  const auto error = [](const std::string& driver) {
    const auto checked = check_driver(driver);
    return checked ? "no error" : checked.error().message;
  };
  EXPECT_THAT(error(path), HasSubstr("No such file"));
  std::ofstream(path).put('x');
  for (const auto& [mode, said] : std::vector<std::pair<mode_t, std::string>>{{0644, "no error"},
                                                                              {0600, "no error"},
                                                                              {0664, "others than its owner"},
                                                                              {0646, "others than its owner"}}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_THAT(error(path), HasSubstr(said)) << mode;
  }
  std::filesystem::remove(path);
  EXPECT_THAT(error("driver.so"), HasSubstr("does not begin with /"));
  EXPECT_THAT(error(""), HasSubstr("does not begin with /"));
  EXPECT_THAT(error("/"), HasSubstr("it is no file"));
}

}  // namespace
}  // namespace ml2::fastpath
