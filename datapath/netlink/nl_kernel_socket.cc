#include "datapath/netlink/nl_kernel_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "datapath/netlink/batch.h"

namespace ml2::nl {
namespace {

// The kernel answers within the call; this only keeps a lost answer from hanging the agent.
constexpr timeval kAnswerTimeout{.tv_sec = 5, .tv_usec = 0};
// The largest datagram of a dump (net/netlink/af_netlink.c: netlink_dump allocates up to 32 KiB).
constexpr std::size_t kDatagramBytes = 65536;

// The answer in an NLMSG_ERROR message (struct nlmsgerr, then attributes; include/uapi/linux/netlink.h).
Ack parse_ack(nlmsghdr* header) {
  if (nlmsg_datalen(header) < static_cast<int>(sizeof(nlmsgerr))) return {EBADMSG, "short answer of the kernel"};
  const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(header));
  Ack ack{-error->error, {}};
  // Ours are capped (NETLINK_CAP_ACK): the request's body is not repeated, attributes follow at once.
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) != 0 && (header->nlmsg_flags & NLM_F_CAPPED) != 0) {
    auto* attributes =
        static_cast<nlattr*>(static_cast<void*>(static_cast<char*>(nlmsg_data(header)) + sizeof *error));
    const int length = nlmsg_datalen(header) - static_cast<int>(sizeof *error);
    if (nlattr* text = nla_find(attributes, length, NLMSGERR_ATTR_MSG); text != nullptr && nla_len(text) > 0) {
      const auto* chars = static_cast<const char*>(nla_data(text));
      ack.detail.assign(chars, strnlen(chars, static_cast<std::size_t>(nla_len(text))));
    }
  }
  return ack;
}

}  // namespace

void NlMessage::Free::operator()(nl_msg* message) const { nlmsg_free(message); }

NlMessage::NlMessage(int type, int flags) : message_(nlmsg_alloc_simple(type, flags)) {
  if (!message_) throw std::bad_alloc();
}

void NlMessage::append(void* data, std::size_t size) {
  if (nlmsg_append(get(), data, size, NLMSG_ALIGNTO) < 0) complete_ = false;
}

void NlMessage::put(int attribute, const void* data, std::size_t size) {
  if (nla_put(get(), attribute, static_cast<int>(size), data) < 0) complete_ = false;
}

void NlMessage::u8(int attribute, std::uint8_t value) { put(attribute, &value, sizeof value); }
void NlMessage::u16(int attribute, std::uint16_t value) { put(attribute, &value, sizeof value); }
void NlMessage::u16_be(int attribute, std::uint16_t value) { u16(attribute, htons(value)); }
void NlMessage::u32(int attribute, std::uint32_t value) { put(attribute, &value, sizeof value); }
void NlMessage::text(int attribute, std::string_view value) {
  const std::string terminated(value);
  put(attribute, terminated.c_str(), terminated.size() + 1);
}
void NlMessage::mac(int attribute, const Mac& value) { put(attribute, value.bytes().data(), value.bytes().size()); }
void NlMessage::ip(int attribute, const IpAddress& value) { put(attribute, value.bytes().data(), value.size()); }

nlattr* NlMessage::begin(int attribute) {
  nlattr* nested = nla_nest_start(get(), attribute);
  if (nested == nullptr) complete_ = false;
  return nested;
}

void NlMessage::end(nlattr* nested) {
  if (nested != nullptr) nla_nest_end(get(), nested);
}

void NlSocket::Free::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<NlSocket> NlSocket::open() {
  std::unique_ptr<nl_sock, Free> socket(nl_socket_alloc());
  if (!socket) return transient("cannot open a netlink socket: out of memory");
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) {
    return fatal(fmt::format("cannot open a netlink socket: {}", nl_geterror(error)));
  }
  nl_socket_disable_auto_ack(socket.get());
  nl_socket_disable_msg_peek(socket.get());
  nl_socket_set_msg_buf_size(socket.get(), kDatagramBytes);
  const int fd = nl_socket_get_fd(socket.get());
  const int on = 1;
  // Older kernels know none of the three; what they add (sentences, strict headers) is then missing, no more.
  (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout) != 0) {
    return fatal(fmt::format("cannot set up a netlink socket: {}", std::generic_category().message(errno)));
  }
  return NlSocket(std::move(socket));
}

int NlSocket::fd() const { return nl_socket_get_fd(socket_.get()); }

void NlSocket::set_receive_buffer(std::size_t bytes) {
  const int value = static_cast<int>(bytes);
  if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof value) != 0) {
    (void)setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &value, sizeof value);
  }
}

