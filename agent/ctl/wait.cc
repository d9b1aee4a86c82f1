#include "agent/ctl/wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "agent/ml2/committer.h"
#include "agent/ml2/concerned.h"
#include "agent/ml2/lookup.h"
#include "agent/ml2/mechanism_driver.h"
#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"

namespace ml2::ctl {
namespace {

std::string describe(const plugin::Plugin& plugin, const ovsdb::Ml2Rows& rows, const std::string& name) {
  const ovsdb::Ml2Host* host = ovsdb::host_named(rows, name);
  if (host == nullptr) return fmt::format("{} (no agent has ever reported from there)", name);
  const Status alive = plugin::check_alive(*host, plugin.options().agent_down_time, plugin.now());
  std::string text = alive ? plugin::heartbeat_age(*host, plugin.now()) : alive.error().message;
  if (!host->problems.empty()) text += "; problem: " + *host->problems.begin();
  return fmt::format("{} ({})", name, text);
}

// Asks all agents to say when what stands in the database now is carried out: the number that Host.applied reaches.
Result<std::int64_t> next_sequence(ovsdb::Database& database, std::chrono::milliseconds timeout) {
  std::int64_t next = 0;
  plugin::Committer committer(database, timeout);
  const Status status = committer.commit([&](const ovsdb::Ml2Rows& rows, unsigned) -> Result<ovsdb::Transaction> {
    ovsdb::Transaction transaction;
    transaction.comment = "ml2ctl: wait for the agents";
    if (rows.globals.empty()) {
      next = 1;
      transaction.operations.emplace_back(
          ovsdb::insert_row(ovsdb::Ml2Global{.uuid = Uuid::random(), .sequence = next}));
      return transaction;
    }
    const ovsdb::Ml2Global& global = rows.globals.begin()->second;
    const char* table = ovsdb::table_of<ovsdb::Ml2Global>();
    next = global.sequence + 1;
    transaction.operations.emplace_back(ovsdb::RowVerify{table, global.uuid, "sequence"});
    transaction.operations.emplace_back(
        ovsdb::RowUpdate{table, global.uuid, {{"sequence", ovsdb::Datum::of(ovsdb::Atom(next))}}});
    return transaction;
  });
  if (!status) return forward_error(status);
  return next;
}

}  // namespace

Status wait_until_applied(Session& session, const ovsdb::Ml2Rows& before) {
  const auto plugin = session.plugin();
  if (!plugin) return forward_error(plugin);
  auto rows = (*plugin)->rows();
  if (!rows) return forward_error(rows);
  std::set<std::string> waited;
  if (session.options().wait == "host") {
    waited = plugin::hosts_concerned(before, *rows);
  } else {
    std::set<std::string> skipped;
    for (const auto& [id, host] : rows->hosts) {
      const Status alive = plugin::check_alive(host, (*plugin)->options().agent_down_time, (*plugin)->now());
      (alive ? waited : skipped).insert(host.name);
    }
    std::string names;
    for (const std::string& name : skipped) names += (names.empty() ? "" : ", ") + describe(**plugin, *rows, name);
    if (!names.empty()) log::warn("ml2ctl", "not waited for {} {}", skipped.size() == 1 ? "host" : "hosts", names);
  }
  if (waited.empty()) return {};
  const auto database = session.database();
  if (!database) return forward_error(database);
  const auto sequence = next_sequence(**database, session.timeout());
  if (!sequence) return forward_error(sequence);
  const auto deadline = session.clock().now() + session.timeout();
  bool only_dead = false;
  while (true) {
    (*database)->run();
    const ovsdb::Ml2Rows now = ovsdb::read_ml2(*(*database)->snapshot());
    std::erase_if(waited, [&](const std::string& name) {
      const ovsdb::Ml2Host* host = ovsdb::host_named(now, name);
      return host != nullptr && host->applied >= *sequence;
    });
    if (waited.empty()) return {};
    only_dead = std::none_of(waited.begin(), waited.end(), [&](const std::string& name) {
      const ovsdb::Ml2Host* host = ovsdb::host_named(now, name);
      return host != nullptr && plugin::check_alive(*host, (*plugin)->options().agent_down_time, (*plugin)->now());
    });
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - session.clock().now());
    if (only_dead || left.count() <= 0) {
      std::string names;
      for (const std::string& name : waited) names += (names.empty() ? "" : ", ") + describe(**plugin, now, name);
      return transient(fmt::format("the change is made, but {} {} {}",
                                   only_dead ? std::string("nobody carries it out on")
                                             : fmt::format("not confirmed within {} s by", session.options().timeout),
                                   waited.size() == 1 ? "host" : "hosts", names));
    }
    (*database)->wait();
    ml2_poll_timer(left.count() + 1);
    ml2_poll_block();
  }
}

}  // namespace ml2::ctl
