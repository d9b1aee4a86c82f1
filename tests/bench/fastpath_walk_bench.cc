// fastpath_walk_bench: the packet walk alone, without DPDK: nanoseconds of CPU time per frame, by work, size and
//   instruction set; for finding out what a change to the walk or the tables costs or saves.
//
// Each burst is copied into the same 32 buffers, as a NIC would fill them, and walked; what the copying takes is measured
// by itself in the same turn and taken off. The frames that are copied are 64, one per VTEP, which the first cache holds; each
// copy is sent to another station, in no order: so a size costs what the tables cost, and not what the frames' memory does.
// What a port has in use (anti-spoofing, ARP answered, counters) is on.
// Usage: fastpath_walk_bench [WORK/SIZE] [ISA] [ROUNDS]; JSON lines on stdout.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/bench/fastpath_works.h"

namespace {

using namespace ml2;
using namespace ml2::fastpath;
using namespace ml2::fastpath::works;

constexpr std::size_t kRoom = 128;
constexpr std::size_t kSlot = 256;
// As far apart as DPDK's buffers; a power of two would have the frames in few of the cache's sets.
constexpr std::size_t kBuffer = 2368;

// Nowhere: the works have no broadcasts.
struct NoSink : Sink {
  NoSink() {
    copy = [](Sink*, const Frame&, std::uint16_t, Frame*) { return false; };
    send = [](Sink*, const Frame&) {};
  }
};

double cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const std::string& work, const std::string& size, std::uint32_t entries, Isa isa, unsigned rounds) {
  NoReaders grace;
  FakeDevices devices;
  Program program(grace, devices, 0xd1342543de82ef95ULL);
  const Applied applied = program.apply(batch_of(work, entries));
  ML2_CHECK(applied.refused.empty(), "the bench's records make sense");

  std::vector<std::uint8_t> load(kVteps * kSlot);
  const std::size_t length = frame_of(work, 0).size();
  // Where the station's address is: in front, or behind the outer header.
  const std::size_t inner = work == "decap" ? vxlan::kOverheadV4 : 0;
  for (std::uint32_t i = 0; i < kVteps; ++i) {
    const Bytes frame = frame_of(work, i);
    std::copy(frame.begin(), frame.end(), load.begin() + static_cast<std::ptrdiff_t>(i * kSlot));
  }
  const auto counters = std::make_unique<Counters>();
  NoSink sink;
  Walk walk{&program.tables(), counters.get(), &sink};
  const WalkFunction function = walk_function(isa);
  const PortIndex from = source_of(work);
  struct alignas(64) Line {
    std::uint8_t bytes[64];
  };
  std::vector<Line> lines(kBurst * kBuffer / sizeof(Line));
  std::uint8_t* const buffers = lines.front().bytes;
  Frame frames[kBurst];
  std::uint64_t arrived = 0;
  const unsigned bursts = 60'000;
  const auto turn = [&](bool walked) {
    std::uint32_t next = 0;
    const double begun = cpu_ns();
    for (unsigned burst = 0; burst < bursts; ++burst) {
      for (unsigned i = 0; i < kBurst; ++i) {
        std::uint8_t* to = buffers + i * kBuffer + kRoom;
        const std::uint64_t which = (std::uint64_t{next++ * 2654435761U} * entries) >> 32U;
        // One flow where there is one station; else a frame of any VTEP.
        std::memcpy(to, load.data() + (entries == 1 ? 0 : which % kVteps * kSlot), 128);
        to[inner + 3] = static_cast<std::uint8_t>(which >> 16U);
        wire::store16(to + inner + 4, static_cast<std::uint16_t>(which));
        frames[i].start(to, static_cast<std::uint32_t>(length), kRoom, nullptr);
      }
      if (walked) function(walk, from, frames, kBurst);
      for (const Frame& frame : frames) arrived += frame.port != kNoPort;
    }
    return (cpu_ns() - begun) / bursts / kBurst;
  };
  std::vector<double> values;
  for (unsigned round = 0; round < rounds; ++round) {
    const double bare = turn(false);
    values.push_back(turn(true) - bare);
  }
  ML2_CHECK(arrived == std::uint64_t{rounds} * bursts * kBurst, "every frame arrives");
  std::string all;
  for (const double value : values) all += fmt::format("{}{:.2f}", all.empty() ? "" : ",", value);
  fmt::print(
      "{{\"bench\":\"fastpath-walk\",\"case\":\"{}/{}\",\"metric\":\"ns_per_frame\",\"value\":{:.2f},\"unit\":\"ns\","
      "\"isa\":\"{}\",\"values\":[{}]}}\n",
      work, size, median(values), to_string(isa), all);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  const std::string isa = argc > 2 ? argv[2] : "";
  const unsigned rounds = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 5;
  const std::vector<std::pair<std::string, std::uint32_t>> sizes = {
      {"1", 1}, {"10k", 10'000}, {"100k", 100'000}, {"1M", 1'000'000}};
  for (const std::string work : {"vlan-push", "vlan-pop", "encap", "decap"}) {
    for (const auto& [size, entries] : sizes) {
      if (!wanted.empty() && wanted != work && wanted != work + "/" + size) continue;
      for (const Isa one : supported_isas())
        if (isa.empty() ? one == best_isa() : isa == to_string(one))
          measure(work, size, entries, one, std::max(rounds, 1U));
    }
  }
  return 0;
}
