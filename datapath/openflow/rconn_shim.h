// rconn_shim: libopenvswitch's rconn (a message queue over a reconnecting connection) as an object.
//
// Where in the walk: RconnSwitch owns one. It is the only file that includes rconn's header.
// Threading: the thread of the poll loop only.
// Failure: a lost connection shows as another epoch(); what was queued then is gone, and send() while not connected
//   drops the message.
// A switch that was away is found within a tenth of a second: its socket is a new file then, which is looked for at
//   that pace while there is no connection; rconn itself would wait for a second or longer.
// Side effect: the process ignores SIGPIPE from the first object on.
// What it does not do: no meaning of messages; no inactivity probes, which rconn leaves out on UNIX sockets: RconnSwitch
//   asks by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "datapath/openflow/codec.h"

struct rconn;
struct rconn_packet_counter;

namespace ml2::of {

class RconnShim {
 public:
  // Connects to `target` ("unix:/run/openvswitch/br-int.mgmt") with OpenFlow 1.4 and nothing else; `name` is for
  // logs.
  RconnShim(const std::string& target, const std::string& name);

  void run();
  void wait();

  // Connected, and the OpenFlow version agreed on.
  [[nodiscard]] bool connected() const;
  // Another number after each connection made and each connection lost.
  [[nodiscard]] unsigned epoch() const;
  // The OpenFlow version agreed on, as on the wire: 1 is 1.0, 5 is 1.4. Of a connection only.
  [[nodiscard]] int version() const;
  // errno of the last failure to connect, 0 before any.
  [[nodiscard]] int last_error() const;

  void send(Message message);
  // Messages that send() took and the socket has not.
  [[nodiscard]] std::size_t queued() const;
  // The next message received; null when there is none.
  [[nodiscard]] Message receive();
  // Breaks the connection off and makes a new one.
  void reconnect();

 private:
  struct Destroy {
    void operator()(rconn* connection) const;
    void operator()(rconn_packet_counter* counter) const;
  };
  // The file of a unix: target as it was last seen; another one (or none before) is a switch that has just come up.
  struct SocketFile {
    std::uint64_t device = 0, inode = 0;
    long long changed = 0;  // ns since 1970; numbers of files are given out again

    friend bool operator==(const SocketFile&, const SocketFile&) = default;
  };
  [[nodiscard]] SocketFile look_at_socket() const;
  void connect_when_it_is_there();

  std::string target_, name_;
  SocketFile socket_file_;
  long long new_since_ = 0;     // ms: when another file was first seen
  long long next_attempt_ = 0;  // ms
  std::unique_ptr<rconn_packet_counter, Destroy> counter_;
  std::unique_ptr<rconn, Destroy> rconn_;
};

}  // namespace ml2::of
