// Program: the command line of ml2ctl: what was asked for, to be run after parsing.
//
// Where in the walk: main() builds it, each commands_*.cc adds its commands, one of them sets `action`.
// Threading: one thread.
// Failure: parsing is CommandLine's (status 2); the action's error goes to stderr (status 1).
// What it does not do: no command reads or connects anything while the command line is parsed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/ctl/command_line.h"
#include "agent/ctl/session.h"
#include "agent/ml2/lookup.h"
#include "datapath/base/result.h"

namespace ml2::ctl {

struct Program {
  GlobalOptions globals;
  std::function<Status(Session&)> action;
};

void add_network_commands(Command& top, Program& program);
void add_subnet_commands(Command& top, Program& program);
void add_port_commands(Command& top, Program& program);
void add_host_commands(Command& top, Program& program);
void add_security_group_commands(Command& top, Program& program);
void add_vif_commands(Command& top, Program& program);
void add_agent_commands(Command& top, Program& program);
void add_explain_command(Command& top, Program& program);
void add_trace_command(Command& top, Program& program);
void add_sync_command(Command& top, Program& program);
// commands_fastpath.cc: what would become of a frame (see frame.h) from that port of the fast path, printed.
Status trace_in_fast_path(Session& session, const std::string& socket, const std::string& port,
                          const std::string& description);
void add_fastpath_commands(Command& top, Program& program);
void add_capture_command(Command& fastpath, Program& program);

// What the agent of this host (--ctl) answers.
[[nodiscard]] Result<std::string> ask_local_agent(Session& session, const std::string& command,
                                                  const std::vector<std::string>& arguments,
                                                  std::chrono::milliseconds at_least = {});
struct PortOptions {
  std::string port;
};

// A subcommand whose options live in a T, run by `run(session, options)`; `define(command, options)` adds them.
template <class T, class Define, class Run>
Command add_command(Command& parent, Program& program, const std::string& name, const std::string& meaning,
                    Define define, Run run) {
  auto options = std::make_shared<T>();
  Command command = parent.add_subcommand(name, meaning);
  define(command, *options);
  command.when_given([&program, options, run] {
    program.action = [options, run](Session& session) { return run(session, *options); };
  });
  return command;
}

// An option whose text must be KEY=VALUE pairs; wrong ones end the program with status 2.
Option add_key_values(Command& command, const std::string& name, std::vector<std::string>& texts,
                      const std::vector<std::string>& keys, const std::vector<std::string>& required,
                      const std::string& meaning);

// The commands `list` and `show` of a kind of row. `what` is its name for people, `rows_of` picks its table.
struct ListOptions {
  std::string network, host, device;
};
struct NameOptions {
  std::string name;
};
struct NamesOptions {
  std::vector<std::string> names;
};

// The rows with what view() needs.
struct Reading {
  ovsdb::Ml2Rows rows;
  plugin::Plugin* plugin = nullptr;

  [[nodiscard]] plugin::ViewInputs inputs() const {
    return {rows, plugin->extensions(), plugin->options().agent_down_time, plugin->now()};
  }
};
[[nodiscard]] Result<Reading> read_rows(Session& session);

// Shows the row of `id` anew, after a create.
template <class Row>
Status show_row(Session& session, const Uuid& id, std::map<Uuid, Row> ovsdb::Ml2Rows::*table) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto found = (reading->rows.*table).find(id);
  if (found == (reading->rows.*table).end())
    return invalid("it was deleted by somebody else meanwhile: " + id.to_string());
  session.show(plugin::view(reading->inputs(), found->second));
  return {};
}

template <class Row>
void add_show(Command& parent, Program& program, const std::string& what,
              std::map<Uuid, Row> ovsdb::Ml2Rows::*table) {
  add_command<NameOptions>(
      parent, program, "show", "Show one " + what,
      [&](Command& command, NameOptions& options) {
        command.add_option("NAME", options.name, "Name or id").required();
      },
      [what, table](Session& session, const NameOptions& options) -> Status {
        const auto reading = read_rows(session);
        if (!reading) return forward_error(reading);
        const auto id = plugin::find_resource(reading->rows.*table, what, options.name);
        if (!id) return forward_error(id);
        session.show(plugin::view(reading->inputs(), (reading->rows.*table).at(*id)));
        return {};
      });
}

// Deletes what is named, in order; the first that fails ends it.
template <class Row, class Delete>
void add_delete(Command& parent, Program& program, const std::string& what,
                std::map<Uuid, Row> ovsdb::Ml2Rows::*table, Delete remove) {
  add_command<NamesOptions>(
      parent, program, "delete", "Delete one or more " + what + "s",
      [&](Command& command, NamesOptions& options) {
        command.add_option("NAME", options.names, "Names or ids").required();
      },
      [what, table, remove](Session& session, const NamesOptions& options) -> Status {
        for (const std::string& name : options.names) {
          const auto reading = read_rows(session);
          if (!reading) return forward_error(reading);
          const auto id = plugin::find_resource(reading->rows.*table, what, name);
          if (!id) return forward_error(id);
          if (Status removed = remove(*reading->plugin, *id); !removed) return removed;
        }
        return {};
      });
}

}  // namespace ml2::ctl
