// fastpath_inside_bench: a worker polled from within, one round after the other, on the thread that also plays its peers:
//   what cannot be seen from outside of the process.
//
//   latency/WORK    microseconds from the end of the receiving driver's work to the beginning of the sending one's, at
//                   saturation (the generator's load, fastpath_generator.cc, into net_null), 10k MACs: p50 and p99 of all frames
//   vhost-in/WORK   a guest (virtio-user) sends, the worker receives on vhost-user, pushes a VLAN tag, sends into net_null
//   vhost-out/WORK  the other way: the generator's load, the tag taken off, into the guest; both ends on this one thread, in
//                   Mpps per CPU second of all of it. Peer: io, the same ends with nothing between receiving and sending
//
// Usage: fastpath_inside_bench CORE DIRECTORY [ROUNDS]; JSON lines on stdout; files in DIRECTORY are removed again.
#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "dpdk/process/devices.h"
#include "tests/bench/fastpath_eal.h"
#include "tests/bench/fastpath_works.h"

namespace {

using namespace ml2;
using namespace ml2::fastpath;
using namespace ml2::fastpath::works;

constexpr std::uint32_t kEntries = 10'000;

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Beside this program, as scripts/bench builds both.
std::string generator() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "fastpath_generator.so").string();
}

// The load of a work as a device, and the file that the device reads while it is made.
class Load {
 public:
  Load(const std::string& directory, const std::string& work) : path_(directory + "/inside.frame") {
    const Bytes frame = frame_of(work, 0);
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(frame.size()));
  }
  ~Load() { ::unlink(path_.c_str()); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  [[nodiscard]] std::string devargs() const {
    return fmt::format("{},frame={},macs={},vteps={}", kDevice, path_, kEntries, kVteps);
  }
  static constexpr const char* kDevice = "net_ml2gen0";

 private:
  std::string path_;
};

// A whole fast path with one worker that nobody runs but us.
class Inside {
 public:
  explicit Inside(rte_mempool* buffers) {
    shared_.walk = walk_function(best_isa());
    shared_.buffers = buffers;
    shared_.quiescent = static_cast<rte_rcu_qsbr*>(rte_zmalloc("q", rte_rcu_qsbr_get_memsize(1), 64));
    ML2_CHECK(shared_.quiescent != nullptr && rte_rcu_qsbr_init(shared_.quiescent, 1) == 0, "memory");
    quiescent_ = std::make_unique<QuiescentStates>(shared_.quiescent);
    devices_ = std::make_unique<Devices>(shared_, *quiescent_, workers_);
    program_ = std::make_unique<Program>(*quiescent_, *devices_, 0x123456789abcdef1ULL);
    shared_.tables = &program_->tables();
    workers_.push_back(std::make_unique<Worker>(shared_, 0));
  }
  ~Inside() {
    Batch nothing;
    nothing.full = true;
    program_->apply(std::move(nothing));
    program_.reset();
    devices_.reset();
    workers_.clear();
    rte_free(shared_.quiescent);
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  void apply(Batch batch, const std::string& vm, const std::string& up) {
    for (abi::Port& port : batch.ports.put) {
      const std::string& devargs = port.id == 1 ? vm : up;
      std::copy(devargs.begin(), devargs.end(), port.devargs);
    }
    const Applied applied = program_->apply(std::move(batch));
    for (const std::string& sentence : applied.refused) fmt::print(stderr, "{}\n", sentence);
    ML2_CHECK(applied.refused.empty(), "the bench's network is accepted");
  }
  void poll() { workers_.front()->poll(); }
  [[nodiscard]] std::uint64_t sent(PortIndex port) const {
    return workers_.front()->counters().ports[port].sent.packets;
  }

 private:
  Shared shared_;
  std::unique_ptr<QuiescentStates> quiescent_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Devices> devices_;
  std::unique_ptr<Program> program_;
};

std::uint16_t ethdev(const std::string& name) {
  std::uint16_t id = 0;
  ML2_CHECK(rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0, "the device is there");
  return id;
}

// --- latency

struct Stamps {
  int offset = 0;
  bool counting = false;
  std::vector<std::uint32_t> histogram = std::vector<std::uint32_t>(1U << 16U);  // by cycles / 16
};

std::uint16_t stamp(std::uint16_t, std::uint16_t, rte_mbuf** packets, std::uint16_t count, std::uint16_t,
                    void* argument) {
  const auto* stamps = static_cast<const Stamps*>(argument);
  const std::uint64_t now = rte_rdtsc();
  for (unsigned i = 0; i < count; ++i) *RTE_MBUF_DYNFIELD(packets[i], stamps->offset, std::uint64_t*) = now;
  return count;
}

std::uint16_t read_stamps(std::uint16_t, std::uint16_t, rte_mbuf** packets, std::uint16_t count, void* argument) {
  auto* stamps = static_cast<Stamps*>(argument);
  const std::uint64_t now = rte_rdtsc();
  for (unsigned i = 0; stamps->counting && i < count; ++i) {
    const std::uint64_t cycles = now - *RTE_MBUF_DYNFIELD(packets[i], stamps->offset, std::uint64_t*);
    ++stamps->histogram[std::min<std::uint64_t>(cycles / 16, stamps->histogram.size() - 1)];
  }
  return count;
}

double percentile(const Stamps& stamps, double part) {
  std::uint64_t all = 0;
  for (const std::uint32_t count : stamps.histogram) all += count;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < stamps.histogram.size(); ++i) {
    below += stamps.histogram[i];
    if (static_cast<double>(below) >= part * static_cast<double>(all))
      return static_cast<double>(i + 1) * 16 * 1e6 / static_cast<double>(rte_get_tsc_hz());
  }
  return 0;
}

