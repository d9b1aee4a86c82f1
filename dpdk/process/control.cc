#include "dpdk/process/control.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "datapath/base/log.h"

namespace ml2::fastpath {

namespace {

// Two million FDB entries and all that belongs to them; a client that says more is wrong.
constexpr std::size_t kMaxStaged = 8U << 20U;
constexpr std::size_t kMaxClients = 32;

template <class Record>
bool append(std::vector<Record>& to, std::span<const std::uint8_t> body, std::uint32_t count) {
  if (body.size() != count * sizeof(Record)) return false;
  const std::size_t before = to.size();
  to.resize(before + count);
  if (count != 0) std::memcpy(to.data() + before, body.data(), body.size());
  return true;
}

void send_message(abi::Header header, std::span<const std::uint8_t> body,
                  const std::function<void(std::span<const std::uint8_t>)>& send) {
  std::vector<std::uint8_t> message(sizeof(header) + body.size());
  std::memcpy(message.data(), &header, sizeof(header));
  if (!body.empty()) std::memcpy(message.data() + sizeof(header), body.data(), body.size());
  send(message);
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

void Conversation::fail(const abi::Header& to, const std::string& sentence, const Send& send) {
  abi::Header header;
  header.type = abi::Type::Failed;
  header.request = to.request;
  header.count = static_cast<std::uint32_t>(sentence.size());
  send_message(header, bytes_of(sentence), send);
}

void Conversation::send_state(abi::Type type, const abi::Header& to, const Applied& applied, const Send& send) {
  abi::State state = parts_.program->state();
  state.boot = parts_.boot;
  state.applied = applied.applied;
  state.refused = static_cast<std::uint32_t>(applied.refused.size());
  std::string body(reinterpret_cast<const char*>(&state), sizeof(state));
  for (const std::string& sentence : applied.refused) {
    if (body.size() + sentence.size() + sizeof(abi::Header) + 1 > abi::kMaxMessage) break;
    body += sentence;
    body += '\n';
  }
  abi::Header header;
  header.type = type;
  header.request = to.request;
  header.count = static_cast<std::uint32_t>(body.size());
  send_message(header, bytes_of(body), send);
}

// Empty, or what is wrong.
std::string Conversation::take_records(const abi::Header& header, std::span<const std::uint8_t> body) {
  if (!batch_) return "records came before Begin";
  if (header.count > abi::kMaxMessage || staged_ + header.count > kMaxStaged) return "more records than are possible";
  const bool put = header.type == abi::Type::Put;
  const auto take = [&](auto& changes) { return append(put ? changes.put : changes.remove, body, header.count); };
  bool fits = false;
  switch (header.kind) {
    case abi::Kind::Port: fits = take(batch_->ports); break;
    case abi::Kind::Segment: fits = take(batch_->segments); break;
    case abi::Kind::Attachment: fits = take(batch_->attachments); break;
    case abi::Kind::Vtep: fits = take(batch_->vteps); break;
    case abi::Kind::Flood: fits = take(batch_->floods); break;
    case abi::Kind::Allowed: fits = take(batch_->allowed); break;
    case abi::Kind::Fdb: fits = take(batch_->fdb); break;
    case abi::Kind::Neighbour: fits = take(batch_->neighbours); break;
    default: return fmt::format("records of kind {} are not known", static_cast<unsigned>(header.kind));
  }
  if (!fits) return "the message's size does not fit its count of records";
  staged_ += header.count;
  return {};
}

// All records of a kind, as many as fit into each message; false: there is no such kind.
bool Conversation::read_back(const abi::Header& header, const Send& send) {
  std::string body;
  abi::Header answer;
  answer.type = abi::Type::Records;
  answer.request = header.request;
  answer.kind = header.kind;
  const auto flush = [&](bool last) {
    answer.last = last ? 1 : 0;
    send_message(answer, bytes_of(body), send);
    body.clear();
    answer.count = 0;
  };
  const auto one = [&](const auto& record) {
    if (sizeof(answer) + body.size() + sizeof(record) > abi::kMaxMessage) flush(false);
    body.append(reinterpret_cast<const char*>(&record), sizeof(record));
    ++answer.count;
  };
  const auto all = [&](const auto& records) {
    for (const auto& [key, record] : records) one(record);
  };
  Program& program = *parts_.program;
  switch (header.kind) {
    case abi::Kind::Port: all(program.ports()); break;
    case abi::Kind::Segment: all(program.segments()); break;
    case abi::Kind::Attachment: all(program.attachments()); break;
    case abi::Kind::Vtep: all(program.vteps()); break;
    case abi::Kind::Flood: all(program.floods()); break;
    case abi::Kind::Allowed: all(program.allowed()); break;
    case abi::Kind::Fdb: program.for_each_fdb([&](const abi::Fdb& record) { return one(record), true; }); break;
    case abi::Kind::Neighbour:
      for (const abi::Neighbour& record : program.neighbours())
        if (record.segment != 0) one(record);
      break;
    default: return false;
  }
  flush(true);
  return true;
}

bool Conversation::handle(std::span<const std::uint8_t> packet, const Send& send) {
  for (;;) {
    abi::Header header;
    if (packet.size() < sizeof(header)) return false;
    std::memcpy(&header, packet.data(), sizeof(header));
    if (header.magic != abi::kMagic) return false;
    if (header.next == 0) return handle_message(header, packet.subspan(sizeof(header)), send);
    if (header.next < sizeof(header) || header.next >= packet.size()) return false;
    if (!handle_message(header, packet.subspan(sizeof(header), header.next - sizeof(header)), send)) return false;
    packet = packet.subspan(header.next);
  }
}

bool Conversation::handle_message(const abi::Header& header, std::span<const std::uint8_t> body, const Send& send) {
  if (header.version != abi::kVersion) {
    fail(header, fmt::format("protocol version {} is spoken here, not {}", abi::kVersion, header.version), send);
    return true;
  }
  switch (header.type) {
    case abi::Type::Hello: send_state(abi::Type::Welcome, header, {}, send); return true;
    case abi::Type::Begin: {
      abi::Begin begin;
      if (body.size() != sizeof(begin)) return fail(header, "Begin has another size", send), true;
      std::memcpy(&begin, body.data(), sizeof(begin));
      batch_ = std::make_unique<Batch>();
      batch_->full = begin.full != 0;
      batch_->generation = begin.generation;
      staged_ = 0;
      return true;
    }
    case abi::Type::Put:
    case abi::Type::Remove: {
      // The rest of a batch with a hole in it would be wrong too: nothing of it is applied.
      if (const std::string wrong = take_records(header, body); !wrong.empty()) {
        batch_.reset();
        fail(header, wrong, send);
      }
      return true;
    }
    case abi::Type::Commit: {
      if (!batch_) return fail(header, "Commit without Begin, or after a failure", send), true;
      const Applied applied = parts_.program->apply(std::move(*batch_));
      batch_.reset();
      for (const std::string& sentence : applied.refused) log::warn("fastpath", "{}", sentence);
      send_state(abi::Type::Done, header, applied, send);
      return true;
    }
    case abi::Type::Query: {
      const std::string question(body.begin(), body.end());
      if (question == "capture-stop") {
        if (!capturing_) return fail(header, "capture-stop: there is none", send), true;
        end_capture(send);
        return true;
      }
      if (question == "capture" || question.starts_with("capture ")) {
        begin_capture(header, std::string_view(question).substr(7), send);
        return true;
      }
      std::string rows;
      abi::Header answer;
      answer.type = abi::Type::Rows;
      answer.request = header.request;
      const auto flush = [&](bool last) {
        answer.last = last ? 1 : 0;
        answer.count = static_cast<std::uint32_t>(rows.size());
        send_message(answer, bytes_of(rows), send);
        rows.clear();
      };
      const Status known = answer_query(parts_, question, [&](const std::string& row) {
        if (rows.size() + row.size() + 1 + sizeof(answer) > abi::kMaxMessage) flush(false);
        rows += row;
        rows += '\n';
      });
      if (!known) return fail(header, known.error().message, send), true;
      flush(true);
      return true;
    }
    case abi::Type::Read:
      if (!read_back(header, send)) {
        fail(header, fmt::format("records of kind {} are not known", static_cast<unsigned>(header.kind)), send);
      }
      return true;
    default: fail(header, "a message of this type is not for the server", send); return true;
  }
}

Conversation::~Conversation() {
  if (capturing_) parts_.capture->stop();
}

void Conversation::begin_capture(const abi::Header& header, std::string_view words, const Send& send) {
  if (parts_.capture == nullptr) return fail(header, "capture: there are no workers here", send);
  if (capturing_) return fail(header, "capture: this connection has one already", send);
  const auto filter = capture::Filter::parse(words);
  if (!filter) return fail(header, filter.error().message, send);
  if (const auto started = parts_.capture->start(*filter); !started) {
    return fail(header, started.error().message, send);
  }
  capturing_ = Capturing{header.request, 0, filter->count};
}

void Conversation::pump(const Send& send) {
  if (!capturing_) return;
  std::string rows;
  abi::Header answer;
  answer.type = abi::Type::Rows;
  answer.request = capturing_->request;
  answer.last = 0;
  const auto flush = [&] {
    if (rows.empty()) return;
    answer.count = static_cast<std::uint32_t>(rows.size());
    send_message(answer, bytes_of(rows), send);
    rows.clear();
  };
  // Not all at once: the other clients have to be served too.
  std::uint64_t limit = 1024;
  if (capturing_->count != 0) limit = std::min(limit, capturing_->count - capturing_->captured);
  parts_.capture->drain(limit, [&](const capture::Captured& captured) {
    const std::string row = capture::row_of(captured);
    if (rows.size() + row.size() + 1 + sizeof(answer) > abi::kMaxMessage) flush();
    rows += row;
    rows += '\n';
    ++capturing_->captured;
  });
  flush();
  if (capturing_->count != 0 && capturing_->captured == capturing_->count) end_capture(send);
}

void Conversation::end_capture(const Send& send) {
  const std::string row =
      fmt::format("{{\"captured\":{},\"lost\":{}}}\n", capturing_->captured, parts_.capture->lost());
  abi::Header answer;
  answer.type = abi::Type::Rows;
  answer.request = capturing_->request;
  answer.count = static_cast<std::uint32_t>(row.size());
  parts_.capture->stop();
  capturing_.reset();
  send_message(answer, bytes_of(row), send);
}

Result<std::unique_ptr<Control>> Control::open(const std::string& path, ControlParts parts) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return invalid(
        fmt::format("socket {}: a path of 1 to {} bytes was expected", path, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const auto failed = [&path](const char* what) {
    return fatal(fmt::format("socket {}: {}: {}", path, what, std::strerror(errno)));
  };
  UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return failed("no socket");
  // Who answers there is alive; a file that nobody serves was left by one that was killed.
  UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return fatal(fmt::format("socket {}: another ml2-fastpath serves it", path));
  }
  const auto slash = path.rfind('/');
  if (slash != std::string::npos && slash != 0) ::mkdir(path.substr(0, slash).c_str(), 0755);
  ::unlink(path.c_str());
  const mode_t old = ::umask(0177);
  const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  ::umask(old);
  if (bound != 0) return failed("it cannot be bound");
  if (::listen(listener.get(), 8) != 0) return failed("it cannot be listened on");
  return std::unique_ptr<Control>(new Control(path, std::move(parts), std::move(listener)));
}

Control::~Control() { ::unlink(path_.c_str()); }

bool Control::serve(Client& client) {
  bool reads = true;
  const auto send_packet = [&](std::span<const std::uint8_t> packet) {
    if (reads) reads = ::send(client.fd.get(), packet.data(), packet.size(), MSG_NOSIGNAL) >= 0;
  };
  for (int packets = 0; packets < 64; ++packets) {
    iovec piece{buffer_.data(), buffer_.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    const ssize_t size = ::recvmsg(client.fd.get(), &header, MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0 || (header.msg_flags & MSG_TRUNC) != 0) return false;
    const std::span<const std::uint8_t> packet(buffer_.data(), static_cast<std::size_t>(size));
    bool goes_on = false;
    if (!abi::holds_several(packet)) {
      goes_on = client.conversation->handle(packet, send_packet);
    } else {
      answers_.clear();
      goes_on = client.conversation->handle(packet, [&](std::span<const std::uint8_t> message) {
        if (answers_.add(message)) return;
        send_packet(answers_.bytes());
        answers_.clear();
        if (!answers_.add(message)) reads = false;  // no message is longer than a packet
      });
      if (!answers_.bytes().empty()) send_packet(answers_.bytes());
    }
    if (!goes_on || !reads) return false;
  }
  return true;
}

bool Control::captures() const {
  return std::any_of(clients_.begin(), clients_.end(),
                     [](const Client& client) { return client.conversation->captures(); });
}

void Control::run(int timeout_ms, int wake) {
  for (std::size_t i = clients_.size(); i-- > 0;) {
    if (!clients_[i].conversation->captures()) continue;
    bool reads = true;
    clients_[i].conversation->pump([&](std::span<const std::uint8_t> message) {
      if (reads) reads = ::send(clients_[i].fd.get(), message.data(), message.size(), MSG_NOSIGNAL) >= 0;
    });
    if (!reads) clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  std::vector<pollfd> polls = {{wake, POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  for (const Client& client : clients_) polls.push_back({client.fd.get(), POLLIN, 0});
  if (::poll(polls.data(), polls.size(), timeout_ms) <= 0) return;
  for (std::size_t i = clients_.size(); i-- > 0;) {
    if (polls[i + 2].revents != 0 && !serve(clients_[i]))
      clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if ((polls[1].revents & POLLIN) == 0) return;
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd || clients_.size() >= kMaxClients) return;
  const timeval patience{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  clients_.push_back({std::move(fd), std::make_unique<Conversation>(parts_)});
}

}  // namespace ml2::fastpath
