#include "agent/ctl/output.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

using nlohmann::json;

// Characters, not bytes: continuation bytes of UTF-8 (10xxxxxx) take no place of their own.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// Bad UTF-8 of a database must not stop the output.
std::string dump(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

// Control characters could rewrite the terminal.
std::string clean(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += text::printable(std::string(1, c));
    } else {
      result += c;
    }
  }
  return result;
}

std::string pairs_of(const json& object) {
  std::string text;
  for (const auto& [key, value] : object.items()) {
    const std::string cell = to_cell(value);
    if (cell.empty()) continue;
    if (!text.empty()) text += ", ";
    text += clean(key) + "='" + cell + "'";
  }
  return text;
}

// The lines of a cell; a long one goes on in the next line, where it has a space to break at.
std::vector<std::string> lines_of(const std::string& cell) {
  constexpr std::size_t kLongest = 80;
  std::vector<std::string> lines;
  for (const std::string& whole : text::split(cell, '\n')) {
    const std::vector<std::string> words = text::split(whole, ' ');
    lines.push_back(words.front());
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (width(lines.back()) + 1 + width(words[i]) > kLongest) {
        lines.push_back(words[i]);
      } else {
        lines.back() += " " + words[i];
      }
    }
  }
  return lines;
}

}  // namespace

std::string to_cell(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return clean(value.get<std::string>());
  if (value.is_object()) return pairs_of(value);
  if (value.is_array()) {
    std::string text;
    for (const json& element : value) text += (text.empty() ? "" : "\n") + to_cell(element);
    return text;
  }
  return dump(value, -1);
}

std::string make_table(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::string& title : titles) widths.push_back(width(title));
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < titles.size() && i < row.size(); ++i) {
      for (const std::string& line : lines_of(row[i])) widths[i] = std::max(widths[i], width(line));
    }
  }
  std::string rule = "+";
  for (const std::size_t w : widths) rule += std::string(w + 2, '-') + "+";
  rule += "\n";
  const auto add_row = [&](std::string& table, const std::vector<std::string>& row) {
    std::vector<std::vector<std::string>> cells;
    std::size_t height = 1;
    for (std::size_t i = 0; i < titles.size(); ++i) {
      cells.push_back(lines_of(i < row.size() ? row[i] : ""));
      height = std::max(height, cells.back().size());
    }
    for (std::size_t line = 0; line < height; ++line) {
      table += "|";
      for (std::size_t i = 0; i < titles.size(); ++i) {
        const std::string cell = line < cells[i].size() ? cells[i][line] : "";
        table += " " + cell + std::string(widths[i] - width(cell), ' ') + " |";
      }
      table += "\n";
    }
  };
  std::string table = rule;
  add_row(table, titles);
  table += rule;
  for (const auto& row : rows) add_row(table, row);
  if (!rows.empty()) table += rule;
  return table;
}

std::string format_list(Format format, const json& objects, const std::vector<Column>& columns) {
  if (format == Format::Json) return dump(objects, 2) + "\n";
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.push_back(column.title);
  std::vector<std::vector<std::string>> rows;
  for (const json& object : objects) {
    std::vector<std::string> row;
    for (const Column& column : columns) {
      if (column.make) {
        row.push_back(column.make(object));
      } else {
        const auto found = object.find(column.attribute);
        row.push_back(found == object.end() ? "" : to_cell(*found));
      }
    }
    rows.push_back(std::move(row));
  }
  return make_table(titles, rows);
}

std::string format_object(Format format, const json& object) {
  if (format == Format::Json) return dump(object, 2) + "\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : object.items()) rows.push_back({key, to_cell(value)});
  return make_table({"Field", "Value"}, rows);
}

}  // namespace ml2::ctl
