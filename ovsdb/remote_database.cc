#include "ovsdb/remote_database.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"
#include "ovsdb/cs_shim.h"
#include "ovsdb/remotes.h"
#include "ovsdb/replica.h"
#include "ovsdb/request.h"
#include "ovsdb/server_probe.h"

namespace ml2::ovsdb {
namespace {

constexpr const char* kLog = "ovsdb";
// How long a connection may take before the server is asked what it serves; more than the first back-off.
constexpr long long kPatience = 1500;  // ms

Status check_tls(const RemoteDatabase::Options& options) {
  const std::pair<const char*, const std::string&> files[] = {{"private key", options.private_key},
                                                              {"certificate", options.certificate},
                                                              {"CA certificate", options.ca_certificate}};
  for (const auto& [what, file] : files) {
    if (file.empty()) {
      return invalid(
          fmt::format("remote {} needs a private key, a certificate and a CA certificate: no {} file is set",
                      options.remotes, what));
    }
    if (access(file.c_str(), R_OK) != 0) {
      return invalid(fmt::format("the {} file {} of remote {} cannot be read: {}", what, file, options.remotes,
                                 std::strerror(errno)));
    }
  }
  if (!ml2_cs_use_tls(options.private_key.c_str(), options.certificate.c_str(), options.ca_certificate.c_str())) {
    return invalid(
        fmt::format("remote {} is given other TLS files than another database: one process has one set of them",
                    options.remotes));
  }
  return {};
}

}  // namespace

class RemoteDatabase::Impl {
 public:
  Impl(Options options, Remotes remotes, std::unique_ptr<Replica> replica)
      : options_(std::move(options)), remotes_(std::move(remotes)), replica_(std::move(replica)) {
    const auto probe = remotes_.any_network ? options_.probe_interval.count() : 0;
    ml2_cs_connect(replica_->connection(), remotes_.joined().c_str(), options_.leader_only, static_cast<int>(probe));
    waiting_since_ = ml2_time_msec();
  }

  void run() {
    const bool was_following = replica_->following();
    replica_->run();
    if (replica_->following() != was_following) {
      was_following ? lost() : found();
    }
    if (!replica_->following()) look_at_server();
    const bool connection_lost = replica_->take_lost();
    auto answer = replica_->take_answer();
    if (early_) {
      finish(*std::exchange(early_, std::nullopt));
    } else if (request_) {
      poll_transaction(std::move(answer), connection_lost);
    }
  }

  void wait() {
    ml2_cs_wait(replica_->connection());
    if (probe_) probe_->wait();
    if (!replica_->following() && !probe_) ml2_poll_timer(waiting_since_ + kPatience - ml2_time_msec());
    if (request_) ml2_poll_timer(deadline_ - ml2_time_msec());
    if (early_) ml2_poll_immediate();
  }

  [[nodiscard]] const Replica& replica() const { return *replica_; }
  [[nodiscard]] bool busy() const { return request_ || early_; }

  Status commit(const Transaction& transaction) {
    if (busy()) return transient(fmt::format("a transaction on database {} is in flight", options_.database));
    if (!replica_->following()) {
      return transient(fmt::format("database {} is not connected: {}", options_.database, why_not()));
    }
    Result<Request> request = make_request(options_.database, replica_->layout(), *replica_->snapshot(), transaction);
    if (!request) return forward_error(request);
    outcome_.reset();
    if (request->refused) {
      ++commits_;
      early_ = Outcome{tl::unexpected<Error>(*request->refused), {}};
      return {};
    }
    if (request->json.empty()) {
      ++commits_;
      early_ = Outcome{};
      return {};
    }
    if (!ml2_cs_send(replica_->connection(), request->json.c_str())) {
      return transient(fmt::format("nothing could be sent to database {}: {}", options_.database, why_not()));
    }
    ++commits_;
    request_ = *std::move(request);
    request_->json.clear();  // of no use any more, and may be long
    deadline_ = ml2_time_msec() + options_.transaction_timeout.count();
    return {};
  }

  [[nodiscard]] std::optional<Outcome> take_outcome() { return std::exchange(outcome_, std::nullopt); }

  [[nodiscard]] DatabaseStatus status() const {
    DatabaseStatus status;
    status.connected = replica_->following();
    status.remote = remotes_.joined();
    if (!status.connected) status.error = why_not();
    status.old_schema = old_schema_;
    status.reconnects = reconnects_;
    status.commits = commits_;
    status.failures = failures_;
    return status;
  }

