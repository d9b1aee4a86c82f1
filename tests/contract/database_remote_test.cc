// RemoteDatabase and what only a real ovsdb-server has: timeouts, remotes, TLS, several databases.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <memory>

#include "datapath/base/poll_loop.h"
#include "ovsdb/blocking.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/remote_database.h"
#include "ovsdb/vswitch.h"
#include "tests/contract/database_server.h"

namespace ml2::ovsdb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kMl2Schema = ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema";
constexpr const char* kVswitchSchema = "/usr/share/openvswitch/vswitch.ovsschema";

RemoteDatabase::Options ml2_options(const std::string& remotes) {
  RemoteDatabase::Options options;
  options.database = "ML2";
  options.remotes = remotes;
  options.columns = ml2_columns();
  return options;
}

std::unique_ptr<RemoteDatabase> open(RemoteDatabase::Options options) {
  auto opened = RemoteDatabase::open(std::move(options));
  EXPECT_TRUE(opened) << opened.error().message;
  return *std::move(opened);
}

template <class Done>
bool run_until(Database& db, Done done) {
  const long long deadline = ml2_time_msec() + 30000;
  for (;;) {
    db.run();
    if (done()) return true;
    if (ml2_time_msec() > deadline) return false;
    db.wait();
    ml2_poll_timer(deadline - ml2_time_msec());
    ml2_poll_block();
  }
}

std::vector<Operation> insert_network(const std::string& name) {
  Ml2Network row;
  row.uuid = Uuid::random();
  row.name = name;
  return {insert_row(row)};
}

class RemoteDatabaseTest : public ::testing::Test {
 protected:
  void make_ml2() { must_run({"ovsdb-tool", "create", directory_ / "ml2.db", kMl2Schema}); }
  void make_vswitch() { must_run({"ovsdb-tool", "create", directory_ / "conf.db", kVswitchSchema}); }

  TempDir directory_;
  OvsdbServer server_{directory_};
};

TEST_F(RemoteDatabaseTest, WrongOptionsAreRefusedWithAReason) {
  const auto refused = [](RemoteDatabase::Options options) {
    const auto opened = RemoteDatabase::open(std::move(options));
    if (opened) return std::string("was not refused");
    EXPECT_EQ(opened.error().kind, ErrorKind::Invalid);
    return opened.error().message;
  };
  for (const char* remote : {"", "unix:", "udp:127.0.0.1:6640", "127.0.0.1:6640", "tcp:", "tcp:127.0.0.1:0",
                             "tcp:127.0.0.1:65536", "tcp:127.0.0.1:x", "tcp::6640", "tcp:[::1", "tcp:::1:6640",
                             "tcp:127.0.0.1:6640,", "unix:/a,tpc:b:1", "punix:/a", "ptcp:6640"}) {
    EXPECT_THAT(refused(ml2_options(remote)), AllOf(HasSubstr("no database remote"), HasSubstr("unix:FILE")))
        << remote;
  }
  EXPECT_THAT(refused(ml2_options("ssl:127.0.0.1:6640")), HasSubstr("no private key file is set"));
  RemoteDatabase::Options tls = ml2_options("tcp:127.0.0.1:6640,ssl:127.0.0.1:6640");
  tls.private_key = directory_ / "absent.pem";
  tls.certificate = tls.ca_certificate = tls.private_key;
  EXPECT_THAT(refused(tls), AllOf(HasSubstr("absent.pem"), HasSubstr("No such file")));

  RemoteDatabase::Options other = ml2_options("unix:/nowhere");
  other.database = "OVN_Northbound";
  EXPECT_THAT(refused(other), HasSubstr("OVN_Northbound"));
  other = ml2_options("unix:/nowhere");
  other.columns["Network"].emplace_back("colour");
  EXPECT_THAT(refused(other), HasSubstr("colour"));
  other = ml2_options("unix:/nowhere");
  other.transaction_timeout = milliseconds(0);
  EXPECT_THAT(refused(other), HasSubstr("timeout"));
}

