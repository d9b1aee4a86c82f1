// What `vif plug` and `vif unplug` plan: kernel operations, rows of Open_vSwitch, the way back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/ctl/vif.h"

namespace ml2::ctl {
namespace {

using testing::HasSubstr;

class Vif : public testing::Test {
 protected:
  Vif() {
    ovsdb::Ml2Network network;
    network.uuid = Uuid::random();
    network.mtu = 1450;
    rows.networks[network.uuid] = network;
    ovsdb::Ml2Subnet v4;
    v4.uuid = Uuid::random();
    v4.network = network.uuid;
    v4.cidr = "10.0.0.0/24";
    v4.gateway_ip = "10.0.0.1";
    v4.host_routes = {{"192.0.2.0/24", "10.0.0.9"}};
    rows.subnets[v4.uuid] = v4;
    ovsdb::Ml2Subnet v6;
    v6.uuid = Uuid::random();
    v6.network = network.uuid;
    v6.cidr = "fd00::/64";
    v6.ip_version = 6;
    rows.subnets[v6.uuid] = v6;
    ovsdb::Ml2Port port;
    port.uuid = *Uuid::parse("0123abcd-4567-489a-8bcd-ef0123456789");
    port.network = network.uuid;
    port.mac_address = "fa:16:3e:00:00:01";
    port.device_id = "vm1";
    rows.ports[port.uuid] = port;
    for (const auto& [subnet, address] : {std::pair{v4.uuid, "10.0.0.2"}, {v6.uuid, "fd00::2"}}) {
      ovsdb::Ml2FixedIp fixed_ip;
      fixed_ip.uuid = Uuid::random();
      fixed_ip.port = port.uuid;
      fixed_ip.subnet = subnet;
      fixed_ip.ip_address = address;
      rows.fixed_ips[fixed_ip.uuid] = fixed_ip;
    }
    ovsdb::BridgeRow bridge;
    bridge.uuid = Uuid::random();
    bridge.name = "br-int";
    vswitch.bridges["br-int"] = bridge;
    request.port = port.uuid;
    request.netns = *nl::NetnsRef::make_named("vm1");
  }

  // As if the plan had been carried out.
  void plug_by_hand(const std::string& device) {
    ovsdb::InterfaceRow interface;
    interface.name = device;
    interface.external_ids = {{"iface-id", request.port.to_string()}};
    ovsdb::PortRow port;
    port.uuid = Uuid::random();
    port.name = device;
    vswitch.interfaces[device] = interface;
    vswitch.ports[device] = port;
    vswitch.port_bridge[device] = "br-int";
    vswitch.interface_port[device] = device;
  }

  ovsdb::Ml2Rows rows;
  ovsdb::Vswitch vswitch;
  PlugRequest request;
};

TEST_F(Vif, AVethPairIsMadeConfiguredAndPluggedIntoTheDeadVlan) {
  const auto plan = plan_plug(rows, vswitch, request);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->device, "tap0123abcd-45");
  const auto& veth = std::get<nl::CreateVeth>(plan->host.operations.at(0));
  EXPECT_EQ(veth.name, "tap0123abcd-45");
  EXPECT_EQ(veth.peer_name, "eth0");
  EXPECT_EQ(veth.peer_netns, request.netns);
  EXPECT_EQ(veth.peer_mac->to_string(), "fa:16:3e:00:00:01");
  EXPECT_EQ(veth.mtu, 1450U);
  for (const auto& operation : plan->host.operations) EXPECT_TRUE(nl::check(operation)) << nl::to_string(operation);
  for (const auto& operation : plan->machine.operations)
    EXPECT_TRUE(nl::check(operation)) << nl::to_string(operation);
  EXPECT_EQ(std::get<nl::SetOffloads>(plan->machine.operations.at(0)), (nl::SetOffloads{.link = "eth0"}));
  const std::string machine = nl::to_string(plan->machine);
  EXPECT_THAT(machine, HasSubstr("10.0.0.2/24"));
  EXPECT_THAT(machine, HasSubstr("fd00::2/64"));
  EXPECT_THAT(machine, HasSubstr("10.0.0.1"));
  EXPECT_THAT(machine, HasSubstr("192.0.2.0/24"));
  EXPECT_EQ(plan->undo.operations.size(), 1U);

