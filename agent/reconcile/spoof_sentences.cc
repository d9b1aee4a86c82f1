#include "agent/reconcile/spoof_sentences.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace ml2::reconcile {

namespace {

// What is dropped, what the port would do with it, and the options that let it.
struct Words {
  const char *dropped, *verb, *options;
};

Words words_of(Spoofed what) {
  switch (what) {
    case Spoofed::Announcement:
      return {"ARP or neighbour advertisements for addresses", "have", "ip-address=ADDRESS"};
    case Spoofed::Address: return {"packets from addresses", "have", "ip-address=ADDRESS"};
    case Spoofed::Mac: break;
  }
  return {"frames from MACs", "send", "ip-address=ADDRESS,mac-address=MAC, or --disable-port-security"};
}

}  // namespace

std::string spoof_sentence(Spoofed what, WallTime since, const Uuid& port) {
  const Words words = words_of(what);
  return fmt::format(
      "anti-spoofing drops {} that are not this port's, since {:%Y-%m-%dT%H:%M:%SZ}; if it shall {} them: ml2ctl "
      "port "
      "set {} --allowed-address {}",
      words.dropped, fmt::gmtime(WallTime::clock::to_time_t(since)), words.verb, port.to_string(), words.options);
}

}  // namespace ml2::reconcile
