#include "datapath/openflow/rconn_shim.h"

#include <config.h>

#include <csignal>

#include "openvswitch/ofp-errors.h"
// ofp-errors.h first: the next ones need it.
#include "openvswitch/ofpbuf.h"
#include "openvswitch/rconn.h"

namespace ml2::of {
namespace {

constexpr int kProbeSeconds = 5;       // silence after which an echo request goes out; as long again, and it is dead
constexpr int kMaxBackoffSeconds = 1;  // so that a restart of ovs-vswitchd is noticed within a second
constexpr std::uint8_t kDscp = 0;      // of no meaning on a UNIX socket
// Older ones are let in to be told apart from a switch that is away: see version().
constexpr std::uint32_t kVersions =
    1U << OFP10_VERSION | 1U << OFP11_VERSION | 1U << OFP12_VERSION | 1U << OFP13_VERSION | 1U << OFP14_VERSION;

}  // namespace

void RconnShim::Destroy::operator()(rconn* connection) const { rconn_destroy(connection); }
void RconnShim::Destroy::operator()(rconn_packet_counter* counter) const { rconn_packet_counter_destroy(counter); }

RconnShim::RconnShim(const std::string& target, const std::string& name)
    : counter_(rconn_packet_counter_create()),
      rconn_(rconn_create(kProbeSeconds, kMaxBackoffSeconds, kDscp, kVersions)) {
  // libopenvswitch writes to sockets that may be closed on the other side and expects EPIPE (ovs: fatal_ignore_sigpipe).
  std::signal(SIGPIPE, SIG_IGN);
  rconn_connect(rconn_.get(), target.c_str(), name.c_str());
}

void RconnShim::run() { rconn_run(rconn_.get()); }

void RconnShim::wait() {
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
