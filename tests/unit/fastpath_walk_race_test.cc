// The whole packet walk of two workers while one writer changes everything under them: ports, segments, attachments, VTEPs,
// stations, neighbours. Compiled with ThreadSanitizer in every build: no data race, nothing freed that a worker may hold,
// and the pair that nobody changes is never lost.
#include <atomic>
#include <cstdio>
#include <thread>

#include "tests/unit/fastpath_epochs.h"
#include "tests/unit/fastpath_rig.h"

namespace {

using namespace ml2::fastpath;
namespace wire = ml2::wire;
namespace vxlan = ml2::vxlan;

// Segment 1 with ports 1 and 2 stays. Ports 10-17, segments 10-13 and VTEPs 1-8 come and go with the bits of `round`.
Batch network(std::uint64_t round) {
  Batch batch;
  batch.full = true;
  batch.generation = round;
  abi::Port up = uplink(9, "02:00:00:00:00:01", "192.0.2.1");
  up.flush = static_cast<std::uint8_t>(round >> 3U);
  batch.ports.put = {access_port(1), access_port(2), up};
  batch.ports.put[0].spoof_check = 1;
  batch.allowed.put = {allowed(1, "fa:16:3e:00:00:01", "10.0.0.1", 32)};
  batch.segments.put = {segment(1, 1000)};
  batch.segments.put[0].answer_neighbours = 1;
  batch.attachments.put = {
      {.port = 1, .segment = 1}, {.port = 2, .segment = 1}, {.port = 9, .segment = 1, .vlan = 50}};
  batch.fdb.put = {fdb("fa:16:3e:00:00:01", 1, 1), fdb("fa:16:3e:00:00:02", 1, 2)};
  for (std::uint16_t i = 0; i < 8; ++i) {
    if ((round >> i & 1U) == 0) continue;
    const auto port = static_cast<std::uint16_t>(10 + i);
    const auto of = static_cast<std::uint16_t>(10 + i % 4);
    const auto id = static_cast<std::uint16_t>(1 + i);
    batch.ports.put.push_back(access_port(port));
    if (i < 4) batch.segments.put.push_back(segment(of, 2000U + of));
    if ((round >> (i % 4) & 1U) != 0) batch.attachments.put.push_back({.port = port, .segment = of});
    batch.vteps.put.push_back(vtep(id, 9, "192.0.2.1", ("192.0.2." + std::to_string(10 + i)).c_str()));
    batch.floods.put.push_back({.segment = 1, .vtep = id});
    batch.fdb.put.push_back(fdb(("fa:16:3e:00:01:0" + std::to_string(i)).c_str(), 1, 0, id));
    abi::Neighbour neighbour;
    neighbour.segment = 1;
    set_mac(neighbour.mac, "fa:16:3e:00:01:00");
    set_ip(neighbour.address, ("10.0.0." + std::to_string(100 + i)).c_str());
    batch.neighbours.put.push_back(neighbour);
  }
  return batch;
}

struct Traffic {
  PortIndex from;
  Bytes frame;
};

std::vector<Traffic> traffic() {
  std::vector<Traffic> all = {{1, ipv4_frame("fa:16:3e:00:00:02", "fa:16:3e:00:00:01")},
                              {1, ipv4_frame("ff:ff:ff:ff:ff:ff", "fa:16:3e:00:00:01")},
                              {9, with_tag(ipv4_frame("fa:16:3e:00:00:02", "fa:16:3e:00:00:05"), 50)}};
  for (int i = 0; i < 8; ++i) {
    const std::string station = "fa:16:3e:00:01:0" + std::to_string(i);
    const std::string remote = "192.0.2." + std::to_string(10 + i);
    all.push_back({2, ipv4_frame(station.c_str(), "fa:16:3e:00:00:02")});
    all.push_back({static_cast<PortIndex>(10 + i), ipv4_frame("fa:16:3e:00:00:02", station.c_str())});
    all.push_back({9, tunnel_packet(ipv4_frame("fa:16:3e:00:00:02", station.c_str()), 1000, remote.c_str())});
    all.push_back(
        {9, tunnel_packet(ipv4_frame("ff:ff:ff:ff:ff:ff", station.c_str()), 2010U + i % 4, remote.c_str())});
    Bytes arp(60);
    set_mac(arp.data(), "ff:ff:ff:ff:ff:ff");
    set_mac(arp.data() + 6, "fa:16:3e:00:00:02");
    const Bytes head = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
    std::copy(head.begin(), head.end(), arp.begin() + 12);
    arp[28] = arp[38] = 10;
    arp[31] = 2;
    arp[41] = static_cast<std::uint8_t>(100 + i);
    all.push_back({2, arp});
  }
  return all;
}

// A worker: bursts of one kind of frame after the other, copies into memory of its own.
class Work : private Sink {
 public:
  Work(const Tables& tables, Epochs& epochs, std::size_t who, const std::atomic<bool>& stop)
      : tables_(tables), epochs_(epochs), who_(who), stop_(stop) {
    copy = [](Sink* sink, const Frame& from, std::uint16_t, Frame* to) {
      auto* work = static_cast<Work*>(sink);
      std::uint8_t* at = work->copies_.data() + work->next_copy_++ % 64 * kSlot + kRoom;
      std::memcpy(at, from.data, from.length);
      to->start(at, from.length, kRoom, nullptr);
      return true;
    };
    send = [](Sink*, const Frame&) {};
  }
  void run() {
    const std::vector<Traffic> all = traffic();
    Walk walk{};
    walk.tables = &tables_;
    walk.counters = counters_.get();
    walk.sink = this;
    Frame frames[8];
    for (std::size_t turn = 0; !stop_.load(std::memory_order_relaxed); ++turn) {
      const Traffic& now = all[turn % all.size()];
      for (std::size_t i = 0; i < 8; ++i) {
        std::uint8_t* at = frames_.data() + i * kSlot + kRoom;
        std::memcpy(at, now.frame.data(), now.frame.size());
        frames[i].start(at, static_cast<std::uint32_t>(now.frame.size()), kRoom, nullptr);
      }
      scalar_walk(walk, now.from, frames, 8);
      if (turn % all.size() == 0) {
        for (const Frame& frame : frames) ML2_CHECK(frame.port == 2, "between two that stay nothing is lost");
        kept += 8;
      }
      epochs_.quiescent(who_);
    }
  }
  static void scalar_walk(Walk& walk, PortIndex from, Frame* frames, unsigned count);
  std::atomic<std::uint64_t> kept{0};

