// What every FastPath does, whoever is behind it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "datapath/fastpath/query.h"
#include "tests/contract/fastpath_rigs.h"

namespace ml2::fp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

abi::Port port(PortId id, const char* devargs) {
  abi::Port record;
  record.id = id;
  std::strncpy(record.devargs, devargs, sizeof(record.devargs) - 1);
  return record;
}

// Two machines in a segment with a VNI, on devices that receive nothing.
Tables two_ports() {
  Tables tables;
  tables.put(port(1, "net_null1,copy=0"));
  tables.put(port(2, "net_null2,copy=0"));
  tables.put(abi::Segment{.id = 5, .vni = 1000, .mark = 0xfeed});
  tables.put(abi::Attachment{.port = 1, .segment = 5});
  tables.put(abi::Attachment{.port = 2, .segment = 5});
  tables.put(abi::Fdb{.mac = {0x02, 0, 0, 0, 0, 1}, .segment = 5, .port = 1});
  tables.put(abi::Neighbour{.segment = 5, .mac = {0x02, 0, 0, 0, 0, 1}, .address = {10, 0, 0, 1}});
  tables.put(abi::Allowed{.port = 1, .mac = {0x02, 0, 0, 0, 0, 1}, .prefix = 32, .address = {10, 0, 0, 1}});
  return tables;
}

class FastPathContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string name = GetParam();
    rig_ = name == "Fake"     ? make_fake_fastpath_rig()
           : name == "Server" ? make_server_fastpath_rig()
                              : make_process_fastpath_rig();
    if (const std::string obstacle = rig_->obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
    client_ = rig_->open();
    ASSERT_TRUE(until(*client_, [&] { return client_->tables() != nullptr; })) << client_->status().error;
  }

  UpdateOutcome carry_out_by(FastPath& client, const Update& update) {
    EXPECT_TRUE(until(client, [&] { return !client.busy(); }));
    const Status sent = client.commit(update);
    EXPECT_TRUE(sent) << (sent ? "" : sent.error().message);
    std::optional<UpdateOutcome> outcome;
    EXPECT_TRUE(until(client, [&] { return (outcome = client.take_outcome()).has_value(); }));
    return outcome.value_or(UpdateOutcome{});
  }
  Tables tables() { return client_->tables() == nullptr ? Tables() : *client_->tables(); }

  std::unique_ptr<FastPathRig> rig_;
  std::unique_ptr<FastPath> client_;
};

TEST_P(FastPathContract, AFreshOneIsEmptyAndHoldsWhatItIsGiven) {
  EXPECT_TRUE(client_->tables()->empty());
  EXPECT_EQ(client_->status().generation, 0U);
  const std::uint64_t before = client_->sequence();
  const UpdateOutcome outcome = carry_out_by(*client_, {.full = true, .put = two_ports()});
  EXPECT_TRUE(outcome.status);
  EXPECT_THAT(outcome.refused, ElementsAre());
  EXPECT_TRUE(tables() == two_ports());
  EXPECT_GT(client_->sequence(), before);
  EXPECT_EQ(client_->status().generation, 1U);
  EXPECT_EQ(client_->status().updates, 1U);
}

TEST_P(FastPathContract, ItsProcessorsAreKnownWhileItIsThere) {
  EXPECT_EQ(client_->status().cores, rig_->cores());
  rig_->stop();
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() == nullptr; }));
  rig_->start();
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() != nullptr; }));
  EXPECT_EQ(client_->status().cores, rig_->cores());
}

TEST_P(FastPathContract, ADeltaChangesWhatItNamesAndAFullUpdateTakesTheRestAway) {
  carry_out_by(*client_, {.full = true, .put = two_ports()});
  Update delta;
  delta.put.put(abi::Segment{.id = 5, .drop_unknown = 1, .vni = 1000, .mark = 0xfeed});
  delta.put.put(abi::Segment{.id = 6, .vni = 1001});
  delta.remove.put(abi::Attachment{.port = 2, .segment = 5});
  Tables expected = two_ports();
  carry_out(delta, expected);
  EXPECT_THAT(carry_out_by(*client_, delta).refused, ElementsAre());
  EXPECT_TRUE(tables() == expected);

  Tables less;
  less.put(abi::Segment{.id = 6, .vni = 1001});
  carry_out_by(*client_, {.full = true, .put = less});
  EXPECT_TRUE(tables() == less);
}

