#include "tests/fakes/fake_fast_path.h"

#include <utility>

#include "datapath/base/poll_loop.h"
#include "dpdk/tables/program.h"

namespace ml2::fp {
namespace {

class NoReaders final : public fastpath::GracePeriod {
 public:
  [[nodiscard]] std::uint64_t start() override { return 0; }
  [[nodiscard]] bool passed(std::uint64_t) override { return true; }
};

std::string device_of(const abi::Port& port) {
  const std::string devargs = port.devargs;
  return devargs.substr(0, devargs.find(','));
}

class Devices final : public fastpath::PortDevices {
 public:
  Devices(const std::map<std::string, std::string>& refused, std::uint64_t& opened)
      : refused_(refused), opened_(opened) {}
  [[nodiscard]] Status open(const abi::Port& port) override {
    if (port.devargs[0] == '\0') return invalid("no devargs: which DPDK device is it?");
    if (const auto found = refused_.find(device_of(port)); found != refused_.end()) return transient(found->second);
    ++opened_;
    return {};
  }
  [[nodiscard]] Status change(const abi::Port&) override { return {}; }
  void serve() override {}
  void close(std::uint16_t) override {}

 private:
  const std::map<std::string, std::string>& refused_;
  std::uint64_t& opened_;
};

}  // namespace

struct FakeFastPathProcess::Process {
  Process(const std::map<std::string, std::string>& refused, std::uint64_t& opened)
      : devices(refused, opened), program(readers, devices, kSeed) {}
  static constexpr std::uint64_t kSeed = 0x9e3779b97f4a7c15ULL;  // the tables hash by multiplication
  NoReaders readers;
  Devices devices;
  fastpath::Program program;
};

FakeFastPathProcess::FakeFastPathProcess() { start(); }
FakeFastPathProcess::~FakeFastPathProcess() = default;

void FakeFastPathProcess::drop(PortId port, const SpoofedFrames& frames) {
  SpoofedFrames& sum = dropped_[port];
  sum.announcements += frames.announcements;
  sum.macs += frames.macs;
  sum.addresses += frames.addresses;
}

void FakeFastPathProcess::stop() {
  process_.reset();
  dropped_.clear();
  ++changes_;
}

void FakeFastPathProcess::start() {
  process_ = std::make_unique<Process>(refused_, devices_opened_);
  ++boot_;
  ++changes_;
}

void FakeFastPathProcess::refuse_device(const std::string& name, const std::string& reason) {
  if (reason.empty()) {
    refused_.erase(name);
  } else {
    refused_[name] = reason;
  }
}

void FakeFastPathProcess::trouble(const std::string& devargs, const std::string& reason) {
  if (reason.empty()) {
    troubles_.erase(devargs);
  } else {
    troubles_[devargs] = reason;
  }
}

std::map<std::string, std::string> FakeFastPathProcess::troubles() const {
  std::map<std::string, std::string> troubles;
  if (!alive()) return troubles;
  for (const auto& [id, port] : process_->program.ports()) {
    const auto found = troubles_.find(port.devargs);
    if (found != troubles_.end() && port.kind != abi::PortKind::Access) troubles.insert(*found);
  }
  return troubles;
}

bool FakeFastPathProcess::alive() const { return process_ != nullptr; }
std::uint64_t FakeFastPathProcess::boot() const { return boot_; }
std::uint64_t FakeFastPathProcess::generation() const {
  return alive() ? process_->program.state().generation : std::uint64_t{0};
}
std::uint64_t FakeFastPathProcess::changes() const { return changes_; }
std::uint64_t FakeFastPathProcess::devices_opened() const { return devices_opened_; }

Tables FakeFastPathProcess::tables() const {
  Tables tables;
  if (!alive()) return tables;
  fastpath::Program& program = process_->program;
  const auto all = [&tables](const auto& records) {
    for (const auto& [key, record] : records) tables.put(record);
  };
  all(program.ports());
  all(program.segments());
  all(program.attachments());
  all(program.vteps());
  all(program.floods());
  all(program.allowed());
  program.for_each_fdb([&tables](const abi::Fdb& record) { return tables.put(record), true; });
  for (const abi::Neighbour& record : program.neighbours()) {
    if (record.segment != 0) tables.put(record);
  }
  return tables;
}

UpdateOutcome FakeFastPathProcess::apply(const Update& update) {
  fastpath::Batch batch;
  batch.full = update.full;
  batch.generation = generation() + 1;
  const auto take = [](auto& changes, const auto& put, const auto& remove) {
    for (const auto& [key, record] : put) changes.put.push_back(record);
    for (const auto& [key, record] : remove) changes.remove.push_back(record);
  };
  take(batch.ports, update.put.ports, update.remove.ports);
  take(batch.segments, update.put.segments, update.remove.segments);
  take(batch.attachments, update.put.attachments, update.remove.attachments);
  take(batch.vteps, update.put.vteps, update.remove.vteps);
  take(batch.floods, update.put.floods, update.remove.floods);
  take(batch.allowed, update.put.allowed, update.remove.allowed);
  take(batch.fdb, update.put.fdb, update.remove.fdb);
  take(batch.neighbours, update.put.neighbours, update.remove.neighbours);
  const fastpath::Applied applied = process_->program.apply(std::move(batch));
  ++changes_;
  return {.status = {}, .refused = applied.refused};
}

void FakeFastPath::run() {
  if (!process_.alive()) {
    if (tables_) note(*tables_, {});
    tables_.reset();
    status_.connected = false;
    status_.error = "nobody answers";
    status_.cores.clear();
    status_.troubles.clear();
    if (update_) {
      ++status_.failures;
      outcome_ = UpdateOutcome{.status = transient("the connection was lost"), .refused = {}};
    }
    update_.reset();
    return;
  }
  if (!status_.connected) ++status_.connections;
  status_.connected = true;
  status_.error.clear();
  status_.cores = process_.cores();
  if (update_) {
    outcome_ = process_.apply(*update_);
    ++status_.updates;
    status_.records += update_->size();
    update_.reset();
  }
  status_.troubles = process_.troubles();
  if (spoofed_.sequence == 0 || spoofed_.boot != process_.boot() || spoofed_.ports != process_.dropped()) {
    spoofed_ = {.sequence = spoofed_.sequence + 1, .boot = process_.boot(), .ports = process_.dropped()};
  }
  if (tables_ && seen_ == process_.changes()) return;
  seen_ = process_.changes();
  status_.boot = process_.boot();
  status_.generation = process_.generation();
  Tables now = process_.tables();
  if (tables_ && *tables_ == now) return;
  status_.records_read += now.size();
  note(tables_ ? *tables_ : Tables(), now);
  tables_ = std::move(now);
}

void FakeFastPath::note(const Tables& before, const Tables& now) {
  RecordKeys keys;
  add_differences(before, now, keys);
  log_.add(++sequence_, keys);
}

void FakeFastPath::wait() {
  const bool news =
      seen_ != process_.changes() || spoofed_.ports != process_.dropped() || status_.troubles != process_.troubles();
  if (update_ || outcome_ || news) ml2_poll_immediate();
}

Status FakeFastPath::commit(const Update& update) {
  if (!tables_) return transient("memory: the fast path has not been read");
  if (busy()) return transient("memory: an update is in flight");
  update_ = update;
  return {};
}

std::optional<UpdateOutcome> FakeFastPath::take_outcome() { return std::exchange(outcome_, std::nullopt); }

}  // namespace ml2::fp
