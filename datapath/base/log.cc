#include "datapath/base/log.h"

#include <atomic>
#include <cstdio>

namespace ml2::log {
namespace {

void to_stderr(std::string_view module, Level level, std::string_view text) {
  constexpr const char* kNames[] = {"DBG", "INFO", "WARN", "ERR"};
  if (level == Level::Debug) return;
  std::fprintf(stderr, "%.*s|%s|%.*s\n", static_cast<int>(module.size()), module.data(),
               kNames[static_cast<int>(level)], static_cast<int>(text.size()), text.data());
}

// The one process-wide setting of ours: libopenvswitch's vlog is process-wide too.
std::atomic<Sink> current_sink{&to_stderr};

}  // namespace

void set_sink(Sink sink) { current_sink.store(sink != nullptr ? sink : &to_stderr); }

void write(std::string_view module, Level level, std::string_view text) { current_sink.load()(module, level, text); }

}  // namespace ml2::log