void NlSocket::set_nonblocking() { nl_socket_set_nonblocking(socket_.get()); }

Status NlSocket::join(int group) {
  if (const int error = nl_socket_add_membership(socket_.get(), group); error < 0) {
    return fatal(
        fmt::format("cannot listen to the kernel's notifications (group {}): {}", group, nl_geterror(error)));
  }
  return {};
}

int NlSocket::receive_datagram(std::unique_ptr<unsigned char, void (*)(void*)>& buffer) {
  sockaddr_nl from{};
  unsigned char* data = nullptr;
  int length = 0;
  do {
    length = nl_recv(socket_.get(), &from, &data, nullptr);
    buffer.reset(length > 0 ? data : nullptr);
  } while (length > 0 && from.nl_pid != 0);  // only the kernel's port is 0
  return length;
}

Ack NlSocket::send(NlMessage& message) {
  if (!message.complete()) return {EMSGSIZE, "request too long"};
  if (const int error = nl_send_auto(socket_.get(), message.get()); error < 0) {
    return {error == -NLE_PERM ? EPERM : EIO, std::string("sending the request: ") + nl_geterror(error)};
  }
  return {};
}

Ack NlSocket::request(NlMessage& message) {
  nlmsg_hdr(message.get())->nlmsg_flags |= NLM_F_ACK;
  if (Ack sent = send(message); !sent.ok()) return sent;
  const std::uint32_t sequence = nlmsg_hdr(message.get())->nlmsg_seq;
  std::unique_ptr<unsigned char, void (*)(void*)> buffer(nullptr, &std::free);
  while (true) {
    int length = receive_datagram(buffer);
    if (length == -NLE_AGAIN) return {ETIMEDOUT, "no answer of the kernel"};
    if (length <= 0) return {EAGAIN, std::string("reading the answer: ") + nl_geterror(length)};
    auto* header = static_cast<nlmsghdr*>(static_cast<void*>(buffer.get()));
    for (; nlmsg_ok(header, length); header = nlmsg_next(header, &length)) {
      if (header->nlmsg_seq == sequence && header->nlmsg_type == NLMSG_ERROR) return parse_ack(header);
    }
  }
}

Ack NlSocket::dump(NlMessage& message, const Visit& visit, bool* interrupted) {
  *interrupted = false;
  nlmsg_hdr(message.get())->nlmsg_flags |= NLM_F_DUMP;
  if (Ack sent = send(message); !sent.ok()) return sent;
  const std::uint32_t sequence = nlmsg_hdr(message.get())->nlmsg_seq;
  std::unique_ptr<unsigned char, void (*)(void*)> buffer(nullptr, &std::free);
  while (true) {
    int length = receive_datagram(buffer);
    if (length == -NLE_AGAIN) return {ETIMEDOUT, "no answer of the kernel"};
    if (length <= 0) return {EAGAIN, std::string("reading the answer: ") + nl_geterror(length)};
    auto* header = static_cast<nlmsghdr*>(static_cast<void*>(buffer.get()));
    for (; nlmsg_ok(header, length); header = nlmsg_next(header, &length)) {
      if (header->nlmsg_seq != sequence) continue;  // the rest of a dump that was given up
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) *interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR) return parse_ack(header);
      if (header->nlmsg_type == NLMSG_DONE) {
        int error = 0;
        if (nlmsg_datalen(header) >= static_cast<int>(sizeof error)) {
          std::memcpy(&error, nlmsg_data(header), sizeof error);
        }
        return {error < 0 ? -error : 0, {}};
      }
      visit(header);
    }
  }
}

NlSocket::Received NlSocket::receive(const Visit& visit) {
  // Nothing is there most of the times that one looks: libnl's way of finding that out begins with a buffer. An error is
  // told once.
  if (::recv(nl_socket_get_fd(socket_.get()), nullptr, 0, MSG_PEEK | MSG_DONTWAIT) < 0) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Received::Nothing : Received::Lost;
  }
  std::unique_ptr<unsigned char, void (*)(void*)> buffer(nullptr, &std::free);
  int length = receive_datagram(buffer);
  if (length == -NLE_AGAIN || length == 0) return Received::Nothing;
  if (length < 0) return Received::Lost;  // ENOBUFS, or a datagram larger than any the kernel is known to send
  auto* header = static_cast<nlmsghdr*>(static_cast<void*>(buffer.get()));
  for (; nlmsg_ok(header, length); header = nlmsg_next(header, &length)) visit(header);
  return Received::Some;
}

}  // namespace ml2::nl
