// agent/config: which files are read, in which order, from memory and from real directories.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/config/loader.h"
#include "agent/log_setup.h"
#include "agent/node_config.h"

namespace ml2::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string bridge(const std::string& name) { return "[ovs]\ntunnel_bridge = " + name + "\n"; }

// The tunnel bridge after the load: each file of these tests names its own.
std::string winner(const LoadResult& result) {
  EXPECT_THAT(result.errors, IsEmpty());
  return result.config ? result.config->get_string("ovs", "tunnel_bridge") : "?";
}

TEST(Sources, WithoutAnyTheDefaultsAreSearched) {
  std::map<std::string, std::string> files = {{"/etc/neutron.conf", bridge("etc")}};
  EXPECT_EQ(winner(load({}, memory_environment(files))), "etc");
  files["/etc/neutron/neutron.conf"] = bridge("etc-neutron");
  EXPECT_EQ(winner(load({}, memory_environment(files))), "etc-neutron");
  files["/root/neutron.conf"] = bridge("home");
  EXPECT_EQ(winner(load({}, memory_environment(files))), "home");
  files["/root/.neutron/neutron.conf"] = bridge("dot-neutron");
  EXPECT_EQ(winner(load({}, memory_environment(files))), "dot-neutron");
  files["/etc/neutron/neutron-openvswitch-agent.conf"] = bridge("agent");
  EXPECT_EQ(winner(load({}, memory_environment(files))), "agent");
  files["/etc/neutron/ml2-agent.conf"] = bridge("ml2-agent");
  EXPECT_EQ(winner(load({}, memory_environment(files))), "ml2-agent");
  files["/etc/neutron/neutron.conf.d/x.conf"] = bridge("directory");
  EXPECT_EQ(winner(load({}, memory_environment(files))), "directory");
}

TEST(Sources, SnapDirectoriesComeLast) {
  Environment environment = memory_environment({{"/snap/common/etc/neutron/neutron.conf", bridge("common")},
                                                {"/snap/x/etc/neutron/neutron.conf", bridge("snap")}});
  EXPECT_EQ(winner(load({}, environment)), "br-tun");
  environment.variables = {{"SNAP", "/snap/x"}};
  EXPECT_EQ(winner(load({}, environment)), "snap");
  environment.variables["SNAP_COMMON"] = "/snap/common";
  EXPECT_EQ(winner(load({}, environment)), "common");
}

TEST(Sources, AConfigFileTurnsTheDefaultFilesOff) {
  const Environment environment =
      memory_environment({{"/etc/neutron/neutron.conf", "[ovs]\nintegration_bridge=default\n"},
                          {"/x.ini", bridge("x")},
                          {"/etc/neutron/neutron.conf.d/d.conf", "[ovs]\nssl_key_file=d\n"}});
  const LoadResult result = load(ConfigSources().add_file("/x.ini"), environment);
  EXPECT_EQ(winner(result), "x");
  EXPECT_EQ(result.config->get_string("ovs", "integration_bridge"), "br-int");
  EXPECT_EQ(result.config->get_optional_string("ovs", "ssl_key_file"), "d")
      << "default directories are turned off by --config-dir";
}

TEST(Sources, FilesAndDirectoriesCountInCommandLineOrder) {
  const Environment environment = memory_environment(
      {{"/a.ini", bridge("a")}, {"/b.ini", bridge("b")}, {"/d/1.conf", bridge("d1")}, {"/d/2.conf", bridge("d2")}});
  EXPECT_EQ(winner(load(ConfigSources().add_file("/a.ini").add_file("/b.ini"), environment)), "b");
  EXPECT_EQ(winner(load(ConfigSources().add_file("/b.ini").add_file("/a.ini"), environment)), "a");
  EXPECT_EQ(winner(load(ConfigSources().add_file("/a.ini").add_directory("/d"), environment)), "d2");
  EXPECT_EQ(winner(load(ConfigSources().add_directory("/d").add_file("/a.ini"), environment)), "a");
}

TEST(Sources, ADirectoryIsItsSortedConfFiles) {
  const Environment environment = memory_environment({{"/d/10.conf", bridge("10")},
                                                      {"/d/9.conf", bridge("9")},
                                                      {"/d/z.ini", bridge("ini")},
                                                      {"/d/.zz.conf", bridge("hidden")},
                                                      {"/d/zz.conf.bak", "junk"}});
  EXPECT_EQ(winner(load(ConfigSources().add_directory("/d"), environment)), "9");
}

TEST(Sources, WhatIsMissingIsAnError) {
  const LoadResult result = load(ConfigSources().add_file("/nofile").add_directory("/nodir"), memory_environment({}));
  EXPECT_THAT(result.errors, ElementsAre("/nofile: the file cannot be read: No such file or directory",
                                         "/nodir: the directory given by --config-dir does not exist"));
}

