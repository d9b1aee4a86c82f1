// ml2ctl status, dump, recompute, events: what the local agent says of itself.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/ctl/control_client.h"
#include "agent/ctl/program.h"

namespace ml2::ctl {
namespace {

constexpr std::chrono::milliseconds kFollowPause{300};

struct None {};

struct DumpOptions {
  std::string what;
};

struct EventsOptions {
  bool follow = false;
  std::uint64_t since = 0;
  std::size_t last = 0;
};

Status print_answer(Session& session, const std::string& command, const std::vector<std::string>& arguments) {
  const auto text = ask_local_agent(session, command, arguments);
  if (!text) return forward_error(text);
  session.print(text->ends_with('\n') ? *text : *text + "\n");
  return {};
}

// The agent's own audit takes up to 20 s before it gives up.
Status recompute(Session& session, const None&) {
  const auto text = ask_local_agent(session, "recompute", {}, std::chrono::seconds(30));
  if (!text) return forward_error(text);
  const bool empty = text->find("plan is empty") != std::string::npos;
  if (session.format() == Format::Json) {
    session.show(nlohmann::json{{"empty", empty}, {"plan", *text}});
  } else {
    session.print(*text + "\n");
  }
  return empty ? Status()
               : Status(transient("what is in Open vSwitch is not what was computed anew: the agent is at work, or "
                                  "has missed a change"));
}

void print_events(Session& session, const nlohmann::json& events, bool json_lines) {
  for (const nlohmann::json& event : events) {
    if (json_lines) {
      session.print(event.dump() + "\n");
      continue;
    }
    const std::size_t size = event["size"];
    const std::string cause = event["cause"];
    session.print(fmt::format("{} {:<10} {}: {}{}{}\n", event["time"].get<std::string>(),
                              event["kind"].get<std::string>(), event["subject"].get<std::string>(),
                              event["text"].get<std::string>(), size == 0 ? "" : fmt::format(" [{} changes]", size),
                              cause.empty() ? "" : fmt::format(" (woken by: {})", cause)));
  }
  session.flush();
}

Result<nlohmann::json> events_since(Session& session, std::uint64_t since) {
  const auto text = ask_local_agent(session, "events", {std::to_string(since), "json"});
  if (!text) return forward_error(text);
  auto events = nlohmann::json::parse(*text, nullptr, false);
  if (!events.is_array()) return invalid("the agent's answer is no list of events: is it of another version?");
  return events;
}

Status events(Session& session, const EventsOptions& options) {
  std::uint64_t since = options.since;
  auto found = events_since(session, since);
  if (!found) return forward_error(found);
  if (options.last != 0 && found->size() > options.last) {
    found->erase(found->begin(), found->end() - static_cast<std::ptrdiff_t>(options.last));
  }
  if (!options.follow && session.format() == Format::Json) {
    session.print(found->dump(2) + "\n");
    return {};
  }
  print_events(session, *found, session.format() == Format::Json);
  while (options.follow && session.good()) {
    if (!found->empty()) since = found->back()["id"];
    std::this_thread::sleep_for(kFollowPause);
    found = events_since(session, since);
    if (!found) return forward_error(found);
    print_events(session, *found, session.format() == Format::Json);
  }
  return {};
}

}  // namespace

void add_sync_command(Command& top, Program& program) {
  add_command<None>(
      top, program, "sync", "Wait until all that stands in the database is carried out on all hosts that are alive",
      [&program](Command& command, None&) {
        command.when_named([&program] { program.globals.wait = "all"; });
        command.footer("The same as --wait=all of any other command. Examples:\n  ml2ctl --timeout 30 sync\n");
      },
      [](Session&, const None&) -> Status { return {}; });
}

Result<std::string> ask_local_agent(Session& session, const std::string& command,
                                    const std::vector<std::string>& arguments, std::chrono::milliseconds at_least) {
  const std::string socket = session.options().ctl.empty() ? kControlSocket : session.options().ctl;
  return ask_agent(socket, command, arguments, std::max(session.timeout(), at_least));
}

void add_agent_commands(Command& top, Program& program) {
  add_command<None>(
      top, program, "status", "Show what the local agent is doing",
      [](Command& command, None&) {
        command.footer(
            "Examples:\n  ml2ctl status\n  ml2ctl --format json --ctl /run/ml2-agent/ml2-agent.ctl status\n");
      },
      [](Session& session, const None&) -> Status {
        return print_answer(session, "status", {session.options().format});
      });
  add_command<DumpOptions>(
      top, program, "dump", "Show what the local agent holds: intent, facts, desired or plan",
      [](Command& command, DumpOptions& options) {
        command
            .add_option("WHAT", options.what,
                        "intent: what is asked of this host; facts: what Open vSwitch and the kernel have assigned; "
                        "desired: rows and flows as they shall be; plan: what is still to be changed")
            .required()
            .one_of({"intent", "facts", "desired", "plan"});
        command.footer("Examples:\n  ml2ctl dump plan\n  ml2ctl --format json dump desired\n");
      },
      [](Session& session, const DumpOptions& options) -> Status {
        return print_answer(session, "dump-" + options.what, {session.options().format});
      });
  add_command<None>(
      top, program, "recompute", "Let the local agent read everything again, compute from nothing and compare",
      [](Command& command, None&) {
        command.footer("Changes nothing. Exit status 1 when something is not as it shall be.\n");
      },
      recompute);
  add_command<EventsOptions>(
      top, program, "events", "Show the local agent's last 1,000 events with their cause",
      [](Command& command, EventsOptions& options) {
        command.add_flag("--follow,-f", options.follow, "Go on showing new ones, until interrupted");
        command.add_option("--since", options.since, "Only those after this number (field id of the JSON)");
        command.add_option("--last,-n", options.last, "Only so many of the newest");
        command.footer("Examples:\n  ml2ctl events -n 20\n  ml2ctl events --follow\n");
      },
      events);
}

}  // namespace ml2::ctl
