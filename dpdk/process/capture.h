// capture: frames as they are received and sent, for somebody who looks: which ones (Filter), and what is told of each.
//
// What it is: the filter's words, the test of a frame, and the row that a captured frame becomes. rte_pdump is not used: it
//   works only from a second process that shares memory with this one (--in-memory has none), has no filter by segment, and
//   does not know why a frame was dropped. So workers copy what matches into buffers, the control thread makes rows of them,
//   and ml2ctl writes the pcapng file.
// Where in the walk: before it (frames in, with what became of them) and behind it (frames out, with what a device did not take).
//   A copy that a flood could not make, or had to drop, is a row of its own, as of the port that the frame came from.
// Threading: a Filter does not change while workers have it; CaptureSource is the control thread's.
// Failure: a word that is not known or a value that does not fit is a sentence. When buffers are short frames are lost to the
//   capture, not to their receivers, and counted.
// What it does not do: one capture at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "datapath/base/result.h"
#include "dpdk/walk/frame.h"

namespace ml2::fastpath::capture {

inline constexpr std::uint32_t kBytes = 2048;  // kept of a frame at most

enum class Direction : std::uint8_t { In, Out };

// What is asked for; all of it must hold.
struct Filter {
  std::optional<PortIndex> port;
  std::optional<SegmentIndex> segment;
  std::optional<std::uint64_t> mac;        // source or destination, of the frame or of the one within VXLAN
  std::optional<std::uint16_t> ethertype;  // behind tags
  bool has_address = false;
  bool ipv6 = false;
  std::uint8_t address[16] = {};  // of IP or ARP, source or destination
  std::optional<Direction> direction;
  bool dropped = false;     // only frames that were dropped
  std::uint64_t count = 0;  // ends after so many; 0: does not
  std::uint32_t bytes = kBytes;

  // "port=3 segment=5 mac=... ip=... ethertype=0x0806 direction=in dropped count=10 snaplen=128"
  [[nodiscard]] static Result<Filter> parse(std::string_view words);
};

// Which segment a frame at a port belongs to; 0: none. As the walk finds it, without a judgement.
[[nodiscard]] SegmentIndex segment_of(const Tables& tables, PortIndex port, const std::uint8_t* data,
                                      std::size_t length);
// All but `dropped` and `count`. `data`: the first `length` bytes.
[[nodiscard]] bool matches(const Filter& filter, const Tables& tables, PortIndex port, Direction direction,
                           const std::uint8_t* data, std::size_t length);

// A captured frame.
struct Captured {
  static constexpr std::uint8_t kNotDropped = 0xff;
  std::uint64_t time_ns = 0;  // since 1970
  std::uint32_t length = 0;   // of the frame
  std::uint32_t kept = 0;     // of `bytes`
  PortIndex port = 0;
  SegmentIndex segment = 0;
  Direction direction = Direction::In;
  std::uint8_t drop = kNotDropped;
  std::uint8_t bytes[kBytes];
};
[[nodiscard]] std::string row_of(const Captured& captured);

// Where captured frames come from: the workers, or a test.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual Status start(const Filter& filter) = 0;
  virtual void stop() = 0;
  // Gives what was captured since, at most `limit` frames.
  virtual void drain(std::uint64_t limit, const std::function<void(const Captured&)>& take) = 0;
  // Frames that matched and found no buffer.
  [[nodiscard]] virtual std::uint64_t lost() const = 0;
};

}  // namespace ml2::fastpath::capture