TEST(Sources, PathsAreMadeAbsolute) {
  Environment environment = memory_environment({{"/srv/x.ini", bridge("x")}, {"/root/y.ini", bridge("y")}});
  environment.working_directory = "/srv/sub";
  const LoadResult result = load(ConfigSources().add_file("../x.ini"), environment);
  EXPECT_EQ(result.config->origin("ovs", "tunnel_bridge"), "/srv/x.ini:2");
  EXPECT_EQ(winner(load(ConfigSources().add_file("~/y.ini"), environment)), "y");
  EXPECT_EQ(absolute_path(environment, "/a//b/./c/../d"), "/a/b/d");
}

TEST(Sources, AnUnknownCommandLineOptionIsAnError) {
  ConfigSources sources;
  sources.options = {{"DEFAULT", "nosuch", "x"}};
  EXPECT_THAT(load(sources, memory_environment({})).errors, ElementsAre(HasSubstr("no option 'nosuch'")));
}

class RealFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "config-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(root_ / name) << text; }

  std::filesystem::path root_;
};

TEST_F(RealFiles, AreReadLikeThoseInMemory) {
  std::filesystem::create_directory(root_ / "d");
  write("a.ini", bridge("a"));
  write("d/b.conf", bridge("b"));
  write("d/c.ini", bridge("c"));
  Environment environment = process_environment();
  environment.variables.clear();
  const LoadResult result =
      load(ConfigSources().add_file((root_ / "a.ini").string()).add_directory((root_ / "d").string()), environment);
  EXPECT_EQ(winner(result), "b");
  EXPECT_EQ(result.config->origin("ovs", "tunnel_bridge"), (root_ / "d/b.conf").string() + ":2");
  EXPECT_FALSE(result.config->get_string("DEFAULT", "host").empty());
}

TEST_F(RealFiles, ThatCannotBeReadAreErrors) {
  const LoadResult directory = load(ConfigSources().add_file(root_.string()), process_environment());
  EXPECT_THAT(directory.errors, ElementsAre(HasSubstr("it is a directory")));
  const LoadResult endless = load(ConfigSources().add_file("/dev/zero"), process_environment());
  EXPECT_THAT(endless.errors, ElementsAre(StartsWith("/dev/zero: the file cannot be read: it is larger than")));
  write("plain", "x");
  const LoadResult plain = load(ConfigSources().add_directory((root_ / "plain").string()), process_environment());
  EXPECT_THAT(plain.warnings, ElementsAre(HasSubstr("names no directory")));
}

// --- log_setup: what oslo.log's options mean

LogSetup logging(const std::string& options) {
  auto result = load({}, memory_environment({{"/etc/neutron/neutron.conf", "[DEFAULT]\n" + options}}));
  EXPECT_THAT(result.errors, IsEmpty());
  return log_setup(*result.config);
}

TEST(LogSetup, StderrIsForWhoHasNothingElse) {
  EXPECT_EQ(logging(""), (LogSetup{.facility = "user"}));
  EXPECT_EQ(logging("log_file = a.log\nlog_dir = /var/log/x\n"),
            (LogSetup{.file = "/var/log/x/a.log", .to_stderr = false, .facility = "user"}));
  EXPECT_EQ(logging("log_file = /a.log\nlog_dir = /var/log/x\nuse_stderr = true\n").file, "/a.log");
  EXPECT_EQ(logging("log_dir = /var/log/x\n").file, "/var/log/x/ml2-agent.log");
  EXPECT_EQ(logging("use_journal = true\nuse_json = true\ndebug = true\n"),
            (LogSetup{.to_stderr = false, .journal = true, .facility = "user", .json = true, .debug = true}));
}

TEST(LogSetup, FacilitiesAreThoseOfSyslog) {
  EXPECT_EQ(logging("use_syslog = true\nsyslog_log_facility = LOG_LOCAL3\n").facility, "local3");
  EXPECT_EQ(logging("syslog_log_facility = daemon\n").facility, "daemon");
}

// --- liveness: how long a switch may be quiet

TEST(Liveness, IsTheIncumbentsProbeWithAPatienceOfItsOwn) {
  const auto of_options = [](const std::string& options) {
    const auto result = load({}, memory_environment({{"/etc/neutron/neutron.conf", "[ovs]\n" + options}}));
    EXPECT_THAT(result.errors, IsEmpty());
    EXPECT_THAT(result.notices, IsEmpty()) << "both are acted on";
    return liveness(*result.config);
  };
  using std::chrono::seconds;
  EXPECT_EQ(of_options(""), (of::Liveness{.quiet = seconds(10), .answers_within = seconds(5)}));
  EXPECT_EQ(of_options("of_inactivity_probe = 0\nof_request_timeout = 30\n"),
            (of::Liveness{.quiet = seconds(0), .answers_within = seconds(5)}));
  EXPECT_EQ(of_options("of_inactivity_probe = 3\nof_request_timeout = 2\n"),
            (of::Liveness{.quiet = seconds(3), .answers_within = seconds(2)}));
}

}  // namespace
}  // namespace ml2::config
