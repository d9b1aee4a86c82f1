// NlSocket and NlMessage: one rtnetlink socket, and a request being built.
//
// Where in the walk: NlKernel's own; libnl's types are only declared here.
// Threading: one owner.
// Failure: answers of the kernel are errno numbers, kept as such (libnl's own error numbers say less).
// What it does not do: no libnl callbacks (nl_recvmsgs): exceptions could not pass through them; messages are walked
//   here, so that dumps, acknowledgements and notifications are one loop each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/result.h"

struct nl_sock;
struct nl_msg;
struct nlmsghdr;
struct nlattr;

namespace ml2::nl {

// The kernel's answer; error_number 0 is success.
struct Ack {
  int error_number = 0;
  std::string detail{};  // NLMSGERR_ATTR_MSG, or what the number is about

  [[nodiscard]] bool ok() const { return error_number == 0; }
};

class NlMessage {
 public:
  // `type` is RTM_*, `flags` NLM_F_* without NLM_F_REQUEST.
  NlMessage(int type, int flags);

  // The fixed header of the type (struct ifinfomsg...), or of a nested one.
  template <class Header>
  void header(Header value) {
    append(&value, sizeof value);
  }
  void u8(int attribute, std::uint8_t value);
  void u16_be(int attribute, std::uint16_t value);  // network byte order
  void u16(int attribute, std::uint16_t value);
  void u32(int attribute, std::uint32_t value);
  void text(int attribute, std::string_view value);  // with its NUL
  void mac(int attribute, const Mac& value);
  void ip(int attribute, const IpAddress& value);
  [[nodiscard]] nlattr* begin(int attribute);
  void end(nlattr* nested);

  [[nodiscard]] nl_msg* get() const { return message_.get(); }
  // False when an attribute did not fit.
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  struct Free {
    void operator()(nl_msg* message) const;
  };
  void append(void* data, std::size_t size);
  void put(int attribute, const void* data, std::size_t size);

  std::unique_ptr<nl_msg, Free> message_;
  bool complete_ = true;
};

class NlSocket {
 public:
  using Visit = std::function<void(nlmsghdr*)>;

  // In the calling thread's network namespace.
  [[nodiscard]] static Result<NlSocket> open();

  [[nodiscard]] int fd() const;
  // Bytes; as many as the kernel lets us have.
  void set_receive_buffer(std::size_t bytes);
  void set_nonblocking();
  // Joins a multicast group (RTNLGRP_*).
  [[nodiscard]] Status join(int group);

  // Sends and waits for the acknowledgement.
  [[nodiscard]] Ack request(NlMessage& message);
  // Sends a dump request and visits each message of the answer. `*interrupted`: the tables changed meanwhile, and
  // the answer may lack entries.
  [[nodiscard]] Ack dump(NlMessage& message, const Visit& visit, bool* interrupted);

  enum class Received { Some, Nothing, Lost };
  // Visits the messages of one datagram, without waiting. Lost: notifications were dropped by the kernel.
  [[nodiscard]] Received receive(const Visit& visit);

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
  };
  explicit NlSocket(std::unique_ptr<nl_sock, Free> socket) : socket_(std::move(socket)) {}
  // One datagram from the kernel; negative: -NLE_*.
  [[nodiscard]] int receive_datagram(std::unique_ptr<unsigned char, void (*)(void*)>& buffer);
  [[nodiscard]] Ack send(NlMessage& message);

  std::unique_ptr<nl_sock, Free> socket_;
};

}  // namespace ml2::nl
