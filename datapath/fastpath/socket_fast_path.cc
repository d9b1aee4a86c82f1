#include "datapath/fastpath/socket_fast_path.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"
#include "datapath/fastpath/query.h"

namespace ml2::fp {
namespace {

constexpr long long kRetryMsec = 50;
// Of the other end's silence, before it is said. A commit may open devices, which takes seconds for some NICs; one of
// everything opens all of them.
constexpr std::chrono::seconds kPatience(5);
constexpr std::chrono::seconds kPatienceWithCommit(20);
constexpr std::chrono::seconds kPatienceWithAll(60);
constexpr int kMessagesPerRun = 4096;
// Reads that found another digest than was told: somebody else changes the tables meanwhile.
constexpr int kMaxRounds = 8;
constexpr std::string_view kShow = "show";
constexpr std::string_view kDrops = "drops";
constexpr std::string_view kLinks = "links";
// A row for each of 31 reasons of each of 4,095 ports.
constexpr std::size_t kMaxRows = 32UL * 1024 * 1024;

template <class T>
std::span<const std::uint8_t> bytes_of(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)};
}

// Of a row of "show"; none where it is not said.
std::vector<unsigned> cores_of(const std::string& rows) {
  std::vector<unsigned> cores;
  const auto row = nlohmann::json::parse(rows, nullptr, false);
  if (!row.is_object() || !row.contains("workers") || !row["workers"].is_array()) return cores;
  for (const auto& worker : row["workers"]) {
    if (worker.is_object() && worker.contains("core") && worker["core"].is_number_unsigned())
      cores.push_back(worker["core"].get<unsigned>());
  }
  return cores;
}

// Of rows of "drops": what anti-spoofing has dropped. Other reasons are nobody's mistake here.
std::map<PortId, SpoofedFrames> spoofed_of(const std::string& rows) {
  static const std::map<std::string, std::uint64_t SpoofedFrames::*> kReasons{
      {"SpoofedArp", &SpoofedFrames::announcements},
      {"SpoofedNd", &SpoofedFrames::announcements},
      {"SpoofedMac", &SpoofedFrames::macs},
      {"SpoofedIpv4", &SpoofedFrames::addresses},
      {"SpoofedIpv6", &SpoofedFrames::addresses}};
  std::map<PortId, SpoofedFrames> ports;
  for (const std::string& line : text::split(rows, '\n')) {
    if (line.find("Spoofed") == std::string::npos) continue;
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("port") || !row.contains("reason") || !row.contains("packets")) continue;
    if (!row["port"].is_number_unsigned() || !row["packets"].is_number_unsigned() || !row["reason"].is_string())
      continue;
    const auto port = row["port"].get<std::uint64_t>();
    const auto reason = kReasons.find(row["reason"].get<std::string>());
    if (reason == kReasons.end() || port == 0 || port > std::numeric_limits<PortId>::max()) continue;
    ports[static_cast<PortId>(port)].*reason->second += row["packets"].get<std::uint64_t>();
  }
  return ports;
}

// Of rows of "links": devargs, and what is wrong there.
std::map<std::string, std::string> troubles_of(const std::string& rows) {
  std::map<std::string, std::string> troubles;
  for (const std::string& line : text::split(rows, '\n')) {
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("device") || !row.contains("trouble")) continue;
    if (!row["device"].is_string() || !row["trouble"].is_string()) continue;
    troubles[text::printable(row["device"].get<std::string>())] = text::printable(row["trouble"].get<std::string>());
  }
  return troubles;
}

}  // namespace

SocketFastPath::SocketFastPath(std::string socket, std::chrono::milliseconds ask_every)
    : socket_(std::move(socket)), ask_every_(ask_every), buffer_(abi::kMaxMessage) {
  status_.target = socket_;
}

