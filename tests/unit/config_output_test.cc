// agent/config/check_config and reload(): what people and programs are shown, and SIGHUP.
#include <gmock/gmock.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "agent/config/check_config.h"
#include "agent/config/loader.h"

namespace ml2::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Json = nlohmann::json;

Config config_of(const std::string& text) {
  LoadResult result = load(ConfigSources().add_file("/x.ini"), memory_environment({{"/x.ini", text}}));
  EXPECT_THAT(result.errors, IsEmpty());
  return std::move(*result.config);
}

TEST(CheckConfig, JsonHasValueAndOriginOfEveryOption) {
  const Json json = Json::parse(config_json(config_of(
      "[OVS]\nbridge_mappings = a:b, c:d\nlocal_ip=1.2.3.4\novsdb_timeout=7\n[agent]\ndscp=\nreport_interval=1.5\n"
      "[ml2]\nphysical_network_mtus=p:9000\n[securitygroup]\nenable_security_group=off\n")));
  EXPECT_EQ(json["ovs"]["bridge_mappings"], Json({{"value", {"a:b", "c:d"}}, {"origin", "/x.ini:2"}}));
  EXPECT_EQ(json["ovs"]["local_ip"]["value"], "1.2.3.4");
  EXPECT_EQ(json["ovs"]["ovsdb_timeout"]["value"], 7);
  EXPECT_EQ(json["ovs"]["ssl_key_file"], Json({{"value", nullptr}, {"origin", "default"}}));
  EXPECT_EQ(json["agent"]["dscp"], Json({{"value", nullptr}, {"origin", "/x.ini:6"}}));
  EXPECT_EQ(json["agent"]["report_interval"]["value"], 1.5);
  EXPECT_EQ(json["ml2"]["physical_network_mtus"]["value"], Json({{"p", "9000"}}));
  EXPECT_EQ(json["securitygroup"]["enable_security_group"]["value"], false);
  EXPECT_EQ(json["DEFAULT"]["host"]["value"], "test-host");
  std::size_t count = 0;
  for (const auto& [name, section] : json.items()) count += section.size();
  EXPECT_EQ(count, all_options().size());
  for (const std::string& group : option_groups()) EXPECT_TRUE(json.contains(group)) << group;
}

TEST(CheckConfig, HidesSecretsThatAreSet) {
  const Config config = config_of(
      "[DEFAULT]\ntransport_url=rabbit://"
      "u:hunter2@h\nlog_dir=$transport_url\n[metadata]\nmetadata_proxy_shared_secret=hunter2\n");
  const std::string json = config_json(config);
  EXPECT_THAT(json, Not(HasSubstr("hunter2")));
  EXPECT_EQ(Json::parse(json)["DEFAULT"]["transport_url"]["value"], "***");
  EXPECT_EQ(Json::parse(json)["DEFAULT"]["log_dir"]["value"], "***") << "taken from a secret";
  EXPECT_THAT(config_text(config), Not(HasSubstr("hunter2")));
  EXPECT_EQ(Json::parse(config_json(config_of("")))["DEFAULT"]["transport_url"]["value"], "rabbit://");
}

TEST(CheckConfig, JsonIsValidForAnyBytesOfTheEnvironment) {
  Environment environment = memory_environment({});
  environment.variables["OS_DEFAULT__LOG_DIR"] = "\xff\xfe";
  const LoadResult result = load({}, environment);
  ASSERT_TRUE(result.config.has_value());
  EXPECT_TRUE(Json::accept(config_json(*result.config)));
}

TEST(CheckConfig, TextHasOneLineForEachOption) {
  const std::string text = config_text(config_of("[ovs]\nbridge_mappings = a:b,\n  c:d\n"));
  EXPECT_THAT(text, HasSubstr("[ovs]\n"));
  EXPECT_THAT(text, HasSubstr("bridge_mappings = a:b,c:d  (/x.ini:2)\n"));
  EXPECT_THAT(text, HasSubstr("local_ip = (not set)  (default)\n"));
  EXPECT_THAT(text, HasSubstr("\n[DEFAULT]\nhost = test-host  (default)\n"));
}

