// agent/config/unknown_names: hints for what nobody reads, silence for what Neutron's other programs read.
#include <gmock/gmock.h>

#include "agent/config/loader.h"

namespace ml2::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> warnings(const std::string& text, std::map<std::string, std::string> variables = {}) {
  Environment environment = memory_environment({{"/x.ini", text}});
  environment.variables = std::move(variables);
  const LoadResult result = load(ConfigSources().add_file("/x.ini"), environment);
  EXPECT_THAT(result.errors, IsEmpty());
  return result.warnings;
}

TEST(UnknownNames, HintAtTheNearestOption) {
  EXPECT_THAT(
      warnings("[ovs]\ntunel_bridge = x\n"),
      ElementsAre(
          "/x.ini:2: unknown option 'tunel_bridge' in section [ovs]; it is ignored; did you mean 'tunnel_bridge'?"));
  EXPECT_THAT(warnings("[ovs]\nLocal_IP = 1.2.3.4\n"), ElementsAre(HasSubstr("did you mean 'local_ip'?")));
  EXPECT_THAT(warnings("[DEFAULT]\nlog-file = x\n"), ElementsAre(HasSubstr("did you mean 'log_file'?")));
  EXPECT_THAT(warnings("[ovs]\ncompletely_different_thing = x\n"),
              ElementsAre("/x.ini:2: unknown option 'completely_different_thing' in section [ovs]; it is ignored"));
}

TEST(UnknownNames, HintAtTheSectionThatHasTheOption) {
  EXPECT_THAT(warnings("[ovs]\ntunnel_types = vxlan\n"), ElementsAre(HasSubstr("it is an option of [agent]")));
  EXPECT_THAT(warnings("[agent]\nlocal_ip = 1.2.3.4\n"), ElementsAre(HasSubstr("it is an option of [ovs]")));
  EXPECT_THAT(warnings("[agent]\nvni_ranges = 1:2\n"),
              ElementsAre(HasSubstr("it is an option of [ml2_type_vxlan], [ml2_type_geneve]")));
}

TEST(UnknownNames, HintAtTheNearestSection) {
  EXPECT_THAT(
      warnings("[securitygroups]\nfirewall_driver = x\nenable_ipset = maybe\n"),
      ElementsAre(
          "/x.ini:1: unknown section [securitygroups]; its options are ignored; did you mean [securitygroup]?"));
  EXPECT_THAT(warnings("[default]\ndebug = x\n"),
              ElementsAre(HasSubstr("did you mean [DEFAULT], which must be in upper case?")));
  EXPECT_THAT(warnings("[ ovs ]\nx = 1\n"), ElementsAre(HasSubstr("did you mean [ovs]?")));
}

TEST(UnknownNames, AreSaidOnceForEachFile) {
  EXPECT_THAT(warnings("[ovs]\nfoo_bar_baz=1\nfoo_bar_baz=2\n[OVS]\nfoo_bar_baz=3\n[zzzzzzzz]\n[zzzzzzzz]\n").size(),
              2U);
}

TEST(UnknownNames, LeaveOtherProgramsOptionsAlone) {
  EXPECT_THAT(
      warnings(
          "[DEFAULT]\ncore_plugin=ml2\nservice_plugins=router\nbind_port=9696\nl3_ha=true\n[database]\nconnection=x\n"
          "[keystone_authtoken]\nusername=n\n[nova]\n[placement]\n[agent]\navailability_zone=z\n[privsep_ovs_vsctl]"
          "\nuser=x\n"),
      IsEmpty());
}

TEST(UnknownNames, WarnOfVariablesOfOurGroups) {
  EXPECT_THAT(
      warnings("", {{"OS_OVS__LOCALIP", "x"},
                    {"OS_AUTH_URL", "x"},
                    {"OS_NOVA__REGION", "x"},
                    {"OS_DATABASE__CONNECTION", "x"},
                    {"OS_ML2__TENANT_NETWORK_TYPES", "vxlan"}}),
      ElementsAre(
          "environment OS_ML2__TENANT_NETWORK_TYPES: unknown option 'tenant_network_types' of section [ml2]; it is "
          "ignored; the present name is 'project_network_types' of [ml2]",
          "environment OS_OVS__LOCALIP: unknown option 'localip' of section [ovs]; it is ignored; did you mean "
          "'local_ip'?"));
}

TEST(UnknownNames, DeprecatedForRemovalIsAWarning) {
  EXPECT_THAT(warnings("[agent]\nveth_mtu=9000\n"),
              ElementsAre(HasSubstr("[agent] veth_mtu is deprecated for removal")));
}

}  // namespace
}  // namespace ml2::config