// By the changes that it tells, whoever looks now and then comes to the same tables.
TEST_P(FastPathContract, ItTellsWhichRecordsHaveChanged) {
  Tables followed = tables();
  std::uint64_t seen = client_->sequence();
  const auto follow = [&] {
    const std::optional<RecordKeys> keys = client_->changes_since(seen);
    ASSERT_TRUE(keys);
    const Tables now = tables();
    for_each_kind(
        [](abi::Kind, const auto& changed, const auto& from, auto& to) {
          for (const auto& key : changed) {
            to.erase(key);
            if (const auto found = from.find(key); found != from.end()) to.insert(*found);
          }
        },
        *keys, now, followed);
    seen = client_->sequence();
    EXPECT_TRUE(followed == now);
  };
  carry_out_by(*client_, {.full = true, .put = two_ports()});
  follow();
  Update delta;
  delta.put.put(abi::Segment{.id = 5, .drop_unknown = 1, .vni = 1000, .mark = 0xfeed});
  delta.put.put(abi::Attachment{.port = 1, .segment = 77});  // refused
  delta.remove.put(abi::Fdb{.mac = {0x02, 0, 0, 0, 0, 1}, .segment = 5});
  carry_out_by(*client_, delta);
  EXPECT_EQ(client_->changes_since(seen)->segments, std::set<SegmentId>{5});
  EXPECT_TRUE(client_->changes_since(seen)->ports.empty());
  follow();

  const auto other = rig_->open();
  ASSERT_TRUE(until(*other, [&] { return other->tables() != nullptr; }));
  Update elsewhere;
  elsewhere.put.put(abi::Segment{.id = 9, .vni = 9});
  carry_out_by(*other, elsewhere);
  ASSERT_TRUE(until(*client_, [&] { return tables().segments.contains(9); }));
  follow();
  // Over a restart, also for a reader that has not looked meanwhile.
  rig_->stop();
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() == nullptr; }));
  rig_->start();
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() != nullptr; }));
  follow();
  EXPECT_TRUE(is_empty(*client_->changes_since(seen)));
}

TEST_P(FastPathContract, WhatIsRefusedIsNamedAndTheRestIsThere) {
  Tables wanted = two_ports();
  wanted.put(port(3, "net_nosuch,x=1"));
  wanted.put(abi::Attachment{.port = 3, .segment = 5});
  wanted.put(abi::Attachment{.port = 1, .segment = 77});
  const UpdateOutcome outcome = carry_out_by(*client_, {.full = true, .put = wanted});
  EXPECT_TRUE(outcome.status);
  EXPECT_THAT(outcome.refused, ElementsAre(HasSubstr("attachment of port 1 to segment 77: no such segment"),
                                           HasSubstr("port 3: device")));
  EXPECT_TRUE(tables() == two_ports());
}

TEST_P(FastPathContract, AnotherClientReadsTheSame) {
  Tables many = two_ports();
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    abi::Fdb record{.mac = {0x02, 1}, .segment = 5, .port = 2};
    std::memcpy(record.mac + 2, &i, sizeof(i));
    many.put(record);
  }
  EXPECT_THAT(carry_out_by(*client_, {.full = true, .put = many}).refused, ElementsAre());
  const auto other = rig_->open();
  ASSERT_TRUE(until(*other, [&] { return other->tables() != nullptr; }));
  EXPECT_TRUE(*other->tables() == many);
  EXPECT_EQ(other->status().records_read, many.size());
  EXPECT_EQ(other->status().boot, client_->status().boot);
}

TEST_P(FastPathContract, WhatAnotherClientChangesIsSeen) {
  carry_out_by(*client_, {.full = true, .put = two_ports()});
  const std::uint64_t before = client_->sequence();
  const auto other = rig_->open();
  ASSERT_TRUE(until(*other, [&] { return other->tables() != nullptr; }));
  Update delta;
  delta.put.put(abi::Segment{.id = 9, .vni = 9});
  carry_out_by(*other, delta);
  ASSERT_TRUE(until(*client_, [&] { return client_->sequence() != before; }));
  EXPECT_TRUE(tables().segments.contains(9));
}

TEST_P(FastPathContract, ItIsEmptyAndAnotherAfterARestart) {
  carry_out_by(*client_, {.full = true, .put = two_ports()});
  const std::uint64_t boot = client_->status().boot;
  rig_->stop();
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() == nullptr; }));
  EXPECT_FALSE(client_->status().connected);
  EXPECT_NE(client_->status().error, "");
  const Status sent = client_->commit({.full = true, .put = two_ports()});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::Transient);
  rig_->start();
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() != nullptr; })) << client_->status().error;
  EXPECT_TRUE(client_->tables()->empty());
  EXPECT_NE(client_->status().boot, boot);
  EXPECT_EQ(client_->status().generation, 0U);
  EXPECT_EQ(client_->status().error, "");
}

TEST_P(FastPathContract, OneUpdateAtATimeAndALostOneIsTold) {
  ASSERT_TRUE(until(*client_, [&] { return !client_->busy(); }));
  ASSERT_TRUE(client_->commit({.full = true, .put = two_ports()}));
  EXPECT_TRUE(client_->busy());
  const Status second = client_->commit({.full = true, .put = two_ports()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::Transient);
  rig_->stop();
  std::optional<UpdateOutcome> outcome;
  ASSERT_TRUE(until(*client_, [&] { return (outcome = client_->take_outcome()).has_value(); }));
  // It may have been carried out just before the end, too: then the next reading shows what is there.
  if (!outcome->status) {
    EXPECT_EQ(outcome->status.error().kind, ErrorKind::Transient);
  }
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() == nullptr; }));
}

