// log: one line to the operator, with a module and a level.
//
// Where in the walk: below everything; main() points the sink at vlog, so that `ovs-appctl vlog/set` rules ours too.
// Threading: any thread; the sink must be thread-safe (stderr and vlog are).
// Failure: none.
// What it does not do: no rate limit of its own: log a change of state, not a state. Secrets never come here.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace ml2::log {

enum class Level { Debug, Info, Warn, Err };

// Receives every line. `module` is a word such as "ovsdb"; `text` has no newline at its end.
using Sink = void (*)(std::string_view module, Level level, std::string_view text);
// Replaces the sink (default: stderr, Info and above). Call once, before threads start.
void set_sink(Sink sink);
void write(std::string_view module, Level level, std::string_view text);

template <class... Args>
void debug(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
  write(module, Level::Debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
  write(module, Level::Info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
  write(module, Level::Warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void err(std::string_view module, fmt::format_string<Args...> format, Args&&... args) {
  write(module, Level::Err, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ml2::log