// After an upgrade of the program and before ml2-db upgrade.
TEST_F(RemoteDatabaseTest, ADatabaseThatLacksAColumnIsWrittenAllTheSame) {
  std::ifstream in(kMl2Schema);
  std::string schema{std::istreambuf_iterator<char>(in), {}};
  const std::string column = "\"applied\": {\"type\": \"integer\"},";
  ASSERT_NE(schema.find(column), std::string::npos);
  schema.erase(schema.find(column), column.size());
  std::ofstream(directory_ / "old.ovsschema") << schema;
  must_run({"ovsdb-tool", "create", directory_ / "ml2.db", directory_ / "old.ovsschema"});
  server_.add_file(directory_ / "ml2.db");
  server_.start();
  const auto db = open(ml2_options(server_.remote()));
  ASSERT_TRUE(wait_until_synced(*db, seconds(20)));
  Ml2Host host;
  host.uuid = Uuid::random();
  host.name = "hv1";
  const Outcome made = commit_and_wait(*db, {.operations = {insert_row(host)}, .comment = ""}, seconds(20));
  ASSERT_TRUE(made.status) << made.status.error().message;
  EXPECT_EQ(read_ml2(*db->snapshot()).hosts.at(host.uuid).applied, 0);
  const Outcome set = commit_and_wait(
      *db,
      {.operations = {RowUpdate{"Host", host.uuid, {{"applied", Datum::of(Atom(std::int64_t{1}))}}}}, .comment = ""},
      seconds(20));
  ASSERT_FALSE(set.status);
  EXPECT_EQ(set.status.error().kind, ErrorKind::Invalid);
  EXPECT_THAT(set.status.error().message, AllOf(HasSubstr("applied"), HasSubstr("ml2-db upgrade")));
}

TEST_F(RemoteDatabaseTest, WhyThereIsNoConnectionIsSaid) {
  const auto db = open(ml2_options(server_.remote()));
  const Status synced = wait_until_synced(*db, milliseconds(50));
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().kind, ErrorKind::Transient);
  EXPECT_THAT(synced.error().message, AllOf(HasSubstr(server_.socket()), HasSubstr("No such file or directory")));
}

TEST_F(RemoteDatabaseTest, AServerWithoutTheDatabaseIsSaidWithWhatToDo) {
  make_vswitch();
  server_.add_file(directory_ / "conf.db");
  server_.start();
  const auto db = open(ml2_options(server_.remote()));
  ASSERT_TRUE(run_until(*db, [&] { return db->status().error.find("no database named ML2") != std::string::npos; }))
      << db->status().error;
  EXPECT_THAT(db->status().error,
              AllOf(HasSubstr("Open_vSwitch"), HasSubstr("ml2-db create"), HasSubstr("ml2-db add")));
  EXPECT_FALSE(db->commit({insert_network("n"), ""}));
  EXPECT_EQ(db->snapshot(), nullptr);

  // Added while we look on, it is found.
  make_ml2();
  must_run({"ovs-appctl", "-t", server_.control(), "ovsdb-server/add-db", directory_ / "ml2.db"});
  const Status synced = wait_until_synced(*db, seconds(30));
  ASSERT_TRUE(synced) << synced.error().message;
  EXPECT_TRUE(commit_and_wait(*db, {insert_network("n"), ""}, seconds(30)).status);

  // And taken away again, it is lost as a server is.
  must_run({"ovs-appctl", "-t", server_.control(), "ovsdb-server/remove-db", "ML2"});
  ASSERT_TRUE(run_until(*db, [&] { return !db->status().connected; }));
  EXPECT_EQ(db->snapshot()->table("Network").size(), 1U);
}

TEST_F(RemoteDatabaseTest, BothDatabasesOnOneServer) {
  make_ml2();
  make_vswitch();
  server_.add_file(directory_ / "conf.db");
  server_.add_file(directory_ / "ml2.db");
  server_.start();
  RemoteDatabase::Options options;
  options.remotes = server_.remote();
  options.columns = vswitch_columns();
  const auto vswitch = open(std::move(options));
  const auto ml2 = open(ml2_options(server_.remote()));
  ASSERT_TRUE(wait_until_synced(*vswitch, seconds(30)));
  ASSERT_TRUE(wait_until_synced(*ml2, seconds(30)));

  const Uuid root = Uuid::random();
  const Uuid bridge = Uuid::random();
  const Uuid port = Uuid::random();
  const Uuid interface = Uuid::random();
  const Outcome outcome = commit_and_wait(
      *vswitch,
      {{RowInsert{"Open_vSwitch", root, {{"bridges", Datum::uuids({bridge})}}, true},
        RowInsert{
            "Bridge",
            bridge,
            {{"name", Datum::of("br-int")}, {"ports", Datum::uuids({port})}, {"fail_mode", Datum::of("secure")}}},
        RowInsert{"Port",
                  port,
                  {{"name", Datum::of("br-int")},
                   {"interfaces", Datum::uuids({interface})},
                   {"tag", Datum::of(std::int64_t{4095})}}},
        RowInsert{"Interface", interface, {{"name", Datum::of("br-int")}, {"type", Datum::of("internal")}}}},
       "database_remote_test: br-int"},
      seconds(30));
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  const Vswitch now = read_vswitch(*vswitch->snapshot());
  EXPECT_EQ(now.root, root);
  EXPECT_EQ(now.bridges.at("br-int").fail_mode, "secure");
  EXPECT_EQ(now.ports.at("br-int").tag, 4095);
  EXPECT_EQ(now.interface_port.at("br-int"), "br-int");
  EXPECT_EQ(now.port_bridge.at("br-int"), "br-int");
  EXPECT_THAT(run_command({"ovsdb-tool", "show-log", directory_ / "conf.db"}).output,
              HasSubstr("database_remote_test: br-int"));
  EXPECT_TRUE(commit_and_wait(*ml2, {insert_network("n"), ""}, seconds(30)).status);
}

