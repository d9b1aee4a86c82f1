#include "datapath/openflow/rconn_shim.h"

#include <config.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <string_view>

#include "datapath/base/poll_loop.h"
#include "openvswitch/ofp-errors.h"
// ofp-errors.h first: the next ones need it.
#include "openvswitch/ofpbuf.h"
#include "openvswitch/rconn.h"

namespace ml2::of {
namespace {

constexpr int kNoProbes = 0;  // rconn_connect() would set it to this for a UNIX socket in any case
constexpr int kMaxBackoffSeconds = 1;
constexpr long long kLookMs = 100;        // how often the socket's file is looked at while there is no connection
constexpr long long kComingUpMs = 2'000;  // how long after a new file came it may not be listened on yet
constexpr std::uint8_t kDscp = 0;         // of no meaning on a UNIX socket
// Older ones are let in to be told apart from a switch that is away: see version().
constexpr std::uint32_t kVersions =
    1U << OFP10_VERSION | 1U << OFP11_VERSION | 1U << OFP12_VERSION | 1U << OFP13_VERSION | 1U << OFP14_VERSION;

}  // namespace

void RconnShim::Destroy::operator()(rconn* connection) const { rconn_destroy(connection); }
void RconnShim::Destroy::operator()(rconn_packet_counter* counter) const { rconn_packet_counter_destroy(counter); }

RconnShim::RconnShim(const std::string& target, const std::string& name)
    : target_(target),
      name_(name),
      counter_(rconn_packet_counter_create()),
      rconn_(rconn_create(kNoProbes, kMaxBackoffSeconds, kDscp, kVersions)) {
  // libopenvswitch writes to sockets that may be closed on the other side and expects EPIPE (ovs: fatal_ignore_sigpipe).
  std::signal(SIGPIPE, SIG_IGN);
  socket_file_ = look_at_socket();
  new_since_ = ml2_time_msec();
  rconn_connect(rconn_.get(), target.c_str(), name.c_str());
}

RconnShim::SocketFile RconnShim::look_at_socket() const {
  constexpr std::string_view kUnix = "unix:";
  struct stat file {};
  if (!target_.starts_with(kUnix) || ::stat(target_.c_str() + kUnix.size(), &file) != 0) return {};
  return {.device = file.st_dev,
          .inode = file.st_ino,
          .changed = file.st_ctim.tv_sec * 1'000'000'000LL + file.st_ctim.tv_nsec};
}

void RconnShim::connect_when_it_is_there() {
  const long long now = ml2_time_msec();
  if (now < next_attempt_) return;
  next_attempt_ = now + kLookMs;
  const SocketFile file = look_at_socket();
  if (!(file == socket_file_)) {
    socket_file_ = file;
    new_since_ = now;
  }
  if (file == SocketFile{} || new_since_ == 0 || now - new_since_ > kComingUpMs) return;
  if (std::strcmp(rconn_get_state(rconn_.get()), "BACKOFF") != 0) return;  // under way
  rconn_connect(rconn_.get(), target_.c_str(), name_.c_str());
}

void RconnShim::run() {
  rconn_run(rconn_.get());
  if (!rconn_is_connected(rconn_.get())) {
    connect_when_it_is_there();
  } else if (new_since_ != 0) {
    new_since_ = 0;
  }
}

void RconnShim::wait() {
  if (!rconn_is_connected(rconn_.get())) ml2_poll_timer(kLookMs);
  rconn_run_wait(rconn_.get());
  rconn_recv_wait(rconn_.get());
}

bool RconnShim::connected() const { return rconn_is_connected(rconn_.get()); }
unsigned RconnShim::epoch() const { return rconn_get_connection_seqno(rconn_.get()); }
int RconnShim::version() const { return rconn_get_version(rconn_.get()); }
int RconnShim::last_error() const { return rconn_get_last_error(rconn_.get()); }

// rconn_send() frees the message in any case; its error is a lost connection, which epoch() tells.
void RconnShim::send(Message message) { rconn_send(rconn_.get(), message.release(), counter_.get()); }
std::size_t RconnShim::queued() const { return rconn_packet_counter_n_packets(counter_.get()); }
Message RconnShim::receive() { return Message(rconn_recv(rconn_.get())); }
void RconnShim::reconnect() { rconn_reconnect(rconn_.get()); }

}  // namespace ml2::of