TEST(HelpConfig, HasEveryOptionWithItsTypeDefaultAndLimits) {
  const std::string text = help_text();
  for (const Option& option : all_options()) EXPECT_THAT(text, HasSubstr("\n" + std::string(option.name) + " ("));
  EXPECT_THAT(text,
              HasSubstr("\novsdb_timeout (integer, default: 10)\n    Seconds to wait for an OVSDB transaction.\n"
                        "    Allowed: an integer of at least 1\n"));
  EXPECT_THAT(text, HasSubstr("Old name: [ml2] tenant_network_types."));
  EXPECT_THAT(
      text,
      HasSubstr("debug (boolean, default: false)\n    Log at level DEBUG instead of INFO. Read again at SIGHUP.\n"));
  EXPECT_THAT(help_rows(), SizeIs(all_options().size()));
}

TEST(HelpConfig, ManPageRowsAreEscaped) {
  const std::string man = help_man();
  EXPECT_THAT(man, StartsWith(".ad l\n.SS [ovs]\n.TP\n\\fBovsdb_connection\\fR ("));
  EXPECT_THAT(man, HasSubstr("default: br\\-int)"));
}

// An environment whose one file can be rewritten between load and reload.
struct Rewritable {
  std::shared_ptr<std::string> text = std::make_shared<std::string>();
  Environment environment = memory_environment({});

  explicit Rewritable(std::string first) {
    *text = std::move(first);
    environment.files.read = [content = text](const std::string&) -> Result<std::string> { return *content; };
  }
  [[nodiscard]] LoadResult load_it() const { return load(ConfigSources().add_file("/x.ini"), environment); }
};

TEST(Reload, TakesReloadableOptionsAndWarnsOfTheRest) {
  const Rewritable file("[DEFAULT]\ndebug=false\n[ovs]\ntunnel_bridge=br-a\nlocal_ip=1.2.3.4\n");
  const LoadResult first = file.load_it();
  *file.text = "\n[DEFAULT]\ndebug=true\n[ovs]\ntunnel_bridge=br-b\nlocal_ip=1.2.3.4\n";
  const ReloadResult second = reload(*first.config);
  ASSERT_TRUE(second.config.has_value());
  EXPECT_TRUE(second.config->get_bool("DEFAULT", "debug"));
  EXPECT_EQ(second.config->get_string("ovs", "tunnel_bridge"), "br-a");
  EXPECT_EQ(second.config->origin("ovs", "local_ip"), "/x.ini:6") << "the line moved";
  ASSERT_THAT(second.changes, SizeIs(1));
  EXPECT_EQ(second.changes[0].name, "debug");
  EXPECT_EQ(second.changes[0].before, "false");
  EXPECT_EQ(second.changes[0].after, "true");
  EXPECT_EQ(second.changes[0].origin, "/x.ini:3");
  EXPECT_THAT(
      second.warnings,
      ElementsAre(
          "/x.ini:5: [ovs] tunnel_bridge has changed from 'br-a' to 'br-b'; this needs a restart of the agent"));
}

TEST(Reload, AGoneOptionGoesBackToItsDefault) {
  const Rewritable file("[DEFAULT]\ndebug=true\n");
  const LoadResult first = file.load_it();
  *file.text = "";
  const ReloadResult second = reload(*first.config);
  ASSERT_TRUE(second.config.has_value());
  EXPECT_FALSE(second.config->get_bool("DEFAULT", "debug"));
  EXPECT_EQ(second.config->origin("DEFAULT", "debug"), "default");
}

TEST(Reload, ErrorsLeaveTheRunningConfiguration) {
  const Rewritable file("[DEFAULT]\ndebug=true\n");
  const LoadResult first = file.load_it();
  *file.text = "[DEFAULT]\ndebug=maybe\njunk\n";
  const ReloadResult second = reload(*first.config);
  EXPECT_FALSE(second.config.has_value());
  EXPECT_THAT(second.errors, SizeIs(2));
}

TEST(Reload, NothingChangedIsNoChange) {
  const Rewritable file("[DEFAULT]\ndebug=true\n[metadata]\nmetadata_proxy_shared_secret=s\n");
  const LoadResult first = file.load_it();
  const ReloadResult second = reload(*first.config);
  EXPECT_THAT(second.changes, IsEmpty());
  EXPECT_THAT(second.warnings, IsEmpty());
  EXPECT_EQ(second.config->settings(), first.config->settings());
}

TEST(Reload, HidesSecrets) {
  const Rewritable file("[metadata]\nmetadata_proxy_shared_secret=hunter2\n");
  const LoadResult first = file.load_it();
  *file.text = "[metadata]\nmetadata_proxy_shared_secret=hunter3\n";
  EXPECT_THAT(reload(*first.config).warnings, ElementsAre(HasSubstr("changed from '***' to '***'")));
}

}  // namespace
}  // namespace ml2::config
