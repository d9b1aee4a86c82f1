// Result<T>: a value or an Error that says what to do next.
//
// Where in the walk: below everything; every fallible function of ours returns one.
// Threading: values.
// Failure: none of its own.
// What it does not do: no exceptions, no error codes; the sentence is for people, the kind for the loop.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace ml2 {

// What the caller does about an error, not where it came from.
enum class ErrorKind {
  Transient,  // try again later: a peer is away, a timeout, a race that the database settled
  Conflict,   // something that is not ours is in the way: report, do not fight
  Invalid,    // the input is wrong: report, leave that object out, go on with the rest
  Fatal,      // the process cannot go on: exit; a restart is cheap and loses nothing
};

struct Error {
  ErrorKind kind = ErrorKind::Fatal;
  std::string message;  // one sentence for an operator: what, where, what was expected

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

[[nodiscard]] inline tl::unexpected<Error> transient(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::Transient, std::move(message)});
}
[[nodiscard]] inline tl::unexpected<Error> conflict(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::Conflict, std::move(message)});
}
[[nodiscard]] inline tl::unexpected<Error> invalid(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::Invalid, std::move(message)});
}
[[nodiscard]] inline tl::unexpected<Error> fatal(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::Fatal, std::move(message)});
}

// The error of a failed result, for handing on to another type of result.
template <class T>
[[nodiscard]] tl::unexpected<Error> forward_error(const Result<T>& failed) {
  return tl::unexpected<Error>(failed.error());
}

[[nodiscard]] constexpr const char* to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Transient: return "transient";
    case ErrorKind::Conflict: return "conflict";
    case ErrorKind::Invalid: return "invalid";
    case ErrorKind::Fatal: return "fatal";
  }
  return "unknown";
}

}  // namespace ml2
