// output: resources as tables for people or JSON for programs.
//
// Where in the walk: the last step of each command of ml2ctl.
// Threading: pure functions on values.
// Failure: none.
// What it does not do: no colours, no paging, no width of the terminal: a table is as wide as its widest cell.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace ml2::ctl {

enum class Format { Table, Json };

// A column of a list for people: its title and the attribute that it shows, or how to make it of the object.
struct Column {
  std::string title;
  std::string attribute;
  std::function<std::string(const nlohmann::json& object)> make = nullptr;
};

// A value as a cell: text as it is, null as "", objects as k='v' pairs, arrays one element per line.
[[nodiscard]] std::string to_cell(const nlohmann::json& value);
// Like the openstack command: +----+ lines, one row per object, cells of several lines are allowed.
[[nodiscard]] std::string make_table(const std::vector<std::string>& titles,
                                     const std::vector<std::vector<std::string>>& rows);

// A list: `objects` is an array. JSON shows whole objects, a table the columns.
[[nodiscard]] std::string format_list(Format format, const nlohmann::json& objects,
                                      const std::vector<Column>& columns);
// One object: JSON, or a table Field/Value.
[[nodiscard]] std::string format_object(Format format, const nlohmann::json& object);

}  // namespace ml2::ctl
