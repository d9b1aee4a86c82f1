// program: what the agent said, as records; and from these the tables that the workers read.
//
// What it is: the fast path's whole state and its only writer. A Batch (a full generation or a delta) is compared with what is
//   there; only differences become new objects, published one by one in an order in which no frame sees half of a change:
//   outputs before segments before ports, and the other way round for what goes.
// Where in the walk: dpdk/process hands it batches from the socket; dpdk/walk reads tables().
// Threading: the control thread only.
// Failure: a record that does not make sense is left out and named in Applied::refused; the rest is applied.
// What it does not do: no devices: PortDevices opens and closes them.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "datapath/base/result.h"
#include "dpdk/abi/messages.h"
#include "dpdk/tables/tables.h"

namespace ml2::fastpath {

// The devices behind port ids.
class PortDevices {
 public:
  virtual ~PortDevices() = default;
  // Opens and starts the device; on failure the port is refused with the error's sentence.
  [[nodiscard]] virtual Status open(const abi::Port& port) = 0;
  // The port's MTU is another one now; on failure the device keeps the old one.
  [[nodiscard]] virtual Status change(const abi::Port& port) = 0;
  // What was opened is in all tables now, and may be polled: not a frame is received before.
  virtual void serve() = 0;
  // The port is in no table any more, and no worker sees it.
  virtual void close(std::uint16_t id) = 0;
};

// What one Begin ... Commit said.
struct Batch {
  bool full = false;
  std::uint64_t generation = 0;
  template <class Record>
  struct Changes {
    std::vector<Record> put;
    std::vector<Record> remove;
  };
  Changes<abi::Port> ports;
  Changes<abi::Segment> segments;
  Changes<abi::Attachment> attachments;
  Changes<abi::Vtep> vteps;
  Changes<abi::Flood> floods;
  Changes<abi::Allowed> allowed;
  Changes<abi::Fdb> fdb;
  Changes<abi::Neighbour> neighbours;
};

struct Applied {
  std::uint32_t applied = 0;
  std::vector<std::string> refused;
};

// Keys of the records, and how they are put in words.
struct RecordKeys {
  using Pair = std::pair<std::uint16_t, std::uint16_t>;
  using Bytes = std::array<std::uint8_t, 32>;
  static std::uint16_t key(const abi::Port& r) { return r.id; }
  static std::uint16_t key(const abi::Segment& r) { return r.id; }
  static Pair key(const abi::Attachment& r) { return {r.port, r.segment}; }
  static std::uint16_t key(const abi::Vtep& r) { return r.id; }
  static Pair key(const abi::Flood& r) { return {r.segment, r.vtep}; }
  static Bytes key(const abi::Allowed& r) {
    Bytes bytes;
    std::memcpy(bytes.data(), &r, sizeof(r));
    return bytes;
  }
};

class Program {
 public:
  template <class Record>
  using Records = std::map<decltype(RecordKeys::key(std::declval<Record>())), Record>;

  // `seed` of the hash tables: random in the process, fixed in tests.
  Program(GracePeriod& grace, PortDevices& devices, std::uint64_t seed);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Applied apply(Batch batch);
  // Frees what no reader can hold any more; call now and then.
  void reclaim() { retired_.run(); }

  [[nodiscard]] const Tables& tables() const { return *tables_; }
  [[nodiscard]] abi::State state() const;

  // For showing. Ports' Output indexes and VTEPs' are those of the counters.
  [[nodiscard]] const Records<abi::Port>& ports() const { return ports_; }
  [[nodiscard]] const Records<abi::Segment>& segments() const { return segments_; }
  [[nodiscard]] const Records<abi::Attachment>& attachments() const { return attachments_; }
  [[nodiscard]] const Records<abi::Vtep>& vteps() const { return vteps_; }
  [[nodiscard]] const Records<abi::Flood>& floods() const { return floods_; }
  [[nodiscard]] const Records<abi::Allowed>& allowed() const { return allowed_; }
  [[nodiscard]] const std::vector<abi::Neighbour>& neighbours() const {
    return neighbour_records_;
  }  // segment 0: none
  [[nodiscard]] OutputIndex output_of_attachment(std::uint16_t port, std::uint16_t segment) const;
  [[nodiscard]] OutputIndex output_of_vtep(std::uint16_t vtep) const;
  // Of the FDB, configured or learned: whatever the walk would find.
  [[nodiscard]] std::optional<abi::Fdb> find_fdb(std::uint16_t segment, const std::uint8_t* mac) const;
  // Visits the configured entries of the FDB; `visit` answers false to stop.
  void for_each_fdb(const std::function<bool(const abi::Fdb&)>& visit);
  // Learning (segments with learn_age). `key` and `origin` as Sink::learn tells them; `second` of any clock that goes on.
  void learn(std::uint64_t key, std::uint32_t origin, std::uint64_t second);
  // Forgets stations that were not heard for their segment's time; call about once a second.
  void age(std::uint64_t second);
  // True when some segment learns.
  [[nodiscard]] bool learns() const { return learning_segments_ != 0; }
  // Visits what was learned, with the second in which it was last heard.
  void for_each_learned(const std::function<void(const abi::Fdb&, std::uint64_t second)>& visit) const;
  [[nodiscard]] std::size_t learned() const { return learned_.size(); }
  // Stations that were not learned, the table being full.
  [[nodiscard]] std::uint64_t learn_refused() const { return learn_refused_; }
  static constexpr std::uint32_t kMaxLearnedPerSegment = 8192;
  static constexpr std::size_t kMaxLearned = 262144;

