// fastpath_tables_bench: the FDB against DPDK's rte_hash, and how fast the tables are filled and changed.
//
//   fdb-find/SIZE     ns per look-up, in bursts of 32, keys in any order; peer rte-hash (lock-free readers, bulk look-up)
//   fdb-memory/1M     MB of a million entries; peer rte-hash
//   fdb-insert/1M     million inserts per second into a table of that size; peer rte-hash
//   load/1M           seconds from a batch of a million entries to the applied generation (Program::apply)
//   updates/SIZE      single changes per second, each a batch of its own (Begin, Put, Commit), decoded from messages as
//                     they come over the socket, in a network of 1000 ports
//
// All in CPU time of the one thread. Usage: fastpath_tables_bench [ROUNDS]; JSON lines on stdout.
#include <fmt/format.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "dpdk/process/control.h"
#include "tests/bench/fastpath_eal.h"
#include "tests/unit/fastpath_rig.h"

namespace {

using namespace ml2;
using namespace ml2::fastpath;

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Figure {
  std::string name;
  std::string metric;
  std::string unit;
  std::vector<double> ours;
  std::vector<double> peer;
};

void print(const Figure& figure) {
  const double value = median(figure.ours);
  fmt::print("{{\"bench\":\"fastpath-tables\",\"case\":\"{}\",\"metric\":\"{}\",\"value\":{:.3f},\"unit\":\"{}\"",
             figure.name, figure.metric, value, figure.unit);
  if (!figure.peer.empty()) {
    const double peer = median(figure.peer);
    fmt::print(",\"peer\":\"rte-hash\",\"peer_value\":{:.3f},\"ratio\":{:.3f}", peer, value / peer);
  }
  fmt::print("}}\n");
  std::fflush(stdout);
}

// Stations of one segment, in the order in which they are looked up.
std::vector<std::uint64_t> keys_of(std::size_t count) {
  std::vector<std::uint64_t> keys(count);
  for (std::size_t i = 0; i < count; ++i) {
    // fa:16:3f:xx:xx:xx, as wire::load_mac() reads it: a permutation of 24 bits.
    const std::uint64_t low = (i * 2654435761ULL) & 0xffffffU;
    keys[i] = fdb_key(0x3f16faULL | low << 24U, 1);
  }
  return keys;
}

std::size_t allocated() {
  rte_malloc_socket_stats stats{};
  rte_malloc_get_socket_stats(0, &stats);
  return stats.heap_allocsz_bytes;
}

void measure_fdb(const std::string& size, std::size_t count, unsigned rounds) {
  const std::vector<std::uint64_t> keys = keys_of(count);
  NoReaders grace;
  Retired retired(grace);
  const std::size_t before = allocated();
  rte_hash_parameters parameters{};
  parameters.name = "fdb";
  parameters.entries = static_cast<std::uint32_t>(count);
  parameters.key_len = sizeof(std::uint64_t);
  parameters.hash_func = rte_hash_crc;
  parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE;
  Figure find{"fdb-find/" + size, "ns_per_lookup", "ns", {}, {}};
  Figure insert{"fdb-insert/" + size, "million_per_second", "M/s", {}, {}};
  Figure memory{"fdb-memory/" + size, "megabytes", "MB", {}, {}};
  const FindFunction find_ours = find_function(best_isa());
  std::uint64_t wrong = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    BucketTable ours(retired, 0x9e3779b97f4a7c15ULL, count);
    double begun = cpu_seconds();
    for (std::size_t i = 0; i < count; ++i) wrong += !ours.insert(keys[i], static_cast<std::uint32_t>(i));
    insert.ours.push_back(static_cast<double>(count) / (cpu_seconds() - begun) / 1e6);
    memory.ours.push_back(static_cast<double>(ours.memory_bytes()) / 1e6);

    rte_hash* theirs = rte_hash_create(&parameters);
    ML2_CHECK(theirs != nullptr, "rte_hash is made");
    begun = cpu_seconds();
    for (std::size_t i = 0; i < count; ++i)
      wrong += rte_hash_add_key_data(theirs, &keys[i], reinterpret_cast<void*>(i + 1)) != 0;
    insert.peer.push_back(static_cast<double>(count) / (cpu_seconds() - begun) / 1e6);
    memory.peer.push_back(static_cast<double>(allocated() - before) / 1e6);

    // Three turns each, of about two million look-ups.
    const std::size_t bursts = count / kBurst;
    const std::size_t turns = std::max<std::size_t>(1, 2'000'000 / count);
    for (int turn = 0; turn < 3; ++turn) {
      // Other keys in each burst than stand beside each other in the table: a stride through all of them.
      std::vector<std::uint64_t> order(bursts * kBurst);
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = keys[i * 7919 % count];
      std::uint32_t values[kBurst];
      begun = cpu_seconds();
      for (std::size_t again = 0; again < turns; ++again) {
        for (std::size_t burst = 0; burst < bursts; ++burst) {
          find_ours(*ours.array(), &order[burst * kBurst], values, kBurst);
          wrong += values[burst % kBurst] == 0xffffffffU;
        }
      }
      const double looked_up = static_cast<double>(turns * bursts * kBurst);
      find.ours.push_back((cpu_seconds() - begun) * 1e9 / looked_up);
      const void* pointers[kBurst];
      void* data[kBurst];
      std::uint64_t hits = 0;
      begun = cpu_seconds();
      for (std::size_t again = 0; again < turns; ++again) {
        for (std::size_t burst = 0; burst < bursts; ++burst) {
          for (unsigned i = 0; i < kBurst; ++i) pointers[i] = &order[burst * kBurst + i];
          rte_hash_lookup_bulk_data(theirs, pointers, kBurst, &hits, data);
          wrong += hits != 0xffffffffU;
        }
      }
      find.peer.push_back((cpu_seconds() - begun) * 1e9 / looked_up);
    }
    rte_hash_free(theirs);
  }
  ML2_CHECK(wrong == 0, "both find every key");
  print(find);
  print(insert);
  print(memory);
}

