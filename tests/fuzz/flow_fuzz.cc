// Two kinds of input, told apart by the first byte.
//   'f' table '|' match '|' actions: flow text, as a wrong option or an extension may write it. Must not crash, and
//       what comes out must be canonical.
//   anything else: the bytes of an OpenFlow message, as a broken switch may send it. Must not crash.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "datapath/openflow/messages.h"

extern "C" void ml2_fuzz_quiet(void);  // flow_shim.c

namespace {

void flow_text(std::string text) {
  if (text.empty()) return;
  ml2::of::FlowKey key{.table = static_cast<std::uint8_t>(text[0]), .priority = 1, .match = ""};
  text = text.substr(1);
  const std::size_t split = text.find('|');
  key.match = text.substr(0, split);
  ml2::of::FlowBody body;
  if (split != std::string::npos) body.actions = text.substr(split + 1);
  const auto once = ml2::of::canonical(key, body);
  if (!once) return;
  const auto twice = ml2::of::canonical(once->first, once->second);
  if (!twice || *twice != *once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ml2_fuzz_quiet();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  if (data[0] == 'f') {
    flow_text(std::string(data + 1, data + size));
  } else {
    static_cast<void>(ml2::of::decode(ml2::of::make_message(std::span(data, size))));
  }
  return 0;
}
