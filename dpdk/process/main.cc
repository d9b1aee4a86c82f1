// ml2-fastpath: EAL, workers, control socket; see dpdk/process/*.h and ARCHITECTURE.md, "The fast path".
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_version.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <random>

#include "agent/config/environment.h"
#include "datapath/base/log.h"
#include "datapath/base/notify_socket.h"
#include "dpdk/process/control.h"
#include "dpdk/process/devices.h"
#include "dpdk/process/driver.h"
#include "dpdk/process/options.h"

namespace ml2::fastpath {
namespace {

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32U | device();
}

int launch(void* worker) {
  static_cast<Worker*>(worker)->run();
  return 0;
}

int run(const Options& options, Isa isa, const NotifySocket& service) {
  // Before any thread starts, so that all have the signals blocked too.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const UniqueFd signal(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));

  // Sockets that DPDK makes (vhost-user, server mode): for our user and group, QEMU's group perhaps.
  ::umask(0117);
  Shared shared;
  std::vector<std::string> words = eal_arguments(options);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0) {
    log::err("fastpath", "DPDK does not start: {}; without huge pages, try --no-huge", rte_strerror(rte_errno));
    return 1;
  }
  const auto workers_count = static_cast<unsigned>(options.cores.size());
  shared.walk = walk_function(isa);
  shared.buffers = rte_pktmbuf_pool_create("frames", options.mbufs, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (shared.buffers == nullptr) {
    log::err("fastpath", "no memory for {} packet buffers: {}; huge pages, --mbufs or --memory", options.mbufs,
             rte_strerror(rte_errno));
    return 1;
  }
  const std::size_t size = rte_rcu_qsbr_get_memsize(workers_count);
  shared.quiescent = static_cast<rte_rcu_qsbr*>(rte_zmalloc("quiescent", size, RTE_CACHE_LINE_SIZE));
  if (shared.quiescent == nullptr || rte_rcu_qsbr_init(shared.quiescent, workers_count) != 0) {
    log::err("fastpath", "no memory for the workers' states");
    return 1;
  }
  QuiescentStates quiescent(shared.quiescent);
  std::vector<std::unique_ptr<Worker>> workers;
  Devices devices(shared, quiescent, workers);
  Program program(quiescent, devices, random_number());
  shared.tables = &program.tables();
  for (unsigned i = 0; i < workers_count; ++i) workers.push_back(std::make_unique<Worker>(shared, i));

  Taps taps(shared, quiescent);
  ControlParts parts;
  parts.capture = &taps;
  parts.program = &program;
  parts.boot = random_number();
  parts.walk = shared.walk;
  parts.second = [] { return rte_get_timer_cycles() / rte_get_timer_hz(); };
  parts.process_members = [&] {
    std::string threads;
    for (std::size_t i = 0; i < workers.size(); ++i)
      threads += fmt::format("{}{{\"core\":{},\"thread\":{},\"queues\":{}}}", i == 0 ? "" : ",", options.cores[i],
                             workers[i]->thread_id(), workers[i]->queues().size());
    return fmt::format("\"version\":\"{}\",\"pid\":{},\"isa\":\"{}\",\"free_buffers\":{},{},\"workers\":[{}]",
                       ML2_VERSION, ::getpid(), to_string(isa), rte_mempool_avail_count(shared.buffers),
                       Devices::count_members(), threads);
  };
  parts.port_members = [&devices](std::uint16_t id) { return devices.members(id); };
  parts.link_trouble = [&devices](std::uint16_t id) { return devices.trouble(id); };
  parts.counters = [&workers] {
    std::vector<const Counters*> all;
    for (const auto& worker : workers) all.push_back(&worker->counters());
    return all;
  };

  auto control = Control::open(options.socket, std::move(parts));
  if (!control) {
    log::err("fastpath", "{}", control.error().message);
    return 1;
  }
  for (unsigned i = 0; i < workers_count; ++i) rte_eal_remote_launch(launch, workers[i].get(), i + 1);
  const std::string ready = fmt::format("ready on {}: {} workers, {}", options.socket, workers_count, to_string(isa));
  log::info("fastpath", "{}", ready);
  service.send("READY=1\nSTATUS=" + ready);

  signalfd_siginfo caught{};
  std::uint64_t aged = 0;
  std::uint64_t told = 0;
  while (::read(signal.get(), &caught, sizeof(caught)) != sizeof(caught)) {
    // Workers wake nobody (that would be a system call): what they heard is fetched.
    (*control)->run(program.learns() || (*control)->captures() ? 10 : 200, signal.get());
    program.reclaim();
    const std::uint64_t second = rte_get_timer_cycles() / rte_get_timer_hz();
    for (const auto& worker : workers)
      worker->take_heard([&](const Worker::Heard& heard) { program.learn(heard.key, heard.origin, second); });
    if (second != aged) program.age(second);
    aged = second;
    if (const std::uint64_t now = rte_get_timer_cycles(); now - told > rte_get_timer_hz() / 5) {
      devices.tell();
      told = now;
    }
  }
  log::info("fastpath", "signal {}: ending", caught.ssi_signo);
  service.send("STOPPING=1");
  shared.stop.store(true);
  for (unsigned i = 0; i < workers_count; ++i) rte_eal_wait_lcore(i + 1);
  return 0;
}

}  // namespace
}  // namespace ml2::fastpath

int main(int argc, char** argv) {
  using namespace ml2::fastpath;
  const auto options =
      read_options(std::vector<std::string>(argv + 1, argv + argc), ml2::config::process_environment());
  if (!options) {
    std::fprintf(stderr, "ml2-fastpath: %s\n", options.error().message.c_str());
    return 2;
  }
  for (const std::string& warning : options->warnings)
    std::fprintf(stderr, "ml2-fastpath: warning: %s\n", warning.c_str());
  if (!options->page.empty()) {
    std::fputs(options->page.c_str(), stdout);
    return 0;
  }
  if (options->version) {
    std::printf("ml2-fastpath %s, %s\n", ML2_VERSION, rte_version());
    return 0;
  }
  for (const std::string& driver : options->drivers) {
    if (const auto checked = check_driver(driver); !checked) {
      std::fprintf(stderr, "ml2-fastpath: %s\n", checked.error().message.c_str());
      return 2;
    }
  }
  Isa isa = best_isa();
  for (const Isa candidate : {Isa::Scalar, Isa::Avx2, Isa::Avx512})
    if (options->isa == to_string(candidate)) isa = candidate;
  if (!supported(isa)) {
    std::fprintf(stderr, "ml2-fastpath: --isa %s: this processor does not have it\n", to_string(isa));
    return 2;
  }
  return run(*options, isa, ml2::NotifySocket::from_environment());
}
