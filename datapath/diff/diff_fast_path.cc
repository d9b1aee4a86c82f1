// The fast path's part: which records to put and to remove, and the pair of devices between it and the integration bridge.
//
// Order is the fast path's own: an update is carried out whole, in an order in which no frame sees half of it.
#include <fmt/format.h>

#include "datapath/diff/diff.h"
#include "datapath/diff/parts.h"

namespace ml2 {
namespace {

// Both ends stay when ml2-fastpath or ovs-vswitchd end: what they carry is for those two alone.
void make_patch(const nl::Snapshot& kernel, Plan& plan) {
  const nl::Link* near = nl::find_link(kernel, kFastPathPatch);
  const nl::Link* far = nl::find_link(kernel, kFastPathPatchPeer);
  if (near == nullptr && far == nullptr) {
    plan.links.add(nl::CreateVeth{.name = kFastPathPatch, .peer_name = kFastPathPatchPeer});
  }
  for (const auto& [name, link] : {std::pair(kFastPathPatch, near), std::pair(kFastPathPatchPeer, far)}) {
    if (link != nullptr && link->up && link->alias == kOwnerValue) continue;
    plan.links.add(nl::SetLink{.name = name, .up = true, .alias = kOwnerValue});
  }
}

}  // namespace

bool has_to_make_links(const Desired& desired, const nl::Snapshot& kernel) {
  Plan plan;
  if (desired.fast_path.enabled && desired.fast_path.patch) make_patch(kernel, plan);
  return !plan.links.empty();
}

void diff_fast_path(const Desired& desired, const fp::Tables* fast_path, const nl::Snapshot* kernel,
                    const fp::RecordKeys* suspects, Plan& plan, fp::RecordKeys* unsettled) {
  const DesiredFastPath& wanted = desired.fast_path;
  if (!wanted.enabled) return;
  if (wanted.patch && kernel != nullptr) make_patch(*kernel, plan);
  if (fast_path == nullptr) {
    for (const auto& [id, port] : wanted.tables.ports) plan.pending_fast_path.insert(id);
    plan.fast_path_unread = true;
    return;
  }
  fp::RecordKeys all;
  if (suspects == nullptr) fp::add_differences(wanted.tables, *fast_path, all);
  fp::RecordKeys ignored;
  std::size_t kept = 0;
  fp::for_each_kind(
      [&](fp::abi::Kind, const auto& keys, const auto& want, const auto& have, auto& put, auto& remove,
          auto& differ) {
        for (const auto& key : keys) {
          const auto asked = want.find(key);
          const auto there = have.find(key);
          if (asked != want.end()) {
            if (there != have.end() && fp::same(asked->second, there->second)) continue;
            put.emplace(key, asked->second);
          } else if (there == have.end()) {
            continue;
          } else if (desired.complete) {
            remove.emplace(key, there->second);
          } else {
            ++kept;
          }
          differ.insert(key);
        }
      },
      suspects == nullptr ? all : *suspects, wanted.tables, *fast_path, plan.fast_path.put, plan.fast_path.remove,
      unsettled == nullptr ? ignored : *unsettled);
  if (kept != 0) {
    plan.held.push_back(fmt::format("delete of {} records of the fast path: not until the intent is complete", kept));
  }
  for (const auto& [id, port] : plan.fast_path.put.ports) plan.pending_fast_path.insert(id);
  for (const auto& [key, attachment] : plan.fast_path.put.attachments) plan.pending_fast_path.insert(key.first);
  // A fast path that has nothing is filled by a full generation.
  plan.fast_path.full = desired.complete && fast_path->empty() && !plan.fast_path.put.empty();
}

}  // namespace ml2
