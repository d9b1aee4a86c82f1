#include "datapath/openflow/codec_print.h"

#include <config.h>

#include "openvswitch/ofp-errors.h"
// ofp-errors.h first: the next ones need it.
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"

namespace ml2::of {
namespace {

std::string take(ds& buffer) {
  std::string result(buffer.string == nullptr ? "" : buffer.string, buffer.length);
  ds_destroy(&buffer);
  return result;
}

}  // namespace

std::string format_match(const match& fields) {
  ds buffer = DS_EMPTY_INITIALIZER;
  // The default priority is the one that is not printed.
  match_format(&fields, nullptr, &buffer, OFP_DEFAULT_PRIORITY);
  return take(buffer);
}

std::string format_actions(const ofpact* actions, std::size_t length) {
  ds buffer = DS_EMPTY_INITIALIZER;
  const ofpact_format_params params{.port_map = nullptr, .table_map = nullptr, .s = &buffer};
  ofpacts_format(actions, length, &params);
  return take(buffer);
}

}  // namespace ml2::of