void SocketFastPath::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) {
    return disconnect(fmt::format("a socket's path of 1 to {} bytes was expected", sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
  fd_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_ || ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const bool silent = errno == EAGAIN;  // it listens, and takes none of the connections that wait for it
    disconnect(silent ? fastpath::not_answering(-1, socket_) : std::strerror(errno));
    status_.silent = silent;
    return;
  }
  status_.connected = true;
  status_.silent = false;
  status_.error.clear();
  status_.cores.clear();
  drops_due_ = true;
  ++status_.connections;
  ask(Asked::Process);
}

// The connection stays: what was sent lies in the socket, and sent again by another one it would be there twice.
void SocketFastPath::say_silent() {
  status_.connected = false;
  status_.silent = true;
  status_.error = fastpath::not_answering(fd_.get(), socket_);
}

void SocketFastPath::wait_from_now() {
  std::chrono::milliseconds patience = kPatience;
  if (asked_ == Asked::Commit) patience = update_.full ? kPatienceWithAll : kPatienceWithCommit;
  deadline_ = ml2_time_msec() + patience.count();
}

void SocketFastPath::disconnect(const std::string& why) {
  fd_.reset();
  status_.connected = false;
  status_.silent = false;
  status_.troubles.clear();
  status_.error = why;
  retry_at_ = ml2_time_msec() + kRetryMsec;
  outgoing_.clear();
  unread_.clear();
  rounds_ = 0;
  if (asked_ == Asked::Commit || done_) {
    ++status_.failures;
    outcome_ = UpdateOutcome{.status = transient("the connection was lost: " + why), .refused = {}};
  }
  done_.reset();
  update_ = {};
  asked_ = Asked::Nothing;
  if (readable_) ++sequence_;
  readable_ = false;
}

std::uint32_t SocketFastPath::send(abi::Type type, std::span<const std::uint8_t> body, abi::Kind kind,
                                   std::uint32_t count) {
  abi::Header header;
  header.type = type;
  header.request = ++request_;
  header.kind = kind;
  header.count = count;
  std::vector<std::uint8_t> message(sizeof(header) + body.size());
  std::memcpy(message.data(), &header, sizeof(header));
  if (!body.empty()) std::memcpy(message.data() + sizeof(header), body.data(), body.size());
  // Small ones share a packet: a batch of a few records is one system call here, and one there.
  if (outgoing_.empty() || !outgoing_.back().add(message)) {
    outgoing_.emplace_back();
    if (!outgoing_.back().add(message)) outgoing_.pop_back();  // commit() makes none that is longer than a packet
  }
  return header.request;
}

std::uint32_t SocketFastPath::query(std::string_view question) {
  rows_.clear();
  return send(abi::Type::Query, {reinterpret_cast<const std::uint8_t*>(question.data()), question.size()},
              abi::Kind{0}, static_cast<std::uint32_t>(question.size()));
}

void SocketFastPath::ask(Asked what) {
  asked_ = what;
  switch (what) {
    case Asked::Nothing: break;
    case Asked::Process: answer_to_ = query(kShow); break;
    case Asked::Drops: answer_to_ = query(kDrops); break;
    case Asked::Links: answer_to_ = query(kLinks); break;
    case Asked::State: answer_to_ = send(abi::Type::Hello); break;
    case Asked::Records: answer_to_ = send(abi::Type::Read, {}, unread_.front()); break;
    case Asked::Commit: answer_to_ = send(abi::Type::Commit); break;
  }
  wait_from_now();
}

void SocketFastPath::flush() {
  while (fd_ && !outgoing_.empty()) {
    const auto packet = outgoing_.front().bytes();
    if (::send(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno != EAGAIN && errno != EINTR) disconnect(std::strerror(errno));
      return;
    }
    outgoing_.pop_front();
    wait_from_now();  // it takes what it is sent
  }
}

void SocketFastPath::receive() {
  for (int i = 0; fd_ && i < kMessagesPerRun; ++i) {
    const ssize_t size = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0) {
      if (errno != EAGAIN && errno != EINTR) disconnect(std::strerror(errno));
      return;
    }
    if (size == 0) return disconnect("ml2-fastpath closed the connection");
    wait_from_now();
    if (std::exchange(status_.silent, false)) {
      status_.connected = true;
      status_.error.clear();
    }
    handle({buffer_.data(), static_cast<std::size_t>(size)});
    flush();
  }
}

void SocketFastPath::handle(std::span<const std::uint8_t> packet) {
  while (fd_) {
    abi::Header header;
    if (packet.size() < sizeof(header)) return disconnect("what answers is no ml2-fastpath");
    std::memcpy(&header, packet.data(), sizeof(header));
    if (header.magic != abi::kMagic) return disconnect("what answers is no ml2-fastpath");
    if (header.next == 0) return handle_message(header, packet.subspan(sizeof(header)));
    if (header.next < sizeof(header) || header.next >= packet.size())
      return disconnect("a packet without a right end");
    handle_message(header, packet.subspan(sizeof(header), header.next - sizeof(header)));
    packet = packet.subspan(header.next);
  }
}

