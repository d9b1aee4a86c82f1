#include "tests/contract/message_shim.h"

#include <config.h>

#include <cstddef>

#include "openflow/openflow-common.h"
#include "openvswitch/ofpbuf.h"

namespace ml2::of {

std::string bytes_without_id(const Message& message) {
  std::string all(static_cast<const char*>(message->data), message->size);
  all.replace(offsetof(ofp_header, xid), sizeof(ofp_header::xid), sizeof(ofp_header::xid), '\0');
  return all;
}

}  // namespace ml2::of
