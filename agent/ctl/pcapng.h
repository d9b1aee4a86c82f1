// pcapng: writes captured frames as a pcapng file (draft-ietf-opsawg-pcapng), which Wireshark and tcpdump read.
//
// Where in the walk: `ml2ctl fastpath capture`.
// Threading: values.
// Failure: none: it makes bytes; who writes them looks to errors.
// What it does not do: no reading; one section, Ethernet only, nanoseconds.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ml2::ctl {

struct PcapngFrame {
  std::uint64_t time_ns = 0;  // since 1970
  std::uint32_t interface = 0;
  bool out = false;
  std::uint32_t length = 0;  // on the wire
  std::string bytes;         // as many of them as were kept
  std::string comment;       // empty: none
};

class Pcapng {
 public:
  // What begins the file.
  [[nodiscard]] static std::string header(const std::string& application);
  // An interface, known by `key` from here on: its number counts from 0 in the order of these blocks.
  [[nodiscard]] std::string add_interface(std::uint32_t key, const std::string& name, const std::string& description);
  [[nodiscard]] bool has_interface(std::uint32_t key) const { return interfaces_.contains(key); }
  // A frame of an interface that was added (frame.interface is its key).
  [[nodiscard]] std::string frame(const PcapngFrame& frame) const;

 private:
  std::map<std::uint32_t, std::uint32_t> interfaces_;
};

}  // namespace ml2::ctl
