// RemoteDatabase with a RAFT cluster of ovsdb-servers (ovsdb(7)).
#include <gmock/gmock.h>

#include <memory>

#include "datapath/base/poll_loop.h"
#include "ovsdb/blocking.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/remote_database.h"
#include "tests/contract/database_server.h"

namespace ml2::ovsdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class DatabaseCluster : public ::testing::Test {
 protected:
  // `size` servers, each with a UNIX socket for clients.
  void start(std::size_t size) {
    std::vector<std::string> addresses;
    for (std::size_t i = 0; i < size; ++i) {
      addresses.push_back("tcp:127.0.0.1:" + std::to_string(free_port()));
      const std::string name = "s" + std::to_string(i);
      const std::string file = directory_ / (name + ".db");
      if (i == 0) {
        must_run({"ovsdb-tool", "create-cluster", file, ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema", addresses[0]});
      } else {
        must_run({"ovsdb-tool", "join-cluster", file, "ML2", addresses[i], addresses[0]});
      }
      servers_.push_back(std::make_unique<OvsdbServer>(directory_, name));
      servers_.back()->add_file(file);
      servers_.back()->start();
      // A member of the cluster, not only started: else a majority is not what it seems.
      must_run({"ovsdb-client", "--timeout=30", "wait", servers_.back()->remote(), "ML2", "connected"});
      remotes_ += (i == 0 ? "" : ",") + servers_.back()->remote();
    }
  }

  std::unique_ptr<Database> open() {
    RemoteDatabase::Options options;
    options.database = "ML2";
    options.remotes = remotes_;
    options.columns = ml2_columns();
    auto opened = RemoteDatabase::open(std::move(options));
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }

  // As the agent does: compute anew and send again while the answer is Transient.
  static Status insert(Database& db, const Ml2Network& row) {
    Status last;
    const long long deadline = ml2_time_msec() + 60000;
    while (ml2_time_msec() < deadline) {
      last = wait_until_synced(db, seconds(30));
      if (!last) return last;
      if (db.snapshot()->row("Network", row.uuid) != nullptr) return {};
      last = commit_and_wait(db, {{insert_row(row)}, ""}, seconds(30)).status;
      if (!last && last.error().kind != ErrorKind::Transient) return last;
    }
    return last;
  }

  static Ml2Network network(const std::string& name) {
    Ml2Network row;
    row.uuid = Uuid::random();
    row.name = name;
    return row;
  }

  [[nodiscard]] std::size_t leader() const {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (!servers_[i]->running()) continue;
      const CommandResult status = run_command({"ovs-appctl", "-t", servers_[i]->control(), "cluster/status", "ML2"});
      if (status.output.find("Role: leader") != std::string::npos) return i;
    }
    return servers_.size();
  }

  TempDir directory_;
  std::vector<std::unique_ptr<OvsdbServer>> servers_;
  std::string remotes_;
};

TEST_F(DatabaseCluster, OfOne) {
  start(1);
  const auto db = open();
  const Ml2Network row = network("n");
  const Status inserted = insert(*db, row);
  ASSERT_TRUE(inserted) << inserted.error().message;
  servers_[0]->stop();
  servers_[0]->start();
  ASSERT_TRUE(insert(*db, network("m")));
  EXPECT_EQ(read_ml2(*db->snapshot()).networks.at(row.uuid), row);
  EXPECT_EQ(db->snapshot()->table("Network").size(), 2U);
}

TEST_F(DatabaseCluster, OfThreeBearsTheLossOfItsLeader) {
  start(3);
  const auto db = open();
  const Ml2Network first = network("first");
  Status inserted = insert(*db, first);
  ASSERT_TRUE(inserted) << inserted.error().message;
  const std::size_t lost = leader();
  ASSERT_LT(lost, servers_.size());
  servers_[lost]->kill();
  inserted = insert(*db, network("second"));
  ASSERT_TRUE(inserted) << inserted.error().message;
  EXPECT_EQ(read_ml2(*db->snapshot()).networks.at(first.uuid), first);
}

TEST_F(DatabaseCluster, WithoutQuorumNothingIsCommitted) {
  start(3);
  const auto db = open();
  ASSERT_TRUE(insert(*db, network("first")));
  servers_[0]->kill();
  servers_[1]->kill();
  // Until the survivor notices, it may still take a transaction; but it never says that it is done.
  if (wait_until_synced(*db, milliseconds(200))) {
    const Outcome outcome = commit_and_wait(*db, {{insert_row(network("second"))}, ""}, milliseconds(500));
    ASSERT_FALSE(outcome.status) << "committed without a quorum";
    EXPECT_EQ(outcome.status.error().kind, ErrorKind::Transient) << outcome.status.error().message;
  }
  servers_[0]->start();
  const Status inserted = insert(*db, network("third"));
  EXPECT_TRUE(inserted) << inserted.error().message;
}

}  // namespace
}  // namespace ml2::ovsdb
