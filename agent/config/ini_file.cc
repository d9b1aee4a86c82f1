#include "agent/config/ini_file.h"

#include <fmt/format.h>

#include <optional>

#include "agent/config/ini_text.h"
#include "datapath/base/text.h"

namespace ml2::config {
namespace {

// Ends of lines as Python's universal newlines: "\n", "\r\n" and a lone "\r".
std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find_first_of("\r\n");
  if (end == std::string_view::npos) {
    const std::string_view line = rest;
    rest = {};
    return line;
  }
  const std::string_view line = rest.substr(0, end);
  const bool crlf = rest[end] == '\r' && end + 1 < rest.size() && rest[end + 1] == '\n';
  rest.remove_prefix(end + (crlf ? 2 : 1));
  return line;
}

class Parser {
 public:
  explicit Parser(std::string path) { file_.path = std::move(path); }

  IniFile parse(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) {
      error(1, "the file starts with a UTF-8 byte order mark; save it without one");
      text.remove_prefix(3);
    }
    while (!text.empty() && file_.errors.size() < kMaxIniErrors) {
      ++line_;
      line(strip_right(take_line(text)));
    }
    flush();
    if (!text.empty()) error(line_, "too many errors; the rest of the file was not read");
    return std::move(file_);
  }

 private:
  void line(std::string_view text) {
    if (!text::is_utf8(text)) {
      flush();
      skip_continuation_ = true;
      return error(line_, fmt::format("the line is not UTF-8: '{}'", text::printable(text, 60)));
    }
    if (text.empty()) return flush();
    if (text.front() == ' ' || text.front() == '\t') return continuation(text);
    flush();
    if (text.front() == '[') return section(text);
    if (text.front() == '#' || text.front() == ';') return;
    assignment(text);
  }

  void continuation(std::string_view text) {
    if (open_) {
      open_->value += '\n';
      open_->value += strip_left(text);
    } else if (!skip_continuation_) {
      error(line_, fmt::format("unexpected continuation line (it starts with white space and there is no value above "
                               "it to continue): '{}'",
                               text::printable(text, 60)));
    }
  }

  void section(std::string_view text) {
    section_.reset();
    skip_entries_ = true;
    if (text.back() != ']') {
      return error(line_, fmt::format("a section line must end with ']' (a comment needs a line of its own): '{}'",
                                      text::printable(text, 60)));
    }
    if (text.size() <= 2) return error(line_, "the section name is empty: '[]'");
    skip_entries_ = false;
    section_ = std::string(text.substr(1, text.size() - 2));
    file_.sections.push_back({*section_, line_});
  }

  void assignment(std::string_view text) {
    const auto separator = text.find_first_of("=:");
    if (separator == std::string_view::npos) {
      skip_continuation_ = true;
      return error(line_,
                   fmt::format("expected 'option = value', found no '=' or ':': '{}'", text::printable(text, 60)));
    }
    const std::string_view key = strip(text.substr(0, separator));
    if (key.empty()) {
      skip_continuation_ = true;
      return error(line_, fmt::format("there is no option name before '{}'", text[separator]));
    }
    std::string_view value = strip(text.substr(separator + 1));
    // Quotes around the whole of the first line go; a lone quote character is an empty value.
    if (!value.empty() && value.front() == value.back() && (value.front() == '"' || value.front() == '\'')) {
      value = value.size() < 2 ? std::string_view() : value.substr(1, value.size() - 2);
    }
    if (!section_) {
      skip_continuation_ = true;
      if (skip_entries_) return;  // below a section line that was reported already
      return error(line_, fmt::format("option '{}' stands before any [section] line", text::printable(key, 60)));
    }
    open_ = IniEntry{*section_, std::string(key), std::string(value), line_};
  }

  void flush() {
    if (open_) file_.entries.push_back(std::move(*open_));
    open_.reset();
    skip_continuation_ = false;
  }

  void error(std::size_t line, std::string message) { file_.errors.push_back({line, std::move(message)}); }

  IniFile file_;
  std::size_t line_ = 0;
  std::optional<std::string> section_;
  std::optional<IniEntry> open_;
  bool skip_entries_ = false;       // the section line above is bad
  bool skip_continuation_ = false;  // the line above is bad: what continues it needs no second message
};

}  // namespace

IniFile parse_ini(std::string path, std::string_view text) { return Parser(std::move(path)).parse(text); }

std::string normalized_section(std::string_view name) {
  return name == "DEFAULT" ? std::string(name) : text::lower(name);
}

}  // namespace ml2::config
