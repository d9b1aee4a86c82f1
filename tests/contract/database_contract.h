// database_contract: the fixture of the suite that FakeDatabase and RemoteDatabase (with a real ovsdb-server) both pass.
//
// Where in the walk: tests/contract only; database_contract_*test.cc hold the tests.
// Threading: one thread.
// Failure: a server that does not start fails the test.
// What it does not do: what only a real server has (TLS, clusters, several remotes): database_remote_test.cc.
#pragma once

#include <gmock/gmock.h>

#include <memory>

#include "datapath/base/poll_loop.h"
#include "ovsdb/blocking.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/remote_database.h"
#include "tests/contract/database_server.h"
#include "tests/fakes/fake_database.h"

namespace ml2::ovsdb {

inline constexpr const char* kMl2Schema = ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema";

// What the client under test writes only; the other one reads it.
inline const UnreadColumns kUnread = {{"Network", {"description"}}, {"Host", {"heartbeat", "problems"}}};

// A server of the ML2 database, one client under test, and another client.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Database& client() = 0;
  virtual Outcome other_client(const Transaction& transaction) = 0;
  // All columns, as the server has them now.
  virtual Ml2Rows all_rows() = 0;
  virtual void stop_server() = 0;
  virtual void start_server() = 0;
};

class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(bool away) {
    if (away) fake_.disconnect();
  }
  Database& client() override { return fake_; }
  Outcome other_client(const Transaction& transaction) override { return fake_.execute(transaction); }
  Ml2Rows all_rows() override { return read_ml2(fake_.server()); }
  void stop_server() override { fake_.disconnect(); }
  void start_server() override { fake_.reconnect(); }

 private:
  FakeDatabase fake_{kMl2Schema, ml2_columns(), kUnread};
};

class RealBackend final : public Backend {
 public:
  explicit RealBackend(bool away) {
    must_run({"ovsdb-tool", "create", directory_ / "ml2.db", kMl2Schema});
    server_.add_file(directory_ / "ml2.db");
    if (!away) server_.start();
    client_ = open(true);
  }
  Database& client() override { return *client_; }
  Outcome other_client(const Transaction& transaction) override {
    const std::unique_ptr<Database> other = open(false);
    if (Status synced = wait_until_synced(*other, std::chrono::seconds(30)); !synced) return {synced, {}};
    return commit_and_wait(*other, transaction, std::chrono::seconds(30));
  }
  Ml2Rows all_rows() override {
    const std::unique_ptr<Database> other = open(false);
    const Status synced = wait_until_synced(*other, std::chrono::seconds(30));
    EXPECT_TRUE(synced) << synced.error().message;
    return synced ? read_ml2(*other->snapshot()) : Ml2Rows();
  }
  void stop_server() override { server_.stop(); }
  void start_server() override { server_.start(); }

 private:
  std::unique_ptr<Database> open(bool under_test) {
    RemoteDatabase::Options options;
    options.database = "ML2";
    options.remotes = server_.remote();
    options.columns = ml2_columns();
    if (under_test) options.unread = kUnread;
    auto opened = RemoteDatabase::open(std::move(options));
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }

  TempDir directory_;
  OvsdbServer server_{directory_};
  std::unique_ptr<Database> client_;
};

class DatabaseContract : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { begin(false); }

  void begin(bool away) {
    backend_.reset();
    if (GetParam() == "fake") {
      backend_ = std::make_unique<FakeBackend>(away);
    } else {
      backend_ = std::make_unique<RealBackend>(away);
    }
    if (!away) sync();
  }
  void sync() {
    const Status synced = wait_until_synced(db(), std::chrono::seconds(30));
    ASSERT_TRUE(synced) << synced.error().message;
  }
  Database& db() { return backend_->client(); }
  Backend& backend() { return *backend_; }
  Outcome commit(std::vector<Operation> operations) {
    return commit_and_wait(db(), {std::move(operations), "database_contract_test"}, std::chrono::seconds(30));
  }
  void must_commit(std::vector<Operation> operations) {
    const Outcome outcome = commit(std::move(operations));
    ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  }
  // By another client, and seen by ours.
  void other(std::vector<Operation> operations) {
    const std::uint64_t before = db().sequence();
    const Outcome outcome = backend().other_client({std::move(operations), ""});
    ASSERT_TRUE(outcome.status) << outcome.status.error().message;
    ASSERT_TRUE(run_until([&] { return db().sequence() > before; }));
  }
  template <class Done>
  bool run_until(Done done) {
    const long long deadline = ml2_time_msec() + 30000;
    for (;;) {
      db().run();
      if (done()) return true;
      if (ml2_time_msec() > deadline) return false;
      db().wait();
      ml2_poll_timer(deadline - ml2_time_msec());
      ml2_poll_block();
    }
  }
  Ml2Rows rows() { return read_ml2(*db().snapshot()); }
  Ml2Rows all_rows() { return backend().all_rows(); }
  RowPtr pointer(const char* table, const Uuid& uuid) { return db().snapshot()->table(table).at(uuid); }

  static Ml2Network network(const std::string& name) {
    Ml2Network row;
    row.uuid = Uuid::random();
    row.name = name;
    row.mtu = 1450;
    return row;
  }
  static Ml2Segment segment(const Ml2Network& of, std::int64_t id) {
    Ml2Segment row;
    row.uuid = Uuid::random();
    row.network = of.uuid;
    row.network_type = "vxlan";
    row.segmentation_id = id;
    return row;
  }
  static Ml2Port port(const Ml2Network& of, const std::string& mac) {
    Ml2Port row;
    row.uuid = Uuid::random();
    row.network = of.uuid;
    row.mac_address = mac;
    return row;
  }

 private:
  std::unique_ptr<Backend> backend_;
};

}  // namespace ml2::ovsdb
