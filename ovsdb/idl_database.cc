#include "ovsdb/idl_database.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"
#include "ovsdb/idl_remotes.h"
#include "ovsdb/idl_replica.h"
#include "ovsdb/idl_server_error.h"
#include "ovsdb/idl_server_probe.h"
#include "ovsdb/idl_transaction.h"

namespace ml2::ovsdb {
namespace {

constexpr const char* kLog = "ovsdb";
// How long a connection may take before the server is asked what it serves; more than the first back-off.
constexpr long long kPatience = 1500;  // ms

Status check_tls(const IdlDatabase::Options& options) {
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
  if (!ml2_idl_use_tls(options.private_key.c_str(), options.certificate.c_str(), options.ca_certificate.c_str())) {
    return invalid(
        fmt::format("remote {} is given other TLS files than another database: one process has one set of them",
                    options.remotes));
  }
  return {};
}

}  // namespace

class IdlDatabase::Impl {
 public:
  Impl(Options options, Remotes remotes, IdlReplica replica)
      : options_(std::move(options)), remotes_(std::move(remotes)), replica_(std::move(replica)) {
    const auto probe = remotes_.any_network ? options_.probe_interval.count() : 0;
    ml2_idl_connect(replica_.idl(), remotes_.joined().c_str(), options_.leader_only, static_cast<int>(probe));
    waiting_since_ = ml2_time_msec();
  }

  void run() {
    const bool was_following = replica_.following();
    replica_.run();
    if (replica_.following() != was_following) {
      was_following ? lost() : found();
    }
    if (!replica_.following()) {
      txn_lost_ = true;
      look_at_server();
    }
    if (early_) {
      finish(*std::exchange(early_, std::nullopt));
    } else if (txn_) {
      poll_transaction();
    }
  }

  void wait() {
    ml2_idl_wait(replica_.idl());
    if (probe_) probe_->wait();
    if (!replica_.following() && !probe_) ml2_poll_timer(waiting_since_ + kPatience - ml2_time_msec());
    if (txn_) ml2_poll_timer(txn_deadline_ - ml2_time_msec());
    if (early_) ml2_poll_immediate();
  }

  [[nodiscard]] const IdlReplica& replica() const { return replica_; }
  [[nodiscard]] bool busy() const { return txn_ || early_; }

  Status commit(const Transaction& transaction) {
    if (busy()) return transient(fmt::format("a transaction on database {} is in flight", options_.database));
    if (!replica_.following()) {
      return transient(fmt::format("database {} is not connected: {}", options_.database, why_not()));
    }
    Result<IdlTxn> txn = build_transaction(replica_.idl(), replica_.columns(), transaction);
    if (!txn && txn.error().kind != ErrorKind::Conflict) return forward_error(txn);
    outcome_.reset();
    ++commits_;
    if (!txn) {
      early_ = Outcome{forward_error(txn), {}};
      return {};
    }
    const ml2_txn_state state = ml2_idl_txn_commit(txn->get());
    if (state == ML2_TXN_UNCHANGED) {
      early_ = Outcome{};
      return {};
    }
    if (state != ML2_TXN_INCOMPLETE) {
      --commits_;
      return transient(fmt::format("nothing could be sent to database {}: {}", options_.database, why_not()));
    }
    txn_ = *std::move(txn);
    txn_lost_ = false;
    txn_deadline_ = ml2_time_msec() + options_.transaction_timeout.count();
    inserts_.clear();
    for (const Operation& operation : transaction.operations) {
      if (const auto* insert = std::get_if<RowInsert>(&operation)) inserts_.push_back(insert->uuid);
    }
    return {};
  }

  [[nodiscard]] std::optional<Outcome> take_outcome() { return std::exchange(outcome_, std::nullopt); }