// 1000 machines in 100 segments, with 64 VTEPs.
Batch network() {
  Batch batch;
  batch.full = true;
  batch.generation = 1;
  batch.ports.put = {uplink(2000, "02:00:00:00:00:01", "192.0.2.1")};
  for (std::uint16_t i = 1; i <= 100; ++i) batch.segments.put.push_back(segment(i, 1000U + i));
  for (std::uint16_t i = 1; i <= 1000; ++i) {
    batch.ports.put.push_back(access_port(i));
    batch.attachments.put.push_back({.port = i, .segment = static_cast<std::uint16_t>(1 + i % 100)});
    const std::string mac = fmt::format("fa:16:3e:00:{:02x}:{:02x}", i / 256, i % 256);
    batch.allowed.put.push_back(allowed(i, mac.c_str(), "10.0.0.1", 32));
  }
  for (std::uint16_t i = 0; i < 64; ++i)
    batch.vteps.put.push_back(
        vtep(static_cast<std::uint16_t>(1 + i), 2000, "192.0.2.1", fmt::format("192.0.2.{}", 2 + i).c_str()));
  return batch;
}

abi::Fdb entry(std::size_t i, std::size_t to) {
  abi::Fdb record;
  record.mac[0] = 0xfa;
  record.mac[1] = 0x16;
  record.mac[2] = 0x3f;
  for (unsigned byte = 0; byte < 3; ++byte) record.mac[3 + byte] = static_cast<std::uint8_t>(i >> (16U - 8 * byte));
  record.segment = static_cast<std::uint16_t>(1 + i % 100);
  record.vtep = static_cast<std::uint16_t>(1 + to % 64);
  return record;
}

template <class Body>
std::vector<std::uint8_t> message(abi::Type type, abi::Kind kind, const Body& body) {
  abi::Header header;
  header.type = type;
  header.kind = kind;
  header.count = 1;
  std::vector<std::uint8_t> bytes(sizeof(header) + sizeof(body));
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), &body, sizeof(body));
  return bytes;
}

void measure_program(unsigned rounds) {
  constexpr std::size_t kEntries = 1'000'000;
  constexpr std::size_t kUpdates = 500'000;
  Figure load{"load/1M", "seconds", "s", {}, {}};
  Figure updates{"updates/1M", "single_updates_per_second", "1/s", {}, {}};
  Figure memory{"memory/1M", "megabytes", "MB", {}, {}};
  for (unsigned round = 0; round < rounds; ++round) {
    NoReaders grace;
    FakeDevices devices;
    Program program(grace, devices, 0x123456789abcdef1ULL);
    ML2_CHECK(program.apply(network()).refused.empty(), "the network makes sense");
    const std::size_t empty = program.memory_bytes();
    Batch batch;
    batch.generation = 2;
    for (std::size_t i = 0; i < kEntries; ++i) batch.fdb.put.push_back(entry(i, i));
    double begun = cpu_seconds();
    const Applied applied = program.apply(std::move(batch));
    load.ours.push_back(cpu_seconds() - begun);
    ML2_CHECK(applied.applied == kEntries, "every entry is new");
    memory.ours.push_back(static_cast<double>(program.memory_bytes() - empty) / 1e6);

    ControlParts parts;
    parts.program = &program;
    Conversation conversation(parts);
    std::size_t answers = 0;
    const auto answered = [&answers](std::span<const std::uint8_t>) { ++answers; };
    begun = cpu_seconds();
    for (std::size_t i = 0; i < kUpdates; ++i) {
      const std::size_t which = i * 7919 % kEntries;
      conversation.handle(message(abi::Type::Begin, abi::Kind{0}, abi::Begin{.generation = 3 + i, .full = 0}),
                          answered);
      conversation.handle(message(abi::Type::Put, abi::Kind::Fdb, entry(which, which + 1)), answered);
      conversation.handle(message(abi::Type::Commit, abi::Kind{0}, abi::Digest()), answered);
    }
    updates.ours.push_back(kUpdates / (cpu_seconds() - begun));
    ML2_CHECK(answers == kUpdates, "every update is answered");
  }
  print(load);
  print(updates);
  print(memory);
}

}  // namespace

int main(int argc, char** argv) {
  if (!start_eal("fastpath_tables_bench")) return 1;
  const unsigned rounds = argc > 1 ? static_cast<unsigned>(std::max(std::atoi(argv[1]), 1)) : 3;
  measure_fdb("10k", 10'000, rounds);
  measure_fdb("100k", 100'000, rounds);
  measure_fdb("1M", 1'000'000, rounds);
  measure_program(rounds);
  return 0;
}