TEST_P(FastPathContract, ANicWithoutALinkIsTold) {
  const std::string reason = "its interface eth0 is not there";
  if (!rig_->trouble("net_null1,copy=0", reason) || !rig_->trouble("net_null2,copy=0", reason)) {
    GTEST_SKIP() << "no link to cut: tests/system/test_fastpath_agent.py does";
  }
  EXPECT_TRUE(client_->status().troubles.empty());
  Update update{.full = true};
  update.put.put(port(1, "net_null1,copy=0"));  // a machine's: they come and go
  abi::Port nic = port(2, "net_null2,copy=0");
  nic.kind = abi::PortKind::Tagged;
  update.put.put(nic);
  EXPECT_TRUE(carry_out_by(*client_, update).refused.empty());
  ASSERT_TRUE(until(*client_, [&] { return !client_->status().troubles.empty(); }));
  EXPECT_EQ(client_->status().troubles, (std::map<std::string, std::string>{{"net_null2,copy=0", reason}}));
  Update gone;
  gone.remove.put(nic);
  (void)carry_out_by(*client_, gone);
  EXPECT_TRUE(until(*client_, [&] { return client_->status().troubles.empty(); }));
}

TEST_P(FastPathContract, WhatAntiSpoofingDropsIsCounted) {
  ASSERT_TRUE(until(*client_, [&] { return client_->spoofed().sequence != 0; }));
  EXPECT_TRUE(client_->spoofed().ports.empty());
  EXPECT_EQ(client_->spoofed().boot, client_->status().boot);
  const std::uint64_t first = client_->spoofed().sequence;
  Tables wanted;
  abi::Port machine = port(3, rig_->spoofing_device().c_str());
  machine.spoof_check = 1;
  wanted.put(machine);
  wanted.put(abi::Segment{.id = 5, .vni = 1000, .mark = 0xfeed});
  wanted.put(abi::Attachment{.port = 3, .segment = 5});
  wanted.put(abi::Allowed{.port = 3, .mac = {0x02, 0, 0, 0, 0, 1}, .prefix = 32, .address = {10, 0, 0, 1}});
  EXPECT_THAT(carry_out_by(*client_, {.full = true, .put = wanted}).refused, ElementsAre());
  rig_->spoof(3);
  ASSERT_TRUE(until(*client_, [&] { return !client_->spoofed().ports.empty(); }));
  EXPECT_EQ(client_->spoofed().ports, (std::map<PortId, SpoofedFrames>{{3, {.macs = 1}}}));
  // It is told once, and does not change what the tables are.
  const std::uint64_t then = client_->spoofed().sequence;
  EXPECT_GT(then, first);
  const std::uint64_t tables_then = client_->sequence();
  const auto other = rig_->open();
  ASSERT_TRUE(until(*other, [&] { return other->spoofed().sequence != 0; }));
  EXPECT_EQ(other->spoofed().ports, client_->spoofed().ports);
  EXPECT_EQ(client_->spoofed().sequence, then);
  EXPECT_EQ(client_->sequence(), tables_then);
  rig_->stop();
  ASSERT_TRUE(until(*client_, [&] { return client_->tables() == nullptr; }));
  EXPECT_EQ(client_->spoofed().sequence, then);
  rig_->start();
  ASSERT_TRUE(until(*client_, [&] { return client_->spoofed().sequence != then; }));
  EXPECT_TRUE(client_->spoofed().ports.empty());
}

// What only a process of its own can do.
class FastPathProcess : public FastPathContract {};

// It is said, nothing is taken for lost, and nothing is sent twice.
TEST_P(FastPathProcess, OneThatHangsIsSaidAndGoesOnWhereItWas) {
  carry_out_by(*client_, {.full = true, .put = two_ports()});
  ASSERT_TRUE(until(*client_, [&] { return !client_->busy(); }));
  ASSERT_TRUE(rig_->hang(true));
  EXPECT_TRUE(until(*client_, [&] { return client_->status().silent; }));
  const FastPathStatus hung = client_->status();
  EXPECT_FALSE(hung.connected);
  EXPECT_THAT(hung.error, ::testing::MatchesRegex("ml2-fastpath \\(pid [0-9]+\\) at .* does not answer: .*"));
  EXPECT_TRUE(tables() == two_ports());
  const auto asked = fastpath::ask_fast_path(hung.target, "show", std::chrono::milliseconds(200));
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().kind, ErrorKind::Transient);
  EXPECT_EQ(asked.error().message, hung.error);

  ASSERT_TRUE(rig_->hang(false));
  ASSERT_TRUE(until(*client_, [&] { return client_->status().connected && !client_->busy(); }));
  EXPECT_EQ(client_->status().error, "");
  EXPECT_EQ(client_->status().connections, hung.connections);
  Update delta;
  delta.put.put(abi::Segment{.id = 6, .vni = 1001});
  EXPECT_TRUE(carry_out_by(*client_, delta).status);
  EXPECT_EQ(client_->status().generation, hung.generation + 1);
}

INSTANTIATE_TEST_SUITE_P(Of, FastPathProcess, ::testing::Values("Process"));
INSTANTIATE_TEST_SUITE_P(Of, FastPathContract, ::testing::Values("Fake", "Server", "Process"),
                         [](const auto& backend) { return std::string(backend.param); });

}  // namespace
}  // namespace ml2::fp
