// ml2ctl status: what the local agent says of itself.
#include "agent/ctl/control_client.h"
#include "agent/ctl/program.h"

namespace ml2::ctl {

void add_status_command(CLI::App& app, Program& program) {
  struct None {};
  add_command<None>(
      app, program, "status", "Show what the local agent is doing",
      [](CLI::App& command, None&) {
        command.footer(
            "Examples:\n  ml2ctl status\n  ml2ctl --format json --ctl /run/ml2-agent/ml2-agent.ctl status\n");
      },
      [](Session& session, const None&) -> Status {
        const std::string socket = session.options().ctl.empty() ? kControlSocket : session.options().ctl;
        const auto text = ask_agent(socket, "status", {session.options().format}, session.timeout());
        if (!text) return forward_error(text);
        session.print(text->ends_with('\n') ? *text : *text + "\n");
        return {};
      });
}

}  // namespace ml2::ctl