TEST_F(RemoteDatabaseTest, ATransactionThatIsNotAnsweredIsGivenUp) {
  make_ml2();
  server_.add_file(directory_ / "ml2.db");
  server_.start();
  RemoteDatabase::Options options = ml2_options(server_.remote());
  options.transaction_timeout = milliseconds(100);
  const auto db = open(std::move(options));
  ASSERT_TRUE(wait_until_synced(*db, seconds(30)));

  server_.pause();
  const Outcome outcome = commit_and_wait(*db, {insert_network("late"), ""}, seconds(30));
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Transient);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("within 100 ms"));
  EXPECT_FALSE(db->busy());
  EXPECT_EQ(db->status().failures, 1U);

  // The server had it in its socket after all: the next snapshots show what became of it.
  server_.resume();
  ASSERT_TRUE(run_until(*db, [&] { return db->snapshot()->table("Network").size() == 1; }));
  EXPECT_FALSE(db->take_outcome()) << "the late answer is nobody's";
  EXPECT_TRUE(commit_and_wait(*db, {insert_network("next"), ""}, seconds(30)).status);
}

TEST_F(RemoteDatabaseTest, ALostConnectionEndsWhatIsInFlight) {
  make_ml2();
  server_.add_file(directory_ / "ml2.db");
  server_.start();
  const auto db = open(ml2_options(server_.remote()));
  ASSERT_TRUE(wait_until_synced(*db, seconds(30)));
  server_.pause();
  ASSERT_TRUE(db->commit({insert_network("n"), ""}));
  server_.kill();
  std::optional<Outcome> outcome;
  ASSERT_TRUE(run_until(*db, [&] { return (outcome = db->take_outcome()).has_value(); }));
  ASSERT_FALSE(outcome->status);
  EXPECT_EQ(outcome->status.error().kind, ErrorKind::Transient);
  EXPECT_THAT(outcome->status.error().message, HasSubstr("was lost"));
  server_.start();
  ASSERT_TRUE(wait_until_synced(*db, seconds(30)));
  EXPECT_EQ(db->status().reconnects, 1U);
}

TEST_F(RemoteDatabaseTest, AfterARestartUnchangedRowsKeepTheirPointersAndGoneOnesGo) {
  make_ml2();
  server_.add_file(directory_ / "ml2.db");
  server_.start();
  const auto db = open(ml2_options(server_.remote()));
  ASSERT_TRUE(wait_until_synced(*db, seconds(30)));
  std::vector<Operation> two = insert_network("stays");
  const Uuid stays = std::get<RowInsert>(two[0]).uuid;
  two.push_back(insert_network("goes")[0]);
  const Uuid goes = std::get<RowInsert>(two[1]).uuid;
  ASSERT_TRUE(commit_and_wait(*db, {two, ""}, seconds(30)).status);
  const RowPtr before = db->snapshot()->table("Network").at(stays);
  const std::uint64_t sequence = db->sequence();

  server_.stop();
  must_run({"ovsdb-tool", "transact", directory_ / "ml2.db",
            R"(["ML2",{"op":"delete","table":"Network","where":[["name","==","goes"]]}])"});
  ASSERT_TRUE(run_until(*db, [&] { return !db->status().connected; }));
  EXPECT_TRUE(db->snapshot()->table("Network").contains(goes)) << "the last state, until all is read again";
  server_.start();
  ASSERT_TRUE(wait_until_synced(*db, seconds(30)));
  EXPECT_FALSE(db->snapshot()->table("Network").contains(goes));
  EXPECT_EQ(db->snapshot()->table("Network").at(stays), before);
  EXPECT_GT(db->sequence(), sequence);
}

