// control: the server of the control socket (dpdk/abi/messages.h): batches in, state and rows out.
//
// Where in the walk: beside it. The agent's batches go to Program; ml2ctl's questions are answered from Program and from the
//   workers' counters.
// Threading: the control thread. run() never waits for a client: what one has not read after a second costs him the connection.
// Failure: a message that makes no sense is answered with Failed and its sentence; a client that breaks the framing is
//   disconnected; what he had begun and not committed is forgotten.
// What it does not do: no access rules of its own: the socket's file mode (0600) is the rule.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datapath/base/unique_fd.h"
#include "dpdk/abi/messages.h"
#include "dpdk/abi/packet.h"
#include "dpdk/process/capture.h"
#include "dpdk/tables/program.h"
#include "dpdk/walk/counters.h"
#include "dpdk/walk/walk.h"

namespace ml2::fastpath {

// Answers of Control are given by these, so that it needs no DPDK and is tested without.
struct ControlParts {
  Program* program = nullptr;
  std::uint64_t boot = 0;
  // The rows of `show` and `ports` that only the process knows, as members of a JSON object.
  std::function<std::string()> process_members;
  std::function<std::string(std::uint16_t port)> port_members;
  // Why nothing passes the port's device, as a sentence; empty: its link is up.
  std::function<std::string(std::uint16_t port)> link_trouble;
  // One per worker.
  std::function<std::vector<const Counters*>()> counters;
  WalkFunction walk = nullptr;
  capture::Source* capture = nullptr;
  std::function<std::uint64_t()> second;  // the clock of Program::learn()
};

// One client's conversation: messages in, messages out. No descriptors: fuzzed and tested as it is.
class Conversation {
 public:
  explicit Conversation(ControlParts& parts) : parts_(parts) {}
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  // Handles a packet's messages; false: the client broke the framing and is to be disconnected. `send` gets whole messages.
  bool handle(std::span<const std::uint8_t> packet, const std::function<void(std::span<const std::uint8_t>)>& send);
  // Sends what was captured since; after the last of so many frames as were asked for, the rows' end.
  void pump(const std::function<void(std::span<const std::uint8_t>)>& send);
  [[nodiscard]] bool captures() const { return capturing_.has_value(); }

 private:
  using Send = std::function<void(std::span<const std::uint8_t>)>;
  bool handle_message(const abi::Header& header, std::span<const std::uint8_t> body, const Send& send);
  void send_state(abi::Type type, const abi::Header& to, const Applied& applied, const Send& send);
  void fail(const abi::Header& to, const std::string& sentence, const Send& send);
  [[nodiscard]] std::string take_records(const abi::Header& header, std::span<const std::uint8_t> body);
  bool read_back(const abi::Header& header, const Send& send);
  void end_capture(const Send& send);
  void begin_capture(const abi::Header& header, std::string_view words, const Send& send);

  ControlParts& parts_;
  std::unique_ptr<Batch> batch_;  // between Begin and Commit
  std::size_t staged_ = 0;        // records in it
  struct Capturing {
    std::uint32_t request = 0;
    std::uint64_t captured = 0;
    std::uint64_t count = 0;  // 0: until the client goes
  };
  std::optional<Capturing> capturing_;
};

// The answer to a Query, a row at a time; false: the question is not known.
using EmitRow = std::function<void(const std::string& json)>;
[[nodiscard]] Status answer_query(ControlParts& parts, const std::string& question, const EmitRow& emit);

class Control {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Control>> open(const std::string& path, ControlParts parts);
  ~Control();
  // Serves what is there, and waits for at most `timeout_ms`, or until `wake` (a descriptor) is readable.
  void run(int timeout_ms, int wake);
  // True while a client captures: run() is to be called every few milliseconds.
  [[nodiscard]] bool captures() const;

 private:
  Control(std::string path, ControlParts parts, UniqueFd listener)
      : path_(std::move(path)), parts_(std::move(parts)), listener_(std::move(listener)), buffer_(abi::kMaxMessage) {}
  struct Client {
    UniqueFd fd;
    std::unique_ptr<Conversation> conversation;
  };
  bool serve(Client& client);

  std::string path_;
  ControlParts parts_;
  UniqueFd listener_;
  std::vector<Client> clients_;
  std::vector<std::uint8_t> buffer_;
  abi::Packet answers_;
};

}  // namespace ml2::fastpath
