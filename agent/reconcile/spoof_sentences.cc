#include "agent/reconcile/spoof_sentences.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace ml2::reconcile {

std::string spoof_sentence(Spoofed what, WallTime since, const Uuid& port) {
  const std::string from = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(WallTime::clock::to_time_t(since)));
  switch (what) {
    case Spoofed::Announcement:
      return fmt::format(
          "anti-spoofing drops ARP or neighbour advertisements for addresses that are not this port's, since {}; if "
          "it "
          "shall have them: ml2ctl port set {} --allowed-address ip-address=ADDRESS",
          from, port.to_string());
    case Spoofed::Address:
      return fmt::format(
          "anti-spoofing drops packets from addresses that are not this port's, since {}; if it shall have them: "
          "ml2ctl "
          "port set {} --allowed-address ip-address=ADDRESS",
          from, port.to_string());
    case Spoofed::Mac: break;
  }
  return fmt::format(
      "anti-spoofing drops frames from MACs that are not this port's, since {}; if it shall send them: ml2ctl port "
      "set "
      "{} --allowed-address ip-address=ADDRESS,mac-address=MAC, or --disable-port-security",
      from, port.to_string());
}

}  // namespace ml2::reconcile
