// FastPath: the seam to ml2-fastpath: its tables out, an update in.
//
// Where in the walk: the agent holds one when [fastpath] enabled says so. SocketFastPath is the real one (the control socket),
//   tests/fakes/FakeFastPath the other; one contract suite holds both.
// Threading: the thread of the poll loop only.
// Failure: a fast path that is away is not an error: tables() is nullptr until the next connection has been read. What it
//   refuses comes back as sentences, one per record; the rest of the update is carried out.
// What it does not do: no policy, no retry: the caller computes the update anew from what was read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datapath/base/result.h"
#include "datapath/fastpath/tables.h"

namespace ml2::fp {

struct FastPathStatus {
  bool connected = false;
  std::string target;           // the socket
  std::string error;            // why not connected, or silent; empty otherwise, and before the first try has ended
  bool silent = false;          // it is there and does not answer (then not `connected`); error says which process
  std::vector<unsigned> cores;  // processors of its workers, in order; empty: not read yet
  std::map<std::string, std::string> troubles;  // NICs and the like with no link, by their devargs, and why
  std::uint64_t boot = 0;         // of the ml2-fastpath that was read last: another number after each of its starts
  std::uint64_t generation = 0;   // of the last update that it carried out, whoever sent it
  std::uint64_t connections = 0;  // made so far
  std::uint64_t updates = 0;      // carried out so far, and how many records they had
  std::uint64_t records = 0;
  std::uint64_t failures = 0;      // updates that were refused whole or lost
  std::uint64_t records_read = 0;  // read back; none where the digests agree
};

// Frames of a port that anti-spoofing has dropped.
struct SpoofedFrames {
  std::uint64_t announcements = 0;  // ARP, neighbour advertisements
  std::uint64_t macs = 0;
  std::uint64_t addresses = 0;  // IP packets

  friend bool operator==(const SpoofedFrames&, const SpoofedFrames&) = default;
};
// Of all ports, since ml2-fastpath was started, whoever had the number then.
struct SpoofCounters {
  std::uint64_t sequence = 0;             // grows with each change of what follows; 0: not heard yet
  std::uint64_t boot = 0;                 // FastPathStatus::boot
  std::map<PortId, SpoofedFrames> ports;  // of which anything was dropped
};

struct UpdateOutcome {
  Status status;
  std::vector<std::string> refused;  // records that were left out: a sentence each
};

class FastPath {
 public:
  virtual ~FastPath() = default;

  // Makes progress; never blocks.
  virtual void run() = 0;
  // Registers with the poll loop what would make run() worth calling.
  virtual void wait() = 0;

  // All records of ml2-fastpath. nullptr until they have been read on this connection: where the digests say that nothing has
  // changed since the last one, that is one question and one answer. Stays valid and unchanged until the next run().
  [[nodiscard]] virtual const Tables* tables() const = 0;
  // Grows whenever tables() changes, also from and to nullptr.
  [[nodiscard]] virtual std::uint64_t sequence() const = 0;
  // Records that may differ between tables() of number `sequence` and the present ones; nullopt: any.
  [[nodiscard]] virtual std::optional<RecordKeys> changes_since(std::uint64_t sequence) const = 0;

  // As they were heard last, which is every few seconds; while the fast path is away, as they were.
  [[nodiscard]] virtual const SpoofCounters& spoofed() const = 0;

  // Sends `update`. Fails as Transient when one is in flight or tables() is nullptr (nothing was sent then).
  virtual Status commit(const Update& update) = 0;
  // An update is in flight: sent, and neither refused nor confirmed.
  [[nodiscard]] virtual bool busy() const = 0;
  // The outcome of the last update, once; tables() already hold what became of it. Transient: the connection was lost; nobody
  // knows whether it was carried out.
  [[nodiscard]] virtual std::optional<UpdateOutcome> take_outcome() = 0;

  [[nodiscard]] virtual FastPathStatus status() const = 0;
};

}  // namespace ml2::fp