  [[nodiscard]] std::size_t memory_bytes() const { return fdb_.memory_bytes() + neighbour_index_.memory_bytes(); }

 private:
  struct Destination {  // what an output index stands for
    std::uint16_t port = 0;
    std::uint16_t segment = 0;
    std::uint16_t vtep = 0;
  };
  struct Dirty {
    std::set<std::uint16_t> ports;
    std::set<std::uint16_t> segments;
    std::set<std::uint16_t> vteps;
    std::set<RecordKeys::Pair> attachments;
    std::set<OutputIndex> flush;  // outputs whose FDB entries are to be forgotten
    std::set<std::uint16_t> flush_segments;
  };

  template <class Record>
  [[nodiscard]] Records<Record> next(const Records<Record>& now, const Batch::Changes<Record>& changes,
                                     bool full) const;
  template <class Record, class Mark>
  void settle(Records<Record>& now, Records<Record> wanted, abi::Kind kind, Applied& applied, Mark mark);
  void validate(Records<abi::Port>& ports, Records<abi::Segment>& segments, Records<abi::Attachment>& attachments,
                Records<abi::Vtep>& vteps, Records<abi::Flood>& floods, Records<abi::Allowed>& allowed,
                Applied& applied);

  // All kinds but FDB entries and neighbours.
  void apply_objects(const Batch& batch, Applied& applied);
  void publish(Dirty& dirty);
  void publish_attachment(const RecordKeys::Pair& key);
  void publish_vtep(std::uint16_t id);
  void publish_segment(std::uint16_t id, bool flush);
  void publish_port(std::uint16_t id);
  void forget_stale_fdb();
  template <class T>
  void replace(const T*& place, const T* object) {
    const T* old = place;
    store_shared(place, object);
    retired_.free(old);
  }

  [[nodiscard]] OutputIndex allocate(Destination destination);
  void release(OutputIndex index);

  void apply_fdb(const Batch::Changes<abi::Fdb>& changes, bool full, Applied& applied);
  bool put_fdb(const abi::Fdb& record, Applied& applied);
  bool remove_fdb(std::uint64_t key);
  bool forget_learned(std::uint64_t key);
  [[nodiscard]] abi::Fdb fdb_record(std::uint64_t key, std::uint32_t value) const;
  // `segments`: some may be gone, and their neighbours with them.
  void apply_neighbours(const Batch::Changes<abi::Neighbour>& changes, bool full, bool segments, Applied& applied);
  bool put_neighbour(const abi::Neighbour& record, Applied& applied);
  bool remove_neighbour(std::uint64_t key);

  PortDevices& devices_;
  Retired retired_;
  std::unique_ptr<Tables> tables_;
  SegmentIndex* by_vni_;  // mmap
  BucketTable fdb_;
  BucketTable neighbour_index_;

  Records<abi::Port> ports_;
  Records<abi::Segment> segments_;
  Records<abi::Attachment> attachments_;
  Records<abi::Vtep> vteps_;
  Records<abi::Flood> floods_;
  Records<abi::Allowed> allowed_;
  std::array<abi::Digest, abi::kKinds> digests_{};
  std::uint64_t generation_ = 0;

  std::map<RecordKeys::Pair, OutputIndex> attachment_outputs_;
  std::map<std::uint16_t, OutputIndex> vtep_outputs_;
  std::map<std::uint16_t, std::uint32_t> published_vnis_;  // by segment
  std::vector<Destination> destinations_;                  // by output index
  std::vector<std::uint8_t> output_sequence_;
  std::vector<std::uint8_t> segment_sequence_;
  std::vector<OutputIndex> free_outputs_;
  std::vector<abi::Neighbour> neighbour_records_;  // by index; segment 0: free
  std::vector<std::uint32_t> free_neighbours_;

  // Machines choose their MACs: with the standard hash they could make them all collide.
  struct MixedHash {
    std::uint64_t seed = 1;
    std::size_t operator()(std::uint64_t key) const { return bucket_hash(key, seed); }
  };
  std::unordered_map<std::uint64_t, std::uint64_t, MixedHash> learned_;  // FDB key -> second when it was last heard
  std::vector<std::uint32_t> learned_in_;                                // by segment
  std::uint32_t learning_segments_ = 0;
  std::uint64_t learn_refused_ = 0;
};

}  // namespace ml2::fastpath
