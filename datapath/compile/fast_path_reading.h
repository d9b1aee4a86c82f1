// FastPathReading: gather_fast_path_facts() for whoever asks again and again: facts for the fast path, by changes.
//
// Where in the walk: the reconciler has one; what has changed goes on to Compiler as FactsChanges::fast_path.
// Threading: one owner.
// Failure: where nobody knows what has changed of the records, all of them are looked at.
// What it does not do: no reading of its own: the kernel's snapshot and what was read back of the fast path are given to it.
#pragma once

#include <optional>

#include "datapath/compile/fast_path_ids.h"
#include "datapath/model/fast_path.h"
#include "datapath/model/intent.h"
#include "datapath/netlink/types.h"

namespace ml2 {

class FastPathReading {
 public:
  struct Sources {
    const Intent& intent;
    const nl::Snapshot& kernel;
    const fp::Tables* read_back;  // nullptr: nothing could be read
    const FastPathIds& given;     // the last step's
  };
  // What has changed of these since the last call.
  struct News {
    bool vteps = false;  // Intent::vteps, or the ini
    bool kernel = false;
    std::optional<fp::RecordKeys> records = fp::RecordKeys{};  // nullopt: any
    std::optional<FastPathIdKeys> given = FastPathIdKeys{};    // nullopt: any
  };
  // Brings `facts` up to date, and adds to `changes` what is otherwise than before.
  void update(const Sources& sources, const News& news, FastPathFacts& facts, FastPathFactsChanges& changes);

 private:
  void read_all(const Sources& sources, FastPathFacts& facts, FastPathFactsChanges& changes);
  void read_ids(const Sources& sources, const News& news, FastPathFacts& facts, FastPathIdKeys& changes,
                std::set<IpAddress>& vteps);

  bool started_ = false;
  bool had_records_ = false;
  struct {
    ReadNumbers<std::string> ports;
    ReadNumbers<std::uint32_t> segments;
    ReadNumbers<IpAddress> vteps;
  } read_;
};

}  // namespace ml2