TEST_F(RemoteDatabaseTest, OnlyMonitoredColumnsAreReadAndWritten) {
  make_ml2();
  server_.add_file(directory_ / "ml2.db");
  server_.start();
  const auto all = open(ml2_options(server_.remote()));
  ASSERT_TRUE(wait_until_synced(*all, seconds(30)));
  const std::vector<Operation> insert = insert_network("n");
  const Uuid uuid = std::get<RowInsert>(insert[0]).uuid;
  ASSERT_TRUE(commit_and_wait(*all, {insert, ""}, seconds(30)).status);

  RemoteDatabase::Options options = ml2_options(server_.remote());
  options.columns = {{"Network", {"mtu"}}};
  const auto some = open(std::move(options));
  ASSERT_TRUE(wait_until_synced(*some, seconds(30)));
  EXPECT_EQ(some->snapshot()->tables.size(), 1U);
  EXPECT_TRUE(some->snapshot()->row("Network", uuid)->column("name").empty());
  EXPECT_EQ(some->snapshot()->row("Network", uuid)->column("mtu").integer(), 0);
  const Status sent = some->commit({{RowUpdate{"Network", uuid, {{"name", Datum::of("m")}}}}, ""});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::Invalid);
  // A change of what is not monitored is none.
  const std::uint64_t sequence = some->sequence();
  ASSERT_TRUE(
      commit_and_wait(*all, {{RowUpdate{"Network", uuid, {{"name", Datum::of("m")}}}}, ""}, seconds(30)).status);
  ASSERT_TRUE(
      commit_and_wait(*some, {{RowUpdate{"Network", uuid, {{"mtu", Datum::of(std::int64_t{9})}}}}, ""}, seconds(30))
          .status);
  EXPECT_EQ(some->sequence(), sequence + 1);
}

TEST_F(RemoteDatabaseTest, OfSeveralRemotesTheOneThatAnswersIsUsed) {
  make_ml2();
  const int dead = free_port();
  const int alive = free_port();
  server_.add_file(directory_ / "ml2.db");
  server_.add_argument("--remote=ptcp:" + std::to_string(alive) + ":127.0.0.1");
  server_.start();
  const auto db =
      open(ml2_options("tcp:127.0.0.1:" + std::to_string(dead) + ", tcp:127.0.0.1:" + std::to_string(alive)));
  const Status synced = wait_until_synced(*db, seconds(30));
  ASSERT_TRUE(synced) << synced.error().message;
  EXPECT_TRUE(commit_and_wait(*db, {insert_network("n"), ""}, seconds(30)).status);
}

TEST_F(RemoteDatabaseTest, FiveThousandPorts) {
  make_vswitch();
  server_.add_file(directory_ / "conf.db");
  server_.start();
  RemoteDatabase::Options options;
  options.remotes = server_.remote();
  options.columns = vswitch_columns();
  const auto writer = open(options);
  const auto reader = open(options);
  ASSERT_TRUE(wait_until_synced(*writer, seconds(30)));
  ASSERT_TRUE(wait_until_synced(*reader, seconds(30)));
  const Uuid root = Uuid::random();
  const Uuid bridge = Uuid::random();
  Transaction transaction;
  std::set<Uuid> ports;
  const auto add_port = [&](const std::string& name) {
    const Uuid port = Uuid::random();
    const Uuid interface = Uuid::random();
    transaction.operations.push_back(
        RowInsert{"Interface",
                  interface,
                  {{"name", Datum::of(name)}, {"external_ids", Datum::map({{"iface-id", name}})}},
                  true});
    transaction.operations.push_back(
        RowInsert{"Port", port, {{"name", Datum::of(name)}, {"interfaces", Datum::uuids({interface})}}, true});
    return port;
  };
  for (int i = 0; i < 5000; ++i) ports.insert(add_port("tap" + std::to_string(i)));
  transaction.operations.push_back(
      RowInsert{"Bridge", bridge, {{"name", Datum::of("br-int")}, {"ports", Datum::uuids(ports)}}, true});
  transaction.operations.push_back(RowInsert{"Open_vSwitch", root, {{"bridges", Datum::uuids({bridge})}}, true});
  const Outcome outcome = commit_and_wait(*writer, transaction, seconds(30));
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(outcome.inserted.size(), 10002U);
  ASSERT_TRUE(run_until(*reader, [&] { return reader->snapshot()->table("Port").size() == 5000; }));
  EXPECT_EQ(read_vswitch(*reader->snapshot()).port_bridge.size(), 5000U);

  // One more port: by mutation; of all rows only the bridge is new.
  const Table before = reader->snapshot()->table("Port");
  transaction.operations.clear();
  const Uuid more = add_port("more");
  transaction.operations.push_back(RowMutate{"Bridge", bridge, "ports", Datum::uuids({more}), {}});
  ASSERT_TRUE(commit_and_wait(*writer, transaction, seconds(30)).status);
  ASSERT_TRUE(run_until(*reader, [&] { return reader->snapshot()->table("Port").contains(more); }));
  std::size_t kept = 0;
  for (const auto& [uuid, row] : before) kept += reader->snapshot()->table("Port").at(uuid) == row ? 1U : 0U;
  EXPECT_EQ(kept, 5000U);
  EXPECT_EQ(reader->snapshot()->row("Bridge", bridge)->column("ports").size(), 5001U);
}

