// ml2ctl trace: which flows a packet from a port would meet, by ovs-vswitchd's own ofproto/trace over its control
// socket. No packet is sent.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/ctl/control_client.h"
#include "agent/ctl/program.h"
#include "agent/ctl/trace_text.h"
#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

using nlohmann::json;

struct TraceOptions {
  std::string port, flow, ovs_ctl;
  bool raw = false;
};

// ovs-vswitchd listens on ovs-vswitchd.PID.ctl (ovs-appctl(8), "-t"); its PID file is beside it.
std::string vswitchd_socket(const std::string& rundir) {
  std::ifstream file(rundir + "/ovs-vswitchd.pid");
  std::string pid;
  std::getline(file, pid);
  const std::string numbered = fmt::format("{}/ovs-vswitchd.{}.ctl", rundir, text::trim(pid));
  std::error_code none;
  return std::filesystem::exists(numbered, none) ? numbered : rundir + "/ovs-vswitchd.ctl";
}

Result<json> ask_json(Session& session, const std::string& command, std::vector<std::string> arguments) {
  arguments.emplace_back("json");
  const auto text = ask_local_agent(session, command, arguments);
  if (!text) return forward_error(text);
  json answer = json::parse(*text, nullptr, false);
  if (!answer.is_object()) return invalid("the agent's answer is no JSON object: is it of another version?");
  return answer;
}

Status trace(Session& session, const TraceOptions& options) {
  const auto port = ask_json(session, "explain", {options.port});
  if (!port) return forward_error(port);
  TraceSource source{.ofport = {}, .mac = port->value("mac_address", ""), .ip4 = {}, .ip6 = {}};
  for (const json& address : port->value("fixed_ips", json::array())) {
    const auto ip = address.get<std::string>();
    std::string& first = ip.find(':') == std::string::npos ? source.ip4 : source.ip6;
    if (first.empty()) first = ip;
  }
  if (const json served = port->value("fastpath_port", json()); served.is_number_unsigned()) {
    return trace_in_fast_path(session, "", std::to_string(served.get<unsigned>()),
                              complete_flow(options.flow, source));
  }
  if (!port->contains("ofport") || (*port)["ofport"].is_null()) {
    return invalid(fmt::format("port {} has no OpenFlow port to trace from: {} (ml2ctl explain {} tells more)",
                               options.port, port->value("reason", "it is not plugged"), options.port));
  }
  std::string socket = options.ovs_ctl;
  if (socket.empty()) {
    const auto status = ask_json(session, "status", {});
    if (!status) return forward_error(status);
    socket = vswitchd_socket(status->value("ovs_rundir", "/var/run/openvswitch"));
  }
  source.ofport = std::to_string((*port)["ofport"].get<unsigned>());
  const std::string flow = complete_flow(options.flow, source);
  const std::string bridge = port->value("integration_bridge", "br-int");
  const auto answer =
      ask_agent(socket, "ofproto/trace", {"--names", bridge, flow}, session.timeout(), "ovs-vswitchd");
  if (!answer) return forward_error(answer);
  if (options.raw) {
    session.print(*answer + "\n");
    return {};
  }
  const Trace read = read_trace(*answer, {bridge, port->value("tunnel_bridge", "")});
  if (session.format() == Format::Json) {
    json shown = trace_json(read);
    shown["port"] = (*port)["id"];
    shown["flow"] = flow;
    session.print(shown.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
    return {};
  }
  session.print(fmt::format("{} from interface {} of port {}\n{}", flow, port->value("interface", ""),
                            (*port)["id"].get<std::string>(), trace_table(read)));
  return {};
}

}  // namespace

void add_trace_command(Command& top, Program& program) {
  add_command<TraceOptions>(
      top, program, "trace",
      "Show which flows a packet from a port of this host would meet, or which decisions of the fast path if that "
      "serves the "
      "port; no packet is sent",
      [](Command& command, TraceOptions& options) {
        command.add_option("PORT", options.port, "Name, id, start of an id, or interface").required();
        command
            .add_option("FLOW", options.flow,
                        "The packet, as ovs-ofctl writes it; in_port, dl_src and the source address are the port's "
                        "unless given")
            .required();
        command.add_flag("--raw", options.raw, "The answer of ovs-vswitchd as it is");
        command.add_option("--ovs-ctl", options.ovs_ctl,
                           "Control socket of ovs-vswitchd; default: that of the agent's --ovs-rundir");
        command.footer(
            "Examples:\n"
            "  ml2ctl trace web1 icmp,dl_dst=fa:16:3e:00:00:02,nw_dst=10.0.0.5\n"
            "  ml2ctl trace web1 arp,dl_dst=ff:ff:ff:ff:ff:ff,arp_tpa=10.0.0.5\n");
      },
      trace);
}

}  // namespace ml2::ctl