void latency(rte_mempool* buffers, const std::string& directory, int offset, unsigned rounds) {
  for (const std::string work : {"vlan-push", "vlan-pop", "encap", "decap"}) {
    const Load load(directory, work);
    Stamps stamps;
    stamps.offset = offset;
    Inside inside(buffers);
    const std::string source = load.devargs();
    const std::string sink = "net_null0,no-rx=1";
    const bool from_vm = source_of(work) == 1;
    inside.apply(batch_of(work, kEntries), from_vm ? source : sink, from_vm ? sink : source);
    const auto* in = rte_eth_add_rx_callback(ethdev(Load::kDevice), 0, stamp, &stamps);
    const auto* out = rte_eth_add_tx_callback(ethdev("net_null0"), 0, read_stamps, &stamps);
    ML2_CHECK(in != nullptr && out != nullptr, "callbacks");
    for (unsigned i = 0; i < 20'000; ++i) inside.poll();
    std::vector<double> p50;
    std::vector<double> p99;
    for (unsigned round = 0; round < rounds; ++round) {
      std::fill(stamps.histogram.begin(), stamps.histogram.end(), 0U);
      stamps.counting = true;
      for (unsigned i = 0; i < 200'000; ++i) inside.poll();
      stamps.counting = false;
      p50.push_back(percentile(stamps, 0.50));
      p99.push_back(percentile(stamps, 0.99));
    }
    fmt::print(
        "{{\"bench\":\"fastpath\",\"case\":\"latency/{0}\",\"metric\":\"p50\",\"value\":{1:.3f},\"unit\":\"us\"}}\n"
        "{{\"bench\":\"fastpath\",\"case\":\"latency/{0}\",\"metric\":\"p99\",\"value\":{2:.3f},\"unit\":\"us\"}}\n",
        work, median(p50), median(p99));
    std::fflush(stdout);
    rte_eth_remove_rx_callback(ethdev(Load::kDevice), 0, in);
    rte_eth_remove_tx_callback(ethdev("net_null0"), 0, out);
  }
}

// --- vhost-user

// The guest's end: virtio-user on the fast path's socket.
class Guest {
 public:
  Guest(const std::string& socket, rte_mempool* buffers) : buffers_(buffers) {
    ML2_CHECK(rte_vdev_init("net_virtio_user0", ("path=" + socket + ",queue_size=1024").c_str()) == 0,
              "the guest's device");
    id_ = ethdev("net_virtio_user0");
    rte_eth_conf conf{};
    ML2_CHECK(rte_eth_dev_configure(id_, 1, 1, &conf) == 0 &&
                  rte_eth_rx_queue_setup(id_, 0, 1024, 0, nullptr, buffers) == 0 &&
                  rte_eth_tx_queue_setup(id_, 0, 1024, 0, nullptr) == 0 && rte_eth_dev_start(id_) == 0,
              "the guest starts");
  }
  ~Guest() {
    rte_eth_dev_stop(id_);
    rte_eth_dev_close(id_);
    rte_vdev_uninit("net_virtio_user0");
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  void send(const std::vector<Bytes>& frames, std::size_t& next) {
    rte_mbuf* packets[kBurst];
    if (rte_pktmbuf_alloc_bulk(buffers_, packets, kBurst) != 0) return;
    for (rte_mbuf* packet : packets) {
      const Bytes& frame = frames[next++ % frames.size()];
      std::memcpy(rte_pktmbuf_mtod(packet, void*), frame.data(), frame.size());
      packet->data_len = static_cast<std::uint16_t>(frame.size());
      packet->pkt_len = packet->data_len;
    }
    const std::uint16_t sent = rte_eth_tx_burst(id_, 0, packets, kBurst);
    if (sent != kBurst) rte_pktmbuf_free_bulk(packets + sent, kBurst - sent);
  }
  std::uint64_t receive() {
    rte_mbuf* packets[kBurst];
    const std::uint16_t count = rte_eth_rx_burst(id_, 0, packets, kBurst);
    rte_pktmbuf_free_bulk(packets, count);
    return count;
  }

 private:
  rte_mempool* buffers_;
  std::uint16_t id_ = 0;
};

void vhost(rte_mempool* buffers, rte_mempool* guests, const std::string& directory, unsigned rounds) {
  for (const bool inwards : {true, false}) {
    const std::string work = inwards ? "vlan-push" : "vlan-pop";
    const std::string socket = directory + "/inside.sock";
    const Load load(directory, work);
    ::unlink(socket.c_str());
    Inside inside(buffers);
    inside.apply(batch_of(work, kEntries), "net_vhost0,iface=" + socket,
                 inwards ? "net_null0,no-rx=1" : load.devargs());
    Guest guest(socket, guests);
    std::vector<Bytes> frames;
    for (std::uint32_t i = 0; i < kEntries; ++i) frames.push_back(frame_of("vlan-push", i));
    std::size_t next = 0;
    const std::uint16_t from = ethdev(inwards ? "net_vhost0" : Load::kDevice);
    const std::uint16_t to = ethdev(inwards ? "net_null0" : "net_vhost0");
    const PortIndex out = inwards ? 9 : 1;
    // One turn: packets that arrived, per CPU second.
    const auto turn = [&](bool walked, unsigned bursts) {
      const double begun = cpu_seconds();
      const std::uint64_t before = inside.sent(out);
      std::uint64_t arrived = 0;
      for (unsigned i = 0; i < bursts; ++i) {
        if (inwards) guest.send(frames, next);
        if (walked) {
          inside.poll();
        } else {
          rte_mbuf* packets[kBurst];
          const std::uint16_t count = rte_eth_rx_burst(from, 0, packets, kBurst);
          const std::uint16_t sent = rte_eth_tx_burst(to, 0, packets, count);
          rte_pktmbuf_free_bulk(packets + sent, static_cast<unsigned>(count - sent));
          if (inwards) arrived += sent;
        }
        if (!inwards) arrived += guest.receive();
      }
      if (inwards && walked) arrived = inside.sent(out) - before;
      return static_cast<double>(arrived) / (cpu_seconds() - begun) / 1e6;
    };
    // The two ends agree on their queues in threads of the library: until frames arrive.
    for (unsigned tries = 0; turn(true, 100) == 0; ++tries) {
      ML2_CHECK(tries < 1000, "frames arrive through vhost-user");
      ::usleep(10'000);
    }
    std::vector<double> ours;
    std::vector<double> io;
    for (unsigned round = 0; round < rounds; ++round) {
      ours.push_back(turn(true, 100'000));
      io.push_back(turn(false, 100'000));
    }
    fmt::print(
        "{{\"bench\":\"fastpath\",\"case\":\"vhost-{}/{}\",\"metric\":\"mpps_per_cpu\",\"value\":{:.3f},\"unit\":"
        "\"Mpps/CPU-s\",\"peer\":\"io\",\"peer_value\":{:.3f},\"ratio\":{:.3f}}}\n",
        inwards ? "in" : "out", work, median(ours), median(io), median(ours) / median(io));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: fastpath_inside_bench CORE DIRECTORY [ROUNDS]\n");
    return 2;
  }
  const std::string directory = argv[2];
  const unsigned rounds = argc > 3 ? static_cast<unsigned>(std::max(std::atoi(argv[3]), 1)) : 3;
  if (!start_eal("fastpath_inside_bench", {"--single-file-segments", "--log-level=pmd.*:error",
                                           std::string("--lcores=0@") + argv[1], "-d", generator()})) {
    return 1;
  }
  rte_mempool* buffers = rte_pktmbuf_pool_create("frames", 40959, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  rte_mempool* guests = rte_pktmbuf_pool_create("guests", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  ML2_CHECK(buffers != nullptr && guests != nullptr, "memory for buffers");
  const rte_mbuf_dynfield field{.name = "bench_stamp", .size = 8, .align = 8, .flags = 0};
  const int offset = rte_mbuf_dynfield_register(&field);
  ML2_CHECK(offset >= 0, "room for a stamp");
  latency(buffers, directory, offset, rounds);
  vhost(buffers, guests, directory, rounds);
  return 0;
}
