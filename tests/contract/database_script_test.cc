// scripts/ml2-db: what it says, what it leaves, and its exit status.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/contract/database_server.h"

namespace ml2::ovsdb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kSchema = ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema";

class Ml2Db : public ::testing::Test {
 protected:
  // Runs the script; its exit status must be `status`.
  std::string run(int status, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ML2_SOURCE_DIR "/scripts/ml2-db");
    const CommandResult result = run_command(arguments);
    EXPECT_EQ(result.status, status) << result.output;
    return result.output;
  }
  void start_server() {
    must_run({"ovsdb-tool", "create", directory_ / "conf.db", "/usr/share/openvswitch/vswitch.ovsschema"});
    server_.add_file(directory_ / "conf.db");
    server_.start();
  }
  // The schema as it was before, or will be.
  std::string schema_of_version(const std::string& version, const std::string& without_column) {
    std::ifstream in(kSchema);
    auto schema = nlohmann::json::parse(in);
    schema["version"] = version;
    schema["tables"]["Host"]["columns"].erase(without_column);
    const std::string file = directory_ / ("schema-" + version);
    std::ofstream(file) << schema;
    return file;
  }
  static std::string contents(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TempDir directory_;
  OvsdbServer server_{directory_};
  const std::string file_ = directory_ / "ml2.db";
};

TEST_F(Ml2Db, WrongUsageIsTwo) {
  EXPECT_THAT(run(2, {}), HasSubstr("--help"));
  EXPECT_THAT(run(2, {"destroy"}), HasSubstr("destroy"));
  EXPECT_THAT(run(2, {"create", "--force"}), HasSubstr("--force"));
  EXPECT_THAT(run(2, {"create", "a", "b"}), HasSubstr("too many"));
  EXPECT_THAT(run(2, {"create-cluster", file_, "192.0.2.1"}), HasSubstr("tcp:IP:PORT"));
  EXPECT_THAT(run(2, {"join-cluster", file_, "tcp:127.0.0.1:1"}), HasSubstr("missing"));
  EXPECT_THAT(run(0, {"--help"}), AllOf(HasSubstr("add "), HasSubstr("--extra-dbs")));
}

TEST_F(Ml2Db, CreateDoesNotOverwrite) {
  run(0, {"create", file_});
  const std::string before = contents(file_);
  EXPECT_THAT(run(1, {"create", file_}), HasSubstr("already there"));
  EXPECT_EQ(contents(file_), before);
  EXPECT_THAT(run(1, {"create", directory_ / "nowhere/ml2.db"}), HasSubstr("no directory"));
  EXPECT_THAT(run(1, {"create", "--schema", "/nowhere", directory_ / "b.db"}), HasSubstr("/nowhere"));
}

TEST_F(Ml2Db, AddServesItOnceAndSaysSo) {
  start_server();
  EXPECT_THAT(run(1, {"add", "--ctl", server_.control(), file_}), HasSubstr("ml2-db create"));
  EXPECT_THAT(run(1, {"add", "--ctl", server_.control(), directory_ / "conf.db"}), HasSubstr("Open_vSwitch"));
  EXPECT_THAT(run(1, {"status", "--db", server_.remote()}), HasSubstr("no database ML2"));
  run(0, {"create", file_});
  EXPECT_THAT(run(1, {"add", "--ctl", directory_ / "nobody", file_}), HasSubstr("is ovsdb-server running"));
  run(0, {"add", "--ctl", server_.control(), file_});
  EXPECT_THAT(run(0, {"add", "--ctl", server_.control(), file_}), HasSubstr("already there"));
  EXPECT_THAT(run(0, {"status", "--db", server_.remote()}), HasSubstr("schema version 1."));
  EXPECT_THAT(run(1, {"status", "--db", "unix:" + (directory_ / "nobody")}), HasSubstr("does not answer"));
}

TEST_F(Ml2Db, UpgradeConvertsWhatIsServed) {
  const std::string old = schema_of_version("0.9.0", "problems");
  run(0, {"create", "--schema", old, file_});
  start_server();
  run(0, {"add", "--ctl", server_.control(), file_});
  EXPECT_THAT(run(1, {"status", "--db", server_.remote()}), HasSubstr("ml2-db upgrade"));
  EXPECT_THAT(run(0, {"upgrade", "--db", server_.remote()}), HasSubstr("was 0.9.0"));
  run(0, {"status", "--db", server_.remote()});
  EXPECT_THAT(run(0, {"upgrade", "--db", server_.remote()}), HasSubstr("already"));
  EXPECT_THAT(run(1, {"upgrade", "--db", server_.remote(), "--schema", old}), HasSubstr("newer"));
}

TEST_F(Ml2Db, UpgradeOfAFile) {
  run(0, {"create", "--schema", schema_of_version("0.9.0", "problems"), file_});
  EXPECT_THAT(run(0, {"upgrade", "--offline", file_}), HasSubstr("now of schema version"));
  EXPECT_THAT(run(0, {"upgrade", "--offline", file_}), HasSubstr("already"));
  EXPECT_THAT(run(1, {"upgrade", "--offline", directory_ / "absent.db"}), HasSubstr("absent.db"));
}

TEST_F(Ml2Db, RememberKeepsTheOtherOptions) {
  run(0, {"create", file_});
  const std::string defaults = directory_ / "openvswitch-switch";
  EXPECT_THAT(run(1, {"remember", "--defaults", defaults, file_}), HasSubstr("--extra-dbs=" + file_));
  std::ofstream(defaults) << "# comment\nOVS_CTL_OPTS='--no-mlockall'\nOTHER=1\n";
  run(0, {"remember", "--defaults", defaults, file_});
  EXPECT_EQ(contents(defaults), "# comment\nOTHER=1\nOVS_CTL_OPTS=\"--no-mlockall --extra-dbs=" + file_ + "\"\n");
  EXPECT_THAT(run(0, {"remember", "--defaults", defaults, file_}), HasSubstr("already remembered"));
  run(0, {"create", directory_ / "second.db"});
  EXPECT_THAT(run(1, {"remember", "--defaults", defaults, directory_ / "second.db"}),
              HasSubstr("another --extra-dbs"));
}

TEST_F(Ml2Db, AClusterOfTwo) {
  const std::string first = "tcp:127.0.0.1:" + std::to_string(free_port());
  const std::string second = "tcp:127.0.0.1:" + std::to_string(free_port());
  run(0, {"create-cluster", file_, first});
  run(0, {"join-cluster", directory_ / "two.db", second, first});
  OvsdbServer one(directory_, "one");
  OvsdbServer two(directory_, "two");
  for (OvsdbServer* server : {&one, &two}) {
    const std::string conf = directory_ / (server == &one ? "conf1.db" : "conf2.db");
    must_run({"ovsdb-tool", "create", conf, "/usr/share/openvswitch/vswitch.ovsschema"});
    server->add_file(conf);
    server->start();
  }
  run(0, {"add", "--ctl", one.control(), file_});
  run(0, {"add", "--ctl", two.control(), directory_ / "two.db"});
  must_run({"ovsdb-client", "--timeout=30", "wait", two.remote(), "ML2", "connected"});
  EXPECT_THAT(run(0, {"status", "--db", two.remote(), "--ctl", two.control()}),
              AllOf(HasSubstr("cluster member"), HasSubstr(first), HasSubstr(second)));
}

}  // namespace
}  // namespace ml2::ovsdb
