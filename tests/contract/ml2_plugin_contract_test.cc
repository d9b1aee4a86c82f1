// The plugin on a real ovsdb-server: create to delete, and writers that race for the last ids.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "agent/ml2/lookup.h"
#include "agent/ml2/plugin.h"
#include "ovsdb/remote_database.h"
#include "tests/contract/database_server.h"

namespace ml2::plugin {
namespace {

using ovsdb::Ml2Rows;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kTimeout = std::chrono::seconds(60);

// A plugin with a connection of its own.
struct Writer {
  explicit Writer(const std::string& remote, const PluginOptions& options) {
    ovsdb::RemoteDatabase::Options to;
    to.database = "ML2";
    to.remotes = remote;
    to.columns = ovsdb::ml2_columns();
    database = *ovsdb::RemoteDatabase::open(to);
    plugin = *Plugin::make(options, *database, clock, system_random(), kTimeout);
  }
  SystemClock clock;
  std::unique_ptr<ovsdb::RemoteDatabase> database;
  std::unique_ptr<Plugin> plugin;
};

class PluginContract : public testing::Test {
 protected:
  PluginContract() {
    const std::string file = directory / "ml2.db";
    ovsdb::must_run({"ovsdb-tool", "create", file, ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema"});
    server.add_file(file);
    server.start();
    options.project_network_types = {"vxlan"};
    options.vxlan_vni_ranges = {{1, 24}};
  }

  // Runs `work(plugin, writer number)` in `count` writers at once.
  template <class Work>
  void at_once(int count, const Work& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([this, i, &work] {
        Writer writer(server.remote(), options);
        work(*writer.plugin, i);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // Over a fresh connection: one that was open before may not have been told yet of what others have committed.
  Ml2Rows rows_now() {
    Writer reader(server.remote(), options);
    return *reader.plugin->rows();
  }

  ovsdb::TempDir directory;
  ovsdb::OvsdbServer server{directory};
  PluginOptions options;
};

TEST_F(PluginContract, FromCreateToDelete) {
  Writer writer(server.remote(), options);
  Plugin& plugin = *writer.plugin;
  NetworkRequest network;
  network.name = "blue";
  const auto blue = plugin.create_network(network);
  ASSERT_TRUE(blue) << blue.error().message;
  SubnetRequest subnet;
  subnet.network = *blue;
  subnet.cidr = "10.0.0.0/24";
  const auto v4 = plugin.create_subnet(subnet);
  ASSERT_TRUE(v4) << v4.error().message;
  EXPECT_THAT(plugin.create_subnet(subnet).error().message, HasSubstr("overlaps"));
  PortRequest port;
  port.network = *blue;
  port.name = "web";
  port.host = "hv1";
  port.allowed_address_pairs = {{{}, "10.9.0.0/24"}};
  const auto web = plugin.create_port(port);
  ASSERT_TRUE(web) << web.error().message;
  auto rows = *plugin.rows();
  EXPECT_EQ(fixed_ips_of(rows, *web).front().ip_address, "10.0.0.2");
  EXPECT_EQ(bindings_of(rows, *web).front().vif_type, "binding_failed") << "no agent has reported";
  EXPECT_EQ(rows.address_pairs.size(), 1U);
  PortUpdate update;
  update.name = "web1";
  update.allowed_address_pairs = std::vector<AddressPairRequest>{};
  update.host = "";
  ASSERT_TRUE(plugin.update_port(*web, update));
  rows = *plugin.rows();
  EXPECT_EQ(rows.ports.at(*web).name, "web1");
  EXPECT_TRUE(rows.address_pairs.empty()) << "collected by the server";
  EXPECT_EQ(bindings_of(rows, *web).front().vif_type, "unbound");
  EXPECT_THAT(plugin.delete_network(*blue).error().message, HasSubstr("NetworkInUse"));
  ASSERT_TRUE(plugin.delete_port(*web));
  ASSERT_TRUE(plugin.delete_network(*blue));
  EXPECT_EQ(*plugin.rows(), Ml2Rows{});
}

TEST_F(PluginContract, WritersAtOnceShareAPoolToItsLastId) {
  constexpr int kWriters = 2;
  at_once(kWriters, [](Plugin& plugin, int) {
    for (int i = 0; i < 12; ++i) {
      const auto id = plugin.create_network({});
      EXPECT_TRUE(id) << id.error().message;
    }
  });
  Writer after(server.remote(), options);
  std::set<std::int64_t> ids;
  const Ml2Rows rows = rows_now();
  for (const auto& [uuid, segment] : rows.segments) ids.insert(segment.segmentation_id);
  EXPECT_EQ(rows.segments.size(), 24U);
  EXPECT_EQ(ids.size(), 24U) << "each id once";
  const auto none = after.plugin->create_network({});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("vni_ranges 1:24 of [ml2_type_vxlan] is used up"));
}

TEST_F(PluginContract, WritersAtOnceGiveEachPortItsAddress) {
  Writer before(server.remote(), options);
  const Uuid blue = *before.plugin->create_network({});
  SubnetRequest subnet;
  subnet.network = blue;
  subnet.cidr = "10.0.0.0/28";
  ASSERT_TRUE(before.plugin->create_subnet(subnet));
  at_once(3, [&](Plugin& plugin, int) {
    PortRequest port;
    port.network = blue;
    for (int i = 0; i < 4; ++i) {
      const auto id = plugin.create_port(port);
      EXPECT_TRUE(id) << id.error().message;
    }
  });
  std::set<std::string> addresses;
  const Ml2Rows rows = rows_now();
  for (const auto& [uuid, fixed_ip] : rows.fixed_ips) addresses.insert(fixed_ip.ip_address);
  EXPECT_EQ(addresses.size(), 12U);
}

TEST_F(PluginContract, OverlappingSubnetsAtOnceAreOne) {
  Writer before(server.remote(), options);
  const Uuid blue = *before.plugin->create_network({});
  std::vector<std::string> refusals(4);
  at_once(4, [&](Plugin& plugin, int i) {
    SubnetRequest subnet;
    subnet.network = blue;
    // All overlap and no two are equal: no index of the database could tell.
    subnet.cidr = "10.0.0.0/" + std::to_string(20 + i);
    const auto id = plugin.create_subnet(subnet);
    if (!id) refusals[static_cast<std::size_t>(i)] = id.error().message;
  });
  EXPECT_EQ(rows_now().subnets.size(), 1U);
  EXPECT_EQ(std::count(refusals.begin(), refusals.end(), ""), 1);
  for (const std::string& refusal : refusals) {
    if (!refusal.empty()) {
      EXPECT_THAT(refusal, HasSubstr("overlaps"));
    }
  }
}

}  // namespace
}  // namespace ml2::plugin
