// Any messages on the fast path's control socket: none crashes it, each that asks is answered, and the digests stay the sums
// of what is there.
#include <cstddef>
#include <cstdint>
#include <set>

#include "dpdk/process/control.h"
#include "tests/unit/fastpath_rig.h"

namespace {

// Always has a frame.
class Frames final : public ml2::fastpath::capture::Source {
 public:
  ml2::Status start(const ml2::fastpath::capture::Filter&) override {
    if (running) return ml2::conflict("capture: another one is under way");
    running = true;
    return {};
  }
  void stop() override { running = false; }
  void drain(std::uint64_t limit, const std::function<void(const ml2::fastpath::capture::Captured&)>& take) override {
    ml2::fastpath::capture::Captured captured;
    captured.kept = 0;
    if (limit != 0) take(captured);
  }
  [[nodiscard]] std::uint64_t lost() const override { return 0; }
  bool running = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ml2::fastpath;
  static NoReaders grace;
  static FakeDevices devices;
  static Program program(grace, devices, 1);
  static const auto counters = std::make_unique<Counters>();
  ControlParts parts;
  parts.program = &program;
  parts.process_members = [] { return std::string("\"pid\":1"); };
  parts.port_members = [](std::uint16_t) { return std::string("\"link\":\"up\""); };
  parts.link_trouble = [](std::uint16_t port) { return std::string(port % 2 == 0 ? "" : "its link is down"); };
  parts.counters = [] { return std::vector<const Counters*>{counters.get()}; };
  parts.walk = walk_function(Isa::Scalar);
  static Frames frames;
  parts.capture = &frames;
  Conversation conversation(parts);

  // The input is messages, each with a length of two bytes before it; magic and version are put right, so that it gets further
  // than the first check, unless the length's highest bit says to leave them.
  while (size >= 2) {
    const bool as_it_is = (data[1] & 0x80U) != 0;
    const std::size_t length = std::min<std::size_t>(size - 2, data[0] | (data[1] & 0x7fU) << 8U);
    std::vector<std::uint8_t> message(data + 2, data + 2 + length);
    data += 2 + length;
    size -= 2 + length;
    if (!as_it_is && message.size() >= sizeof(abi::Header)) {
      std::memcpy(message.data(), &abi::kMagic, sizeof(abi::kMagic));
      std::memcpy(message.data() + 4, &abi::kVersion, sizeof(abi::kVersion));
    }
    const bool goes_on = conversation.handle(message, [](std::span<const std::uint8_t> answer) {
      ML2_CHECK(answer.size() >= sizeof(abi::Header) && answer.size() <= abi::kMaxMessage, "an answer is a message");
    });
    if (!goes_on) break;
    ML2_CHECK(conversation.captures() == frames.running, "a capture belongs to its conversation");
    conversation.pump([](std::span<const std::uint8_t> answer) {
      ML2_CHECK(answer.size() <= abi::kMaxMessage, "an answer is a message");
    });
  }
  abi::Digest sum;
  std::uint64_t entries = 0;
  program.for_each_fdb([&](const abi::Fdb& record) {
    abi::add(sum, abi::digest(record));
    ++entries;
    return true;
  });
  const abi::State state = program.state();
  ML2_CHECK(state.digests[7] == sum && state.entries[7] == entries, "the FDB's digest is the sum of its entries");
  // A port in the tables has a device, and the other way round.
  std::set<std::uint16_t> open;
  for (const auto& [id, devargs] : devices.opened) open.insert(id);
  std::set<std::uint16_t> known;
  for (const auto& [id, record] : program.ports()) known.insert(id);
  ML2_CHECK(open == known, "ports and devices agree");
  // The next input starts from nothing again, which a full generation of nothing is.
  Batch nothing;
  nothing.full = true;
  program.apply(std::move(nothing));
  const abi::State empty = program.state();
  for (std::size_t kind = 1; kind < abi::kKinds; ++kind)
    ML2_CHECK(empty.entries[kind] == 0 && empty.digests[kind] == abi::Digest(), "nothing is left");
  ML2_CHECK(devices.opened.empty(), "no device is left");
  return 0;
}
