// SocketFastPath: the FastPath seam on ml2-fastpath's control socket (dpdk/abi/messages.h).
//
//     connect -> Query "show" -> Rows -> Hello -> Welcome -> Read of each kind whose digest is not what we remember -> tables() are there
//     now and then: Hello -> Welcome -> (Read...) -> Query "drops" -> Rows -> spoofed() are there
//                  -> Query "links" -> Rows -> status().troubles are there
//     commit() -> Begin, Put..., Remove..., Commit -> Done -> Read where the digests are not what we expect -> take_outcome()
//
// Where in the walk: agent/main.cc makes one when [fastpath] is enabled.
// Threading: the thread of the poll loop only.
// Failure: a connection that cannot be made, is closed or breaks the protocol is given up, said in
//   status(), and made anew 50 ms later. What was read is remembered meanwhile: after a break in which nothing changed
//   the digests say so, and nothing is read. One that is silent for too long is said too, and kept: what was asked lies in the
//   socket, is answered when the other end goes on, and is sent once.
// What it does not do: it never waits for the other end. It learns of somebody else's changes, of links and of what is dropped, only
//   when it asks, every five seconds: the protocol has no notifications.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datapath/base/unique_fd.h"
#include "datapath/fastpath/fast_path.h"
#include "datapath/fastpath/table_log.h"
#include "dpdk/abi/packet.h"

namespace ml2::fp {

class SocketFastPath final : public FastPath {
 public:
  // `ask_every`: how often it looks for other clients' changes, and for what anti-spoofing has dropped.
  explicit SocketFastPath(std::string socket, std::chrono::milliseconds ask_every = std::chrono::seconds(5));

  void run() override;
  void wait() override;
  [[nodiscard]] const Tables* tables() const override { return readable_ ? &tables_ : nullptr; }
  [[nodiscard]] std::uint64_t sequence() const override { return sequence_; }
  [[nodiscard]] std::optional<RecordKeys> changes_since(std::uint64_t sequence) const override {
    return log_.since(sequence);
  }
  [[nodiscard]] const SpoofCounters& spoofed() const override { return spoofed_; }
  Status commit(const Update& update) override;
  [[nodiscard]] bool busy() const override { return asked_ != Asked::Nothing; }
  [[nodiscard]] std::optional<UpdateOutcome> take_outcome() override;
  [[nodiscard]] FastPathStatus status() const override { return status_; }

 private:
  enum class Asked { Nothing, Process, State, Records, Drops, Links, Commit };  // what the next answer is about

  void connect();
  void disconnect(const std::string& why);
  void say_silent();
  void wait_from_now();
  std::uint32_t send(abi::Type type, std::span<const std::uint8_t> body = {}, abi::Kind kind = abi::Kind{0},
                     std::uint32_t count = 0);
  void flush();
  void receive();
  void handle(std::span<const std::uint8_t> packet);
  void handle_message(const abi::Header& header, std::span<const std::uint8_t> body);
  void ask(Asked what);
  std::uint32_t query(std::string_view question);
  void take_rows(const abi::Header& header, std::span<const std::uint8_t> body);
  void take_drops();
  void take_links(const std::string& rows);
  void take_state(const abi::State& state);
  void take_records(const abi::Header& header, std::span<const std::uint8_t> body);
  void read_next();
  void take_done(std::span<const std::uint8_t> body);
  void remember(const Update& update);

  std::string socket_;
  std::chrono::milliseconds ask_every_;
  FastPathStatus status_;
  UniqueFd fd_;
  long long retry_at_ = 0;  // ml2_time_msec()
  long long ask_at_ = 0;    // when the state is asked for next
  long long deadline_ = 0;  // of the answer that is waited for
  Asked asked_ = Asked::Nothing;
  std::uint32_t request_ = 0;  // the last number that was given out
  std::uint32_t answer_to_ = 0;
  std::deque<abi::Packet> outgoing_;
  std::vector<std::uint8_t> buffer_;

  Tables tables_;
  Digests digests_{};  // of tables_, kept as they change
  bool readable_ = false;
  std::uint64_t sequence_ = 0;
  TableLog log_;

  std::string rows_;  // of the answer to a question, so far
  SpoofCounters spoofed_;
  bool drops_due_ = false;                // are to be asked for, once the tables are known
  Digests told_{};                        // what the fast path said last
  std::vector<abi::Kind> unread_;         // kinds to read; the first is being read
  Tables fresh_;                          // what has come of it
  RecordKeys changed_;                    // of tables_, since the last sequence_
  int rounds_ = 0;                        // of reading, since the digests agreed last
  Update update_;                         // in flight
  std::string refusal_;                   // of the whole update
  std::optional<UpdateOutcome> done_;     // carried out; to be told when the tables are known
  std::optional<UpdateOutcome> outcome_;  // to be taken
};

}  // namespace ml2::fp
