// agent/config/loader and resolver: which value wins, substitution, and what is an error.
#include <gmock/gmock.h>

#include "agent/config/loader.h"

namespace ml2::config {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

LoadResult load_text(const std::string& text, std::map<std::string, std::string> variables = {}) {
  Environment environment = memory_environment({{"/x.ini", text}});
  environment.variables = std::move(variables);
  return load(ConfigSources().add_file("/x.ini"), environment);
}

// Several files, in order: /1.ini, /2.ini, ...
LoadResult load_texts(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> files;
  ConfigSources sources;
  for (const std::string& text : texts) {
    const std::string path = "/" + std::to_string(files.size() + 1) + ".ini";
    files[path] = text;
    sources.add_file(path);
  }
  return load(sources, memory_environment(files));
}

Config good(LoadResult result) {
  EXPECT_THAT(result.errors, IsEmpty());
  if (!result.config) result = load_text("");
  return std::move(*result.config);
}

TEST(Load, NothingGivesTheDefaults) {
  const Config config = good(load_text(""));
  EXPECT_EQ(config.get_string("ovs", "integration_bridge"), "br-int");
  EXPECT_EQ(config.get_int("ovs", "ovsdb_timeout"), 10);
  EXPECT_EQ(config.get_optional_int("agent", "dscp"), std::nullopt);
  EXPECT_EQ(config.get_optional_string("ovs", "local_ip"), std::nullopt);
  EXPECT_DOUBLE_EQ(config.get_double("agent", "report_interval"), 30);
  EXPECT_TRUE(config.get_bool("agent", "dont_fragment"));
  EXPECT_EQ(config.get_string("DEFAULT", "host"), "test-host");
  EXPECT_THAT(config.get_list("ml2", "type_drivers"), ElementsAre("local", "flat", "vlan", "gre", "vxlan", "geneve"));
  EXPECT_THAT(config.get_list("ml2_type_flat", "flat_networks"), ElementsAre("*"));
  EXPECT_THAT(config.get_list("ml2_db", "connection"), IsEmpty());
  EXPECT_THAT(config.get_list("oslo_messaging_notifications", "driver"), IsEmpty());
  EXPECT_EQ(config.get_dict("ovs", "resource_provider_inventory_defaults").at("allocation_ratio"), "1.0");
  EXPECT_EQ(config.origin("ovs", "integration_bridge"), "default");
  EXPECT_FALSE(config.is_set("ovs", "integration_bridge"));
  EXPECT_EQ(config.firewall_driver(), "noop");
}

TEST(Load, TheLastLineAndTheLastFileWin) {
  const Config config = good(load_texts({"[ovs]\ntunnel_bridge=a\n[OVS]\ntunnel_bridge=b\nintegration_bridge=i\n",
                                         "[Ovs]\ntunnel_bridge=c\n[ovs]\ntunnel_bridge=d\n"}));
  EXPECT_EQ(config.get_string("ovs", "tunnel_bridge"), "d");
  EXPECT_EQ(config.origin("ovs", "tunnel_bridge"), "/2.ini:4");
  EXPECT_EQ(config.get_string("ovs", "integration_bridge"), "i");
  EXPECT_EQ(config.origin("ovs", "integration_bridge"), "/1.ini:5");
}

TEST(Load, AnEmptyValueOverridesAnEarlierOne) {
  const Config config = good(load_texts({"[ovs]\nbridge_mappings=p:b\nssl_key_file=/k\n[agent]\ndscp=5\n",
                                         "[ovs]\nbridge_mappings=\nssl_key_file=\n[agent]\ndscp=\n"}));
  EXPECT_THAT(config.get_list("ovs", "bridge_mappings"), IsEmpty());
  EXPECT_EQ(config.get_optional_string("ovs", "ssl_key_file"), "");
  EXPECT_EQ(config.get_optional_int("agent", "dscp"), std::nullopt);
}

TEST(Load, AnEmptyNumberIsNoneAndTheDefaultIsUsed) {
  LoadResult result = load_text("[ovs]\novsdb_timeout =\n");
  EXPECT_THAT(result.warnings,
              ElementsAre(AllOf(StartsWith("/x.ini:2: [ovs] ovsdb_timeout is empty"), HasSubstr("default 10"))));
  const Config config = good(std::move(result));
  EXPECT_EQ(config.get_optional_int("ovs", "ovsdb_timeout"), std::nullopt);
  EXPECT_EQ(config.get_int("ovs", "ovsdb_timeout"), 10);
}

TEST(Load, TheEnvironmentBeatsFilesAndTheCommandLineBeatsBoth) {
  Environment environment =
      memory_environment({{"/x.ini", "[ovs]\ntunnel_bridge=file\n[DEFAULT]\ndebug=no\nlog_dir=/f\n"}});
  environment.variables = {
      {"OS_OVS__TUNNEL_BRIDGE", "env"}, {"OS_DEFAULT__DEBUG", "true"}, {"OS_DEFAULT__LOG_DIR", "/e"}};
  ConfigSources sources = ConfigSources().add_file("/x.ini");
  sources.options = {{"DEFAULT", "debug", "off"}};
  const Config config = good(load(sources, environment));
  EXPECT_EQ(config.get_string("ovs", "tunnel_bridge"), "env");
  EXPECT_EQ(config.origin("ovs", "tunnel_bridge"), "environment OS_OVS__TUNNEL_BRIDGE");
  EXPECT_EQ(config.get_optional_string("DEFAULT", "log_dir"), "/e");
  EXPECT_FALSE(config.get_bool("DEFAULT", "debug"));
  EXPECT_EQ(config.origin("DEFAULT", "debug"), "command line");
}

TEST(Load, ANegativeNumberOfSecondsOrAddressesIsRefused) {
  const LoadResult result = load_text("[agent]\nreport_interval = -3\n[ovs]\nbridge_mac_table_size = -5\n");
  EXPECT_THAT(result.errors,
              UnorderedElementsAre(StartsWith("/x.ini:2: [agent] report_interval = '-3' is not valid"),
                                   StartsWith("/x.ini:4: [ovs] bridge_mac_table_size = '-5' is not valid")));
}

// Each of these was taken, and refused or misunderstood only by the running agent, ovs-vswitchd or the kernel.
TEST(Load, WhatTheAgentCouldNotCarryOutIsRefused) {
  const auto error = [](const std::string& text) {
    const auto errors = load_text(text).errors;
    EXPECT_THAT(errors, SizeIs(1)) << text;
    return errors.empty() ? std::string() : errors[0];
  };
  EXPECT_EQ(
      error("[agent]\nmetrics_listen = 0.0.0.0:9100\n"),
      "/x.ini:2: [agent] metrics_listen = '0.0.0.0:9100' is not valid: 0.0.0.0 is no loopback address, and there "
      "is no authentication; allowed: unix:/PATH, 127.0.0.1:PORT or [::1]:PORT");
  EXPECT_EQ(error("[DEFAULT]\nsyslog_log_facility = LOG_FOO\n"),
            "/x.ini:2: [DEFAULT] syslog_log_facility = 'LOG_FOO' is not valid: there is no such facility; allowed: a "
            "facility of syslog such as LOG_USER, LOG_DAEMON, LOG_LOCAL0");
  for (const char* address : {"224.0.0.1", "ff02::1", "0.0.0.0", "::", "255.255.255.255"}) {
    EXPECT_THAT(error(std::string("[ovs]\nlocal_ip = ") + address + "\n"),
                AllOf(StartsWith("/x.ini:2: [ovs] local_ip = '"), HasSubstr("no")));
  }
  for (const char* bridge : {"br int", "br/int", "br\\int", "br:int", "..", "br-of-16-bytes-x"}) {
    for (const char* option : {"integration_bridge", "tunnel_bridge"}) {
      EXPECT_THAT(error(std::string("[ovs]\n") + option + " = " + bridge + "\n"),
                  AllOf(StartsWith(std::string("/x.ini:2: [ovs] ") + option + " = '"),
                        HasSubstr("allowed: a bridge's name of 1 to 15 bytes")));
    }
  }
  EXPECT_THAT(error("[ovs]\nbridge_mappings = p:br-ex, q:br/ex\n"),
              AllOf(StartsWith("/x.ini:2: [ovs] bridge_mappings = '"), HasSubstr("'br/ex' has a '/' in its name")));
  EXPECT_THAT(error("[agent]\nreport_interval = 0\n"),
              AllOf(StartsWith("/x.ini:2: [agent] report_interval = '0' is not valid: it is below 1")));
  EXPECT_THAT(load_text("[DEFAULT]\nsyslog_log_facility=authpriv\n[agent]\nmetrics_listen=[::1]:9100\n"
                        "report_interval=1\n[ovs]\nlocal_ip=fd00::1\nintegration_bridge=br-of-15-bytes-\n")
                  .errors,
              IsEmpty());
}

TEST(Load, AnEmptyVariableIsAValue) {
  const LoadResult result = load_text("[ovs]\nlocal_ip=1.2.3.4\n", {{"OS_OVS__LOCAL_IP", ""}});
  EXPECT_THAT(result.errors,
              ElementsAre(StartsWith("environment OS_OVS__LOCAL_IP: [ovs] local_ip = '' is not valid")));
}

TEST(Load, OnlyTheValueThatWinsIsChecked) {
  EXPECT_EQ(
      good(load_texts({"[ovs]\novsdb_timeout=ten\n", "[ovs]\novsdb_timeout=5\n"})).get_int("ovs", "ovsdb_timeout"),
      5);
  EXPECT_EQ(good(load_text("[ovs]\novsdb_timeout=ten\novsdb_timeout=5\n")).get_int("ovs", "ovsdb_timeout"), 5);
  EXPECT_EQ(good(load_text("[ovs]\nlocal_ip=x\n", {{"OS_OVS__LOCAL_IP", "1.2.3.4"}}))
                .get_optional_string("ovs", "local_ip"),
            "1.2.3.4");
  EXPECT_THAT(load_texts({"[ovs]\novsdb_timeout=5\n", "[ovs]\novsdb_timeout=ten\n"}).errors, SizeIs(1));
}

TEST(Load, ABadValueNamesFileLineOptionValueAndWhatIsAllowed) {
  const LoadResult result = load_text("[ovs]\n\novsdb_timeout = ten\n");
  EXPECT_FALSE(result.config.has_value());
  EXPECT_THAT(result.errors,
              ElementsAre("/x.ini:3: [ovs] ovsdb_timeout = 'ten' is not valid: it is not a decimal integer; "
                          "allowed: an integer of at least 1"));
}

TEST(Load, AllErrorsAreCollected) {
  const LoadResult result =
      load_texts({"junk\n[ovs]\nlocal_ip=1.2.3\nbridge_mappings=a:b,c:b\n", "[agent]\nl2_population=maybe\n[]\n"});
  EXPECT_THAT(result.errors,
              ElementsAre(StartsWith("/1.ini:1: expected 'option = value'"),
                          StartsWith("/2.ini:3: the section name is empty"), StartsWith("/1.ini:3: [ovs] local_ip"),
                          StartsWith("/1.ini:4: [ovs] bridge_mappings = 'a:b,c:b'"),
                          StartsWith("/2.ini:2: [agent] l2_population = 'maybe'")));
}

TEST(Load, ErrorsAreOneLineEachAndHideSecrets) {
  const LoadResult result = load_text(
      "[DEFAULT]\ntransport_url = rabbit://u:hunter2@h $nosuch\nhost = $transport_url\n[ovs]\nlocal_ip = a\n  b\n");
  ASSERT_THAT(result.errors, Not(IsEmpty()));
  for (const std::string& error : result.errors) {
    EXPECT_THAT(error, Not(HasSubstr("hunter2")));
    EXPECT_THAT(error, Not(HasSubstr("\n")));
  }
}

TEST(Load, AValueTakenFromASecretIsASecret) {
  const LoadResult result = load_text("[DEFAULT]\ntransport_url = rabbit://hunter2\nhost = a_$transport_url\n");
  ASSERT_THAT(result.errors, SizeIs(1));
  EXPECT_THAT(result.errors[0],
              AllOf(StartsWith("/x.ini:3: [DEFAULT] host is not valid"), Not(HasSubstr("hunter2"))));
}

TEST(Load, DeprecatedNamesWorkAndWarnOnce) {
  LoadResult result =
      load_texts({"[ovs]\novs_integration_bridge = br-a\n[DEFAULT]\nlogfile = /l\n[ml2]\nsegment_mtu = 9000\n"});
  EXPECT_THAT(
      result.warnings,
      ElementsAre(HasSubstr("/1.ini:2: option ovs_integration_bridge of section [ovs] is deprecated; use option "
                            "integration_bridge of section [ovs]"),
                  HasSubstr("use option global_physnet_mtu of section [DEFAULT]"), HasSubstr("use option log_file")));
  const Config config = good(std::move(result));
  EXPECT_EQ(config.get_string("ovs", "integration_bridge"), "br-a");
  EXPECT_EQ(config.origin("ovs", "integration_bridge"), "/1.ini:2");
  EXPECT_EQ(config.get_int("DEFAULT", "global_physnet_mtu"), 9000);
}

TEST(Load, InOneFileTheNewNameWinsButALaterFileBeatsIt) {
  EXPECT_EQ(good(load_text("[ovs]\nintegration_bridge=new\novs_integration_bridge=old\n"))
                .get_string("ovs", "integration_bridge"),
            "new");
  EXPECT_EQ(good(load_texts({"[ovs]\nintegration_bridge=new\n", "[ovs]\novs_integration_bridge=old\n"}))
                .get_string("ovs", "integration_bridge"),
            "old");
  const LoadResult same = load_text("[ovs]\nintegration_bridge=new\novs_integration_bridge=old\n");
  EXPECT_THAT(same.warnings, IsEmpty()) << "the old name was not used";
}

TEST(Load, BothNamesOfTheProjectNetworkTypesWork) {
  for (const char* name : {"tenant_network_types", "project_network_types"}) {
    const Config config = good(load_text(std::string("[ml2]\n") + name + " = vxlan,vlan\n"));
    EXPECT_THAT(config.get_list("ml2", "project_network_types"), ElementsAre("vxlan", "vlan"));
  }
}

TEST(Load, AMultiOptionAccumulatesOverFiles) {
  const Config config =
      good(load_texts({"[oslo_messaging_notifications]\ndriver=a\ndriver=b\n",
                       "[DEFAULT]\nnotification_driver=c\n[oslo_messaging_notifications]\ndriver=d\n"}));
  EXPECT_THAT(config.get_list("oslo_messaging_notifications", "driver"), ElementsAre("a", "b", "c", "d"));
}

TEST(Substitution, LooksInTheOwnGroupThenInDefault) {
  const Config config =
      good(load_text("[DEFAULT]\nstate_path=/s\nlog_dir=${state_path}/log\n[ovs]\ntunnel_bridge=br-$ovsdb_timeout\n"
                     "vhostuser_socket_dir=$state_path/"
                     "vhu\nssl_key_file=${AGENT.dscp}|${ovs.ovsdb_debug}|$agent.report_interval\n"));
  EXPECT_EQ(config.get_optional_string("DEFAULT", "log_dir"), "/s/log");
  EXPECT_EQ(config.get_string("ovs", "tunnel_bridge"), "br-10");
  EXPECT_EQ(config.get_string("ovs", "vhostuser_socket_dir"), "/s/vhu");
  EXPECT_EQ(config.get_optional_string("ovs", "ssl_key_file"), "|False|30.0")
      << "None is empty, the rest as Python prints it";
}

TEST(Substitution, HasTwoEscapesAndLeavesALoneDollar) {
  const Config config = good(load_text("[ovs]\nssl_key_file = $$state_path \\$state_path $ 5$ ${ ${}\n"));
  EXPECT_EQ(config.get_optional_string("ovs", "ssl_key_file"), "$state_path $state_path $ 5$ ${ ${}");
}

TEST(Substitution, IsDoneBeforeAListIsSplit) {
  const Config config = good(load_text("[ovs]\nssl_key_file=a,b\n[agent]\nextensions=${ovs.ssl_key_file},c\n"));
  EXPECT_THAT(config.get_list("agent", "extensions"), ElementsAre("a", "b", "c"));
}

TEST(Substitution, WorksInTheEnvironment) {
  const Config config = good(load_text("", {{"OS_OVS__SSL_KEY_FILE", "$state_path/k"}}));
  EXPECT_EQ(config.get_optional_string("ovs", "ssl_key_file"), "/var/lib/neutron/k");
}

TEST(Substitution, AnUnknownNameIsAnError) {
  EXPECT_THAT(load_text("[ovs]\ntunnel_bridge=$nosuch\n").errors,
              ElementsAre(AllOf(StartsWith("/x.ini:2: [ovs] tunnel_bridge refers to the option '$nosuch'"),
                                HasSubstr("'$$'"))));
  EXPECT_THAT(load_text("[ovs]\ntunnel_bridge=$state_path.\n").errors, SizeIs(1)) << "a dot belongs to the name";
}

TEST(Substitution, ACircleIsAnError) {
  EXPECT_THAT(load_text("[DEFAULT]\nlog_dir=$log_file\nlog_file=$log_dir\n").errors,
              ElementsAre(HasSubstr("refers back to it")));
  EXPECT_THAT(load_text("[ovs]\ntunnel_bridge=x$tunnel_bridge\n").errors,
              ElementsAre(HasSubstr("refers back to it")));
}

TEST(Substitution, WhatGrowsWithoutMeasureIsAnError) {
  const std::string big(1000, 'x');
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "$log_dir";
  EXPECT_THAT(load_text("[DEFAULT]\nlog_dir=" + big + "\nlog_file=" + many + "\n").errors,
              ElementsAre(HasSubstr("grows beyond")));
}

TEST(Substitution, AReferenceToABadValueIsNoSecondError) {
  EXPECT_THAT(load_text("[ovs]\novsdb_timeout=ten\ntunnel_bridge=$ovsdb_timeout\n").errors,
              ElementsAre(HasSubstr("ovsdb_timeout = 'ten'")));
}

TEST(Together, BridgesMustDiffer) {
  EXPECT_THAT(load_text("[ovs]\nbridge_mappings=p:br-int\n").errors,
              ElementsAre(AllOf(StartsWith("/x.ini:2:"), HasSubstr("[ovs] integration_bridge = br-int (default)"))));
  EXPECT_THAT(load_text("[ovs]\ntunnel_bridge=br-int\n").errors, ElementsAre(HasSubstr("is the same bridge")));
  EXPECT_THAT(load_text("[ovs]\nint_peer_patch_port=patch-int\n").errors, ElementsAre(HasSubstr("is the same port")));
}

TEST(Together, BandwidthsNeedTheirBridgeInTheMappings) {
  EXPECT_THAT(load_text("[ovs]\nbridge_mappings=p:br-ex\nresource_provider_bandwidths=br-ex:1:1\n").errors,
              IsEmpty());
  EXPECT_THAT(load_text("[ovs]\nresource_provider_bandwidths=br-ex:1:1\n").errors,
              ElementsAre(AllOf(StartsWith("/x.ini:2: [ovs] resource_provider_bandwidths"),
                                HasSubstr("not in [ovs] bridge_mappings"))));
  EXPECT_THAT(load_text("[ovs]\nresource_provider_packet_processing_with_direction=:1:1\n"
                        "resource_provider_packet_processing_without_direction=:1\n")
                  .errors,
              ElementsAre(HasSubstr("cannot stand together")));
}

TEST(Together, SslNeedsItsFiles) {
  EXPECT_THAT(load_text("[ovs]\novsdb_connection=ssl:h:1\nssl_key_file=k\n").errors,
              ElementsAre(HasSubstr("needs [ovs] ssl_cert_file"), HasSubstr("needs [ovs] ssl_ca_cert_file")));
  EXPECT_THAT(
      load_text("[ml2_db]\nconnection=ssl:h:1,ssl:i:1\nssl_key_file=k\nssl_cert_file=c\nssl_ca_cert_file=a\n").errors,
      IsEmpty());
}

TEST(Together, TunnelsWithoutAnEndpointAreAWarning) {
  EXPECT_THAT(load_text("[agent]\ntunnel_types=vxlan\n").warnings,
              Contains(HasSubstr("needs [ovs] local_ip, which is not set")));
  EXPECT_THAT(load_text("[agent]\ntunnel_types=vxlan\n[ovs]\nlocal_ip=1.2.3.4\n").warnings, IsEmpty());
}

TEST(Notices, SayOnceWhatIsNotActedOn) {
  const LoadResult result =
      load_text("[agent]\nbaremetal_smartnic=true\npolling_interval=3\nminimize_polling=true\ntunnel_csum=true\n");
  EXPECT_THAT(result.notices,
              ElementsAre("/x.ini:2: [agent] baremetal_smartnic is known, but ml2-agent does not act on it yet",
                          StartsWith("/x.ini:3: [agent] polling_interval has no effect in ml2-agent")));
}

TEST(ConfigDeath, AnUnknownOptionIsABugOfOurs) {
  const Config config = good(load_text(""));
  EXPECT_DEATH((void)config.get_bool("ovs", "nosuch"), "not in the table");
  EXPECT_DEATH((void)config.get_bool("ovs", "tunnel_bridge"), "not of the type");
}

}  // namespace
}  // namespace ml2::config