 private:
  void found() {
    log::info(kLog, "{}: following database {}", remotes_.joined(), options_.database);
    if (ever_followed_) ++reconnects_;
    ever_followed_ = true;
    probe_.reset();
    old_schema_ = false;
    for (const TableLayout& table : replica_->layout().tables) {
      for (std::size_t i = 0; i < table.types.size(); ++i) {
        if (table.types[i].on_server) continue;
        old_schema_ = true;
        log::warn(kLog, "database {} of the server is older than this program: it has no column {} in table {}{}",
                  options_.database, (*table.columns)[i], table.name,
                  options_.database == "ML2" ? "; run ml2-db upgrade" : "");
      }
    }
  }

  void lost() {
    log::warn(kLog, "{}: lost database {}; connecting again", remotes_.joined(), options_.database);
    waiting_since_ = ml2_time_msec();
  }

  void look_at_server() {
    if (probe_) {
      probe_->run();
    } else if (ml2_time_msec() >= waiting_since_ + kPatience) {
      probe_ = std::make_unique<ServerProbe>(options_.database, remotes_.joined());
    }
  }

  [[nodiscard]] std::string why_not() const {
    if (probe_) {
      if (std::string finding = probe_->finding(); !finding.empty()) return finding;
    }
    const char* error = ml2_cs_last_error(replica_->connection());
    if (error == nullptr) return fmt::format("connecting to {}", remotes_.joined());
    return fmt::format("no connection to {} ({}{})", remotes_.joined(), error,
                       remotes_.any_tls ? "; of a TLS handshake that fails, libopenvswitch's log says more" : "");
  }

  void poll_transaction(std::optional<Replica::Answer> answer, bool connection_lost) {
    if (answer) {
      finish(read_answer(options_.database, *request_, answer->refused, answer->json));
    } else if (connection_lost) {
      finish(
          {transient(fmt::format("the connection to database {} was lost while a transaction was in flight; it may "
                                 "have been carried out",
                                 options_.database)),
           {}});
    } else if (ml2_time_msec() >= deadline_) {
      ml2_cs_forget(replica_->connection());
      finish({transient(fmt::format("database {} did not answer a transaction within {} ms; it may still be carried "
                                    "out",
                                    options_.database, options_.transaction_timeout.count())),
              {}});
    }
  }

  void finish(Outcome outcome) {
    request_.reset();
    if (!outcome.status) ++failures_;
    outcome_ = std::move(outcome);
  }

  Options options_;
  Remotes remotes_;
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<ServerProbe> probe_;
  long long waiting_since_ = 0;  // ms of the loop's clock: when the connection was lost, or first tried
  bool ever_followed_ = false;
  bool old_schema_ = false;

  std::optional<Request> request_;  // in flight
  long long deadline_ = 0;
  std::optional<Outcome> early_;  // known without the server, handed out by the next run() like any other
  std::optional<Outcome> outcome_;

  std::uint64_t reconnects_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t failures_ = 0;
};

Result<std::unique_ptr<RemoteDatabase>> RemoteDatabase::open(Options options) {
  Result<Remotes> remotes = parse_remotes(options.remotes);
  if (!remotes) return forward_error(remotes);
  if (options.transaction_timeout.count() <= 0) {
    return invalid(
        fmt::format("a transaction timeout of {} ms: expected a positive one", options.transaction_timeout.count()));
  }
  if (remotes->any_tls) {
    if (Status status = check_tls(options); !status) return forward_error(status);
  }
  Result<std::unique_ptr<Replica>> replica = Replica::open(options.database, options.columns, options.unread);
  if (!replica) return forward_error(replica);
  return std::unique_ptr<RemoteDatabase>(
      new RemoteDatabase(std::make_unique<Impl>(std::move(options), *std::move(remotes), *std::move(replica))));
}

RemoteDatabase::RemoteDatabase(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RemoteDatabase::~RemoteDatabase() = default;

void RemoteDatabase::run() { impl_->run(); }
void RemoteDatabase::wait() { impl_->wait(); }
const Snapshot* RemoteDatabase::snapshot() const { return impl_->replica().snapshot(); }
std::uint64_t RemoteDatabase::sequence() const { return impl_->replica().sequence(); }
std::optional<RowChanges> RemoteDatabase::changes_since(std::uint64_t sequence) const {
  return impl_->replica().changes_since(sequence);
}
Status RemoteDatabase::commit(const Transaction& transaction) { return impl_->commit(transaction); }
bool RemoteDatabase::busy() const { return impl_->busy(); }
std::optional<Outcome> RemoteDatabase::take_outcome() { return impl_->take_outcome(); }
DatabaseStatus RemoteDatabase::status() const { return impl_->status(); }

}  // namespace ml2::ovsdb