void SocketFastPath::handle_message(const abi::Header& header, std::span<const std::uint8_t> body) {
  if (header.type == abi::Type::Failed) {
    const std::string sentence = text::printable(std::string(body.begin(), body.end()));
    if (asked_ == Asked::Links) return take_links({});  // an older one, to which this is no question
    if (asked_ != Asked::Commit) return disconnect("ml2-fastpath refuses to talk: " + sentence);
    // A message of the update was refused, and so is its Commit: the first says why.
    if (refusal_.empty()) refusal_ = sentence;
    if (header.request != answer_to_) return;
    ++status_.failures;
    done_ = UpdateOutcome{.status = invalid(std::exchange(refusal_, {})), .refused = {}};
    update_ = {};
    return ask(Asked::State);
  }
  if (header.version != abi::kVersion) {
    return disconnect(
        fmt::format("it speaks version {} of the protocol, and {} was expected", header.version, abi::kVersion));
  }
  if (header.request != answer_to_) return disconnect("an answer to nothing that was asked");
  if (header.type == abi::Type::Rows &&
      (asked_ == Asked::Process || asked_ == Asked::Drops || asked_ == Asked::Links)) {
    return take_rows(header, body);
  }
  if (header.type == abi::Type::Welcome && asked_ == Asked::State && body.size() >= sizeof(abi::State)) {
    abi::State state;
    std::memcpy(&state, body.data(), sizeof(state));
    return take_state(state);
  }
  if (header.type == abi::Type::Records && asked_ == Asked::Records && header.kind == unread_.front()) {
    return take_records(header, body);
  }
  if (header.type == abi::Type::Done && asked_ == Asked::Commit && body.size() >= sizeof(abi::State)) {
    return take_done(body);
  }
  disconnect(fmt::format("an answer of type {} was not expected", static_cast<unsigned>(header.type)));
}

void SocketFastPath::take_rows(const abi::Header& header, std::span<const std::uint8_t> body) {
  rows_.append(body.begin(), body.end());
  if (rows_.size() > kMaxRows) return disconnect("what it says of itself has no end");
  if (header.last == 0) return;
  if (asked_ == Asked::Drops) return take_drops();
  if (asked_ == Asked::Links) return take_links(std::exchange(rows_, {}));
  status_.cores = cores_of(rows_);
  rows_ = {};
  ask(Asked::State);
}

void SocketFastPath::take_drops() {
  std::map<PortId, SpoofedFrames> ports = spoofed_of(rows_);
  rows_ = {};
  ask(Asked::Links);
  if (spoofed_.sequence != 0 && spoofed_.boot == status_.boot && spoofed_.ports == ports) return;
  spoofed_ = {.sequence = spoofed_.sequence + 1, .boot = status_.boot, .ports = std::move(ports)};
}

void SocketFastPath::take_links(const std::string& rows) {
  status_.troubles = troubles_of(rows);
  asked_ = Asked::Nothing;
  // From now on: an answer that takes as long as that would else be followed by the next question at once, and commit()
  // would find no room between them.
  ask_at_ = ml2_time_msec() + ask_every_.count();
}

void SocketFastPath::take_state(const abi::State& state) {
  status_.boot = state.boot;
  status_.generation = state.generation;
  std::copy(std::begin(state.digests), std::end(state.digests), told_.begin());
  unread_.clear();
  for_each_kind(
      [this](abi::Kind kind, const auto&) {
        if (!(digests_[index(kind)] == told_[index(kind)])) unread_.push_back(kind);
      },
      tables_);
  if (!unread_.empty() && ++rounds_ > kMaxRounds) {
    return disconnect("its tables change faster than they can be read");
  }
  read_next();
}

void SocketFastPath::read_next() {
  fresh_ = {};
  if (!unread_.empty()) return ask(Asked::Records);
  // Known whole, unless they have changed while they were read.
  if (digests_ != told_) return ask(Asked::State);
  rounds_ = 0;
  asked_ = Asked::Nothing;
  ask_at_ = ml2_time_msec() + ask_every_.count();
  if (!is_empty(changed_) || !readable_) log_.add(++sequence_, changed_);
  changed_ = {};
  readable_ = true;
  if (done_) outcome_ = std::move(done_);
  done_.reset();
  if (std::exchange(drops_due_, false)) ask(Asked::Drops);
}