  [[nodiscard]] DatabaseStatus status() const {
    DatabaseStatus status;
    status.connected = replica_.following();
    status.remote = remotes_.joined();
    if (!status.connected) status.error = why_not();
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
    const auto& tables = replica_.columns().tables();
    for (std::size_t i = 0; i < tables.size(); ++i) {
      for (std::size_t j = 0; j < tables[i].columns.size(); ++j) {
        if (ml2_idl_server_has(replica_.idl(), i, j)) continue;
        log::warn(kLog, "database {} of the server is older than this program: it has no column {} in table {}{}",
                  options_.database, tables[i].columns[j], tables[i].name,
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
      probe_ = std::make_unique<IdlServerProbe>(options_.database, remotes_.joined());
    }
  }

  [[nodiscard]] std::string why_not() const {
    if (probe_) {
      if (std::string finding = probe_->finding(); !finding.empty()) return finding;
    }
    const char* error = ml2_idl_last_error(replica_.idl());
    if (error == nullptr) return fmt::format("connecting to {}", remotes_.joined());
    return fmt::format("no connection to {} ({}{})", remotes_.joined(), error,
                       remotes_.any_tls ? "; of a TLS handshake that fails, libopenvswitch's log says more" : "");
  }

  void poll_transaction() {
    const ml2_txn_state state = ml2_idl_txn_commit(txn_.get());
    if (state == ML2_TXN_INCOMPLETE) {
      if (ml2_time_msec() < txn_deadline_) return;
      finish({transient(fmt::format("database {} did not answer a transaction within {} ms; it may still be carried "
                                    "out",
                                    options_.database, options_.transaction_timeout.count())),
              {}});
      return;
    }
    if (state == ML2_TXN_SUCCESS || state == ML2_TXN_UNCHANGED) {
      Outcome outcome;
      for (const Uuid& name : inserts_) {
        std::array<std::uint8_t, 16> real{};
        if (ml2_idl_txn_inserted(txn_.get(), name.bytes().data(), real.data())) outcome.inserted[name] = Uuid(real);
      }
      finish(std::move(outcome));
    } else if (state == ML2_TXN_ERROR) {
      finish({tl::unexpected<Error>(server_error(ml2_idl_txn_error(txn_.get()))), {}});
    } else if (txn_lost_) {
      finish(
          {transient(fmt::format("the connection to database {} was lost while a transaction was in flight; it may "
                                 "have been carried out",
                                 options_.database)),
           {}});
    } else {
      finish({transient(fmt::format("another client changed what a transaction on database {} rests on",
                                    options_.database)),
              {}});
    }
  }

  void finish(Outcome outcome) {
    txn_.reset();
    if (!outcome.status) ++failures_;
    outcome_ = std::move(outcome);
  }

  Options options_;
  Remotes remotes_;
  IdlReplica replica_;
  std::unique_ptr<IdlServerProbe> probe_;
  long long waiting_since_ = 0;  // ms of the loop's clock: when the connection was lost, or first tried
  bool ever_followed_ = false;

  IdlTxn txn_;
  bool txn_lost_ = false;
  long long txn_deadline_ = 0;
  std::vector<Uuid> inserts_;
  std::optional<Outcome> early_;  // known without the server, handed out by the next run() like any other
  std::optional<Outcome> outcome_;

  std::uint64_t reconnects_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t failures_ = 0;
};

Result<std::unique_ptr<IdlDatabase>> IdlDatabase::open(Options options) {
  Result<Remotes> remotes = parse_remotes(options.remotes);
  if (!remotes) return forward_error(remotes);
  if (options.transaction_timeout.count() <= 0) {
    return invalid(
        fmt::format("a transaction timeout of {} ms: expected a positive one", options.transaction_timeout.count()));
  }
  if (remotes->any_tls) {
    if (Status status = check_tls(options); !status) return forward_error(status);
  }
  Result<IdlReplica> replica = IdlReplica::open(options.database, options.columns);
  if (!replica) return forward_error(replica);
  return std::unique_ptr<IdlDatabase>(
      new IdlDatabase(std::make_unique<Impl>(std::move(options), *std::move(remotes), *std::move(replica))));
}

IdlDatabase::IdlDatabase(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IdlDatabase::~IdlDatabase() = default;

void IdlDatabase::run() { impl_->run(); }
void IdlDatabase::wait() { impl_->wait(); }
const Snapshot* IdlDatabase::snapshot() const { return impl_->replica().snapshot(); }
std::uint64_t IdlDatabase::sequence() const { return impl_->replica().sequence(); }
std::optional<RowChanges> IdlDatabase::changes_since(std::uint64_t sequence) const {
  return impl_->replica().changes_since(sequence);
}
Status IdlDatabase::commit(const Transaction& transaction) { return impl_->commit(transaction); }
bool IdlDatabase::busy() const { return impl_->busy(); }
std::optional<Outcome> IdlDatabase::take_outcome() { return impl_->take_outcome(); }
DatabaseStatus IdlDatabase::status() const { return impl_->status(); }

}  // namespace ml2::ovsdb