  const auto& interface = std::get<ovsdb::RowInsert>(plan->vswitch.operations.at(0));
  std::map<std::string, std::string> external_ids;
  for (const auto& [name, value] : interface.columns) {
    if (name == "external_ids") external_ids = value.string_map();
  }
  EXPECT_EQ(external_ids, (std::map<std::string, std::string>{{"iface-id", request.port.to_string()},
                                                              {"iface-status", "active"},
                                                              {"attached-mac", "fa:16:3e:00:00:01"},
                                                              {"vm-uuid", "vm1"}}));
  const auto& port = std::get<ovsdb::RowInsert>(plan->vswitch.operations.at(1));
  for (const auto& [name, value] : port.columns) {
    if (name == "tag") {
      EXPECT_EQ(value.integer(), 4095);
    }
  }
  EXPECT_EQ(std::get<ovsdb::RowMutate>(plan->vswitch.operations.at(2)).uuid, vswitch.bridges.at("br-int").uuid);
}

TEST_F(Vif, WithoutAddressesTheMachineEndIsOnlyUp) {
  request.addresses = false;
  const auto plan = plan_plug(rows, vswitch, request);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->machine.operations.size(), 2U);
}

TEST_F(Vif, AGatewayOutsideTheSubnetIsReachedOverTheLink) {
  for (auto& [id, subnet] : rows.subnets) {
    if (subnet.ip_version == 4) subnet.gateway_ip = "192.168.9.1";
  }
  const auto plan = plan_plug(rows, vswitch, request);
  ASSERT_TRUE(plan);
  const std::string machine = nl::to_string(plan->machine);
  const auto link_route = machine.find("192.168.9.1/32");
  EXPECT_NE(link_route, std::string::npos) << machine;
  EXPECT_LT(link_route, machine.rfind("192.168.9.1")) << "the next hop must be reachable before it is used";
}

TEST_F(Vif, ATapStaysHere) {
  request.tap = true;
  const auto plan = plan_plug(rows, vswitch, request);
  ASSERT_TRUE(plan);
  EXPECT_EQ(std::get<nl::CreateTap>(plan->host.operations.at(0)).name, "tap0123abcd-45");
  EXPECT_TRUE(plan->machine.empty());
}

TEST_F(Vif, WhatCannotBePluggedIsRefused) {
  PlugRequest other = request;
  other.bridge = "br-nosuch";
  EXPECT_THAT(plan_plug(rows, vswitch, other).error().message, HasSubstr("no bridge br-nosuch"));
  other = request;
  other.ifname = "a name that is too long";
  EXPECT_THAT(plan_plug(rows, vswitch, other).error().message, HasSubstr("cannot be an interface's name"));
  rows.ports.at(request.port).mac_address = "nonsense";
  EXPECT_THAT(plan_plug(rows, vswitch, request).error().message, HasSubstr("nonsense"));
  plug_by_hand("tapother");
  EXPECT_THAT(plan_plug(rows, vswitch, request).error().message, HasSubstr("plugged already, as tapother"));
}

TEST_F(Vif, UnplugTakesThePortOutOfItsBridge) {
  EXPECT_TRUE(plan_unplug(vswitch, request.port).device.empty());
  plug_by_hand("tap0123abcd-45");
  const UnplugPlan plan = plan_unplug(vswitch, request.port);
  EXPECT_EQ(plan.device, "tap0123abcd-45");
  const auto& mutate = std::get<ovsdb::RowMutate>(plan.vswitch.operations.at(0));
  EXPECT_EQ(mutate.column, "ports");
  EXPECT_EQ(mutate.erase, ovsdb::Datum::uuids({vswitch.ports.at("tap0123abcd-45").uuid}));
}

}  // namespace
}  // namespace ml2::ctl