 private:
  static constexpr std::size_t kSlot = 512;
  static constexpr std::size_t kRoom = 192;
  const Tables& tables_;
  Epochs& epochs_;
  const std::size_t who_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<Counters> counters_ = std::make_unique<Counters>();
  std::vector<std::uint8_t> frames_ = std::vector<std::uint8_t>(8 * kSlot);
  std::vector<std::uint8_t> copies_ = std::vector<std::uint8_t>(64 * kSlot);
  std::size_t next_copy_ = 0;
};

}  // namespace

namespace ml2::fastpath::scalar {
void walk_burst(Walk& walk, PortIndex from, Frame* frames, unsigned count);
}
void Work::scalar_walk(Walk& walk, PortIndex from, Frame* frames, unsigned count) {
  ml2::fastpath::scalar::walk_burst(walk, from, frames, count);
}

int main() {
  Epochs grace;
  FakeDevices devices;
  Program program(grace, devices, 0x123456789abcdef1ULL);
  ML2_CHECK(program.apply(network(0)).refused.empty(), "the network makes sense");
  std::atomic<bool> stop{false};
  Work one(program.tables(), grace, 0, stop);
  Work two(program.tables(), grace, 1, stop);
  std::thread first([&one] { one.run(); });
  std::thread second([&two] { two.run(); });
  std::uint64_t random = 88172645463325252ULL;
  for (std::uint64_t round = 1; round < 400 || one.kept.load() < 2000 || two.kept.load() < 2000; ++round) {
    random ^= random << 13U;
    random ^= random >> 7U;
    random ^= random << 17U;
    program.apply(network(random >> 20U));
    // And small ones: a station moves, another is forgotten.
    Batch delta;
    delta.fdb.put = {fdb("fa:16:3e:00:00:07", 1, round % 2 == 0 ? 1 : 2)};
    if (round % 3 == 0) delta.fdb.remove = delta.fdb.put;
    program.apply(std::move(delta));
    program.reclaim();
  }
  stop.store(true);
  first.join();
  second.join();
  std::printf("%llu frames between two that stay, none lost\n",
              static_cast<unsigned long long>(one.kept.load() + two.kept.load()));
  return 0;
}
