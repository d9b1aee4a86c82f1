// packet: several messages in one packet of the control socket.
//
// Where in the walk: both ends of the socket put small messages together with it (Header::next).
// Threading: values.
// Failure: add() answers false when the message does not fit any more.
// What it does not do: it does not look into messages, and sends nothing.
#pragma once

#include <span>
#include <vector>

#include "dpdk/abi/messages.h"

namespace ml2::fastpath::abi {

class Packet {
 public:
  // `message`: a header and its body.
  [[nodiscard]] bool add(std::span<const std::uint8_t> message) {
    if (message.size() < sizeof(Header) || bytes_.size() + message.size() > kMaxMessage) return false;
    if (!bytes_.empty()) {
      const auto next = static_cast<std::uint32_t>(bytes_.size() - last_);
      std::memcpy(bytes_.data() + last_ + offsetof(Header, next), &next, sizeof(next));
    }
    last_ = bytes_.size();
    bytes_.insert(bytes_.end(), message.begin(), message.end());
    return true;
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }
  void clear() {
    bytes_.clear();
    last_ = 0;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t last_ = 0;  // where the last message begins
};

// Whether a packet that came says that it has more than one.
[[nodiscard]] inline bool holds_several(std::span<const std::uint8_t> packet) {
  Header header;
  if (packet.size() < sizeof(header)) return false;
  std::memcpy(&header, packet.data(), sizeof(header));
  return header.next != 0;
}

}  // namespace ml2::fastpath::abi
