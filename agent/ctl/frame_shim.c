#include "agent/ctl/frame_shim.h"

#include <config.h>
#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/ofp-flow.h"
#include "util.h"

long ml2_compose_frame(const char* text, uint8_t* frame, size_t room, char** error) {
  struct flow flow;
  *error = parse_ofp_exact_flow(&flow, NULL, NULL, text, NULL);
  if (*error) return -1;
  struct dp_packet packet;
  dp_packet_init(&packet, 0);
  flow_compose(&packet, &flow, NULL, 0);
  const size_t size = dp_packet_size(&packet);
  if (size > room) {
    *error = xstrdup("the frame is too long");
  } else {
    memcpy(frame, dp_packet_data(&packet), size);
  }
  dp_packet_uninit(&packet);
  return *error ? -1 : (long)size;
}
