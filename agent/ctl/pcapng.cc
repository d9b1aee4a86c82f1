#include "agent/ctl/pcapng.h"

#include <cstring>

namespace ml2::ctl {

namespace {

constexpr std::uint32_t kSection = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint16_t kComment = 1;               // options: opt_comment
constexpr std::uint16_t kSectionApplication = 4;    // shb_userappl
constexpr std::uint16_t kInterfaceName = 2;         // if_name
constexpr std::uint16_t kInterfaceDescription = 3;  // if_description
constexpr std::uint16_t kInterfaceResolution = 9;   // if_tsresol
constexpr std::uint16_t kPacketFlags = 2;           // epb_flags

// In the machine's own byte order, as the section's first word tells.
template <class Word>
void put(std::string& to, Word word) {
  char bytes[sizeof(word)];
  std::memcpy(bytes, &word, sizeof(word));
  to.append(bytes, sizeof(bytes));
}

void pad(std::string& to) { to.append((4 - to.size() % 4) % 4, '\0'); }

void put_option(std::string& to, std::uint16_t code, const std::string& value) {
  const std::string text = value.substr(0, 0xffff);
  put(to, code);
  put(to, static_cast<std::uint16_t>(text.size()));
  to += text;
  pad(to);
}

void end_options(std::string& to) { put(to, std::uint32_t{0}); }

// `body` is a multiple of four.
std::string block(std::uint32_t type, const std::string& body) {
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  std::string out;
  put(out, type);
  put(out, length);
  out += body;
  put(out, length);
  return out;
}

}  // namespace

std::string Pcapng::header(const std::string& application) {
  std::string body;
  put(body, std::uint32_t{0x1a2b3c4d});  // byte order
  put(body, std::uint16_t{1});           // version 1.0
  put(body, std::uint16_t{0});
  put(body, ~std::uint64_t{0});  // the section's length: not known
  put_option(body, kSectionApplication, application);
  end_options(body);
  return block(kSection, body);
}

std::string Pcapng::add_interface(std::uint32_t key, const std::string& name, const std::string& description) {
  interfaces_.emplace(key, static_cast<std::uint32_t>(interfaces_.size()));
  std::string body;
  put(body, std::uint16_t{1});  // LINKTYPE_ETHERNET
  put(body, std::uint16_t{0});
  put(body, std::uint32_t{0});  // no limit
  put_option(body, kInterfaceName, name);
  if (!description.empty()) put_option(body, kInterfaceDescription, description);
  put_option(body, kInterfaceResolution, std::string(1, '\x09'));
  end_options(body);
  return block(kInterface, body);
}

std::string Pcapng::frame(const PcapngFrame& frame) const {
  std::string body;
  put(body, interfaces_.at(frame.interface));
  put(body, static_cast<std::uint32_t>(frame.time_ns >> 32U));
  put(body, static_cast<std::uint32_t>(frame.time_ns));
  put(body, static_cast<std::uint32_t>(frame.bytes.size()));
  put(body, frame.length);
  body += frame.bytes;
  pad(body);
  std::string flags;
  put(flags, std::uint32_t{frame.out ? 2U : 1U});
  put_option(body, kPacketFlags, flags);
  if (!frame.comment.empty()) put_option(body, kComment, frame.comment);
  end_options(body);
  return block(kEnhancedPacket, body);
}

}  // namespace ml2::ctl