void SocketFastPath::take_records(const abi::Header& header, std::span<const std::uint8_t> body) {
  bool fits = false;
  for_each_kind(
      [&](abi::Kind kind, auto& table) {
        if (kind != header.kind) return;
        typename std::decay_t<decltype(table)>::mapped_type record;
        fits = body.size() == header.count * sizeof(record);
        for (std::size_t i = 0; fits && i < header.count; ++i) {
          std::memcpy(&record, body.data() + i * sizeof(record), sizeof(record));
          table.insert_or_assign(key_of(record), record);
        }
      },
      fresh_);
  if (!fits) return disconnect("the size of its records is not what was expected");
  status_.records_read += header.count;
  if (header.last == 0) return;
  Tables before;  // of this kind alone
  for_each_kind(
      [&](abi::Kind kind, auto& table, const auto& fresh, auto& old) {
        if (kind != header.kind) return;
        abi::Digest sum;
        for (const auto& [key, record] : fresh) abi::add(sum, abi::digest(record));
        digests_[index(kind)] = sum;
        old = std::exchange(table, fresh);
      },
      tables_, fresh_, before);
  add_differences(before, fresh_, changed_);
  unread_.erase(unread_.begin());
  read_next();
}

// The update as if nothing of it had been refused; where that is wrong, the digests say so.
void SocketFastPath::remember(const Update& update) {
  if (update.full) {
    add_differences(tables_, {}, changed_);
    digests_ = {};
    tables_ = {};
  }
  for_each_kind(
      [this](abi::Kind kind, auto& table, auto& changed, const auto& remove, const auto& put) {
        abi::Digest& sum = digests_[index(kind)];
        for (const auto& [key, record] : remove) {
          const auto old = table.find(key);
          if (old == table.end()) continue;
          changed.insert(key);
          abi::subtract(sum, abi::digest(old->second));
          table.erase(old);
        }
        for (const auto& [key, record] : put) {
          const auto [place, added] = table.try_emplace(key, record);
          if (!added) abi::subtract(sum, abi::digest(place->second));
          abi::add(sum, abi::digest(record));
          place->second = record;
          changed.insert(key);
        }
      },
      tables_, changed_, update.remove, update.put);
}

void SocketFastPath::take_done(std::span<const std::uint8_t> body) {
  abi::State state;
  std::memcpy(&state, body.data(), sizeof(state));
  const std::string words(body.begin() + sizeof(state), body.end());
  done_ = UpdateOutcome{};
  for (const std::string& sentence : text::split(words, '\n')) {
    if (!sentence.empty()) done_->refused.push_back(text::printable(sentence));
  }
  ++status_.updates;
  status_.records += state.applied;
  remember(std::exchange(update_, {}));
  take_state(state);
}

Status SocketFastPath::commit(const Update& update) {
  if (!readable_) return transient(fmt::format("{}: the fast path has not been read", socket_));
  if (busy()) return transient(fmt::format("{}: an update is in flight, or the tables are being read", socket_));
  update_ = update;
  refusal_.clear();
  abi::Begin begin;
  begin.generation = status_.generation + 1;
  begin.full = update.full ? 1 : 0;
  (void)send(abi::Type::Begin, bytes_of(begin));
  const auto records = [this](abi::Type type, const Tables& tables) {
    for_each_kind(
        [&](abi::Kind kind, const auto& table) {
          std::vector<std::uint8_t> body;
          std::uint32_t count = 0;
          for (auto it = table.begin(); it != table.end();) {
            const auto bytes = bytes_of(it->second);
            body.insert(body.end(), bytes.begin(), bytes.end());
            ++count;
            ++it;
            if (it != table.end() && sizeof(abi::Header) + body.size() + bytes.size() <= abi::kMaxMessage) continue;
            (void)send(type, body, kind, count);
            body.clear();
            count = 0;
          }
        },
        tables);
  };
  records(abi::Type::Remove, update.remove);
  records(abi::Type::Put, update.put);
  ask(Asked::Commit);
  flush();
  return {};
}

std::optional<UpdateOutcome> SocketFastPath::take_outcome() { return std::exchange(outcome_, std::nullopt); }

void SocketFastPath::run() {
  const long long now = ml2_time_msec();
  if (!fd_ && now >= retry_at_) connect();
  if (!fd_) return;
  flush();
  receive();
  if (!fd_) return;
  if (asked_ != Asked::Nothing && !status_.silent && now >= deadline_) return say_silent();
  if (asked_ == Asked::Nothing && now >= ask_at_) {
    drops_due_ = true;
    ask(Asked::State);
    flush();
  }
}

void SocketFastPath::wait() {
  const long long now = ml2_time_msec();
  if (!fd_) return ml2_poll_timer(std::max(retry_at_ - now, 0LL));
  ml2_poll_fd(fd_.get(), outgoing_.empty() ? POLLIN : POLLIN | POLLOUT);
  if (!status_.silent) ml2_poll_timer(std::max((asked_ == Asked::Nothing ? ask_at_ : deadline_) - now, 0LL));
  if (outcome_) ml2_poll_immediate();
}

}  // namespace ml2::fp