// TLS is last: libopenvswitch keeps the files for the process.
class RemoteDatabaseTlsTest : public RemoteDatabaseTest {
 protected:
  // A CA, and a certificate that it signed, as ovs-pki would lay them out.
  void make_ca(const std::string& name) {
    must_run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
              "-keyout", directory_ / (name + "-key.pem"), "-out", directory_ / (name + "-cert.pem")});
  }
  void make_certificate(const std::string& name, const std::string& ca) {
    must_run({"openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout",
              directory_ / (name + "-key.pem"), "-out", directory_ / (name + "-req.pem")});
    must_run({"openssl", "x509", "-req", "-days", "2", "-in", directory_ / (name + "-req.pem"), "-CA",
              directory_ / (ca + "-cert.pem"), "-CAkey", directory_ / (ca + "-key.pem"), "-CAcreateserial", "-out",
              directory_ / (name + "-cert.pem")});
  }
  void serve_tls(OvsdbServer& server, const std::string& certificate, int port) {
    server.add_file(directory_ / "ml2.db");
    server.add_argument("--remote=pssl:" + std::to_string(port) + ":127.0.0.1");
    server.add_argument("--private-key=" + directory_.path() + "/" + certificate + "-key.pem");
    server.add_argument("--certificate=" + directory_.path() + "/" + certificate + "-cert.pem");
    server.add_argument("--ca-cert=" + directory_.path() + "/ca-cert.pem");
    server.start();
  }
};

TEST_F(RemoteDatabaseTlsTest, BothSidesAreVerified) {
  make_ml2();
  make_ca("ca");
  make_ca("stranger");
  make_certificate("client", "ca");
  make_certificate("server", "ca");
  make_certificate("impostor", "stranger");
  RemoteDatabase::Options options;
  const int port = free_port();
  options = ml2_options("ssl:127.0.0.1:" + std::to_string(port));
  options.private_key = directory_ / "client-key.pem";
  options.certificate = directory_ / "client-cert.pem";
  options.ca_certificate = directory_ / "ca-cert.pem";
  const auto db = open(options);
  {
    // A server with another CA's certificate is not spoken to.
    OvsdbServer impostor(directory_, "impostor");
    serve_tls(impostor, "impostor", port);
    ASSERT_TRUE(run_until(*db, [&] { return db->status().error.find("TLS") != std::string::npos; }));
    const Status synced = wait_until_synced(*db, milliseconds(1500));
    ASSERT_FALSE(synced) << "followed a server with a certificate of a strange CA";
    EXPECT_EQ(db->snapshot(), nullptr);
  }
  serve_tls(server_, "server", port);
  const Status synced = wait_until_synced(*db, seconds(30));
  ASSERT_TRUE(synced) << synced.error().message;
  EXPECT_TRUE(commit_and_wait(*db, {insert_network("n"), ""}, seconds(30)).status);

  // Another database of the same process cannot have other files unnoticed.
  options.ca_certificate = directory_ / "stranger-cert.pem";
  const auto other = RemoteDatabase::open(options);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("other TLS files"));
}

}  // namespace
}  // namespace ml2::ovsdb
