// ml2ctl fastpath ...: what ml2-fastpath has and does.
#include <nlohmann/json.hpp>

#include "agent/ctl/frame.h"
#include "agent/ctl/program.h"
#include "datapath/base/text.h"
#include "datapath/fastpath/query.h"

namespace ml2::ctl {
namespace {

struct FastPathOptions {
  std::string socket;
  std::string segment;
  std::string port;
  std::string frame;
};

Result<nlohmann::json> ask(Session& session, const FastPathOptions& options, const std::string& question) {
  const auto socket = session.fast_path_socket(options.socket);
  if (!socket) return forward_error(socket);
  const auto rows = fastpath::ask_fast_path(*socket, question, session.timeout());
  if (!rows) return forward_error(rows);
  auto objects = nlohmann::json::array();
  for (const std::string& line : text::split(*rows, '\n')) {
    if (line.empty()) continue;
    auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) return invalid("the fast path answered with what is no row: " + text::printable(line));
    objects.push_back(std::move(object));
  }
  return objects;
}

// One command whose answer is a list with these columns.
void add_list(Command& parent, Program& program, const std::string& name, const std::string& meaning,
              const std::vector<Column>& columns, void (*define)(Command&, FastPathOptions&) = nullptr,
              std::string (*question)(const FastPathOptions&) = nullptr) {
  add_command<FastPathOptions>(
      parent, program, name, meaning,
      [define](Command& command, FastPathOptions& options) {
        command.add_option("--socket", options.socket,
                           "Control socket of ml2-fastpath; default: [fastpath] socket of the ini files");
        if (define != nullptr) define(command, options);
      },
      [name, columns, question](Session& session, const FastPathOptions& options) -> Status {
        const auto objects = ask(session, options, question != nullptr ? question(options) : name);
        if (!objects) return forward_error(objects);
        session.list(*objects, columns);
        return {};
      });
}

// What the driver counts, where it is not nought.
std::string driver_drops(const nlohmann::json& port) {
  std::string cell;
  const auto drops = port.find("driver_drops");
  if (drops == port.end() || !drops->is_object()) return cell;
  for (const auto& [name, count] : drops->items()) {
    if (count.is_number_unsigned() && count.get<std::uint64_t>() != 0)
      cell += (cell.empty() ? "" : "\n") + name + " " + std::to_string(count.get<std::uint64_t>());
  }
  return cell;
}

}  // namespace

Status trace_in_fast_path(Session& session, const std::string& socket, const std::string& port,
                          const std::string& description) {
  const auto frame = frame_in_hexadecimal(description);
  if (!frame) return forward_error(frame);
  const auto objects =
      ask(session, {.socket = socket, .segment = {}, .port = {}, .frame = {}}, "trace " + port + " " + *frame);
  if (!objects) return forward_error(objects);
  session.list(*objects, {{"Step", "step"},
                          {"Port", "port"},
                          {"Segment", "segment"},
                          {"VTEP", "vtep"},
                          {"Length", "length"},
                          {"Reason", "reason"},
                          {"Meaning", "meaning"}});
  return {};
}

void add_fastpath_commands(Command& top, Program& program) {
  Command parent = top.add_group("fastpath", "Show what ml2-fastpath has and does");
  add_command<FastPathOptions>(
      parent, program, "show", "Show the process: generation, entries, workers",
      [](Command& command, FastPathOptions& options) {
        command.add_option("--socket", options.socket,
                           "Control socket of ml2-fastpath; default: [fastpath] socket of the ini files");
      },
      [](Session& session, const FastPathOptions& options) -> Status {
        const auto objects = ask(session, options, "show");
        if (!objects) return forward_error(objects);
        if (objects->size() != 1) return invalid("the fast path answered with no row");
        session.show(objects->front());
        return {};
      });
  add_list(parent, program, "ports", "List ports and their counters",
           {{"Port", "port"},
            {"Kind", "kind"},
            {"Device", "device"},
            {"Link", "link"},
            {"RX packets", "rx_packets"},
            {"TX packets", "tx_packets"},
            {"Dropped", "dropped"},
            {"Driver drops", "driver_drops", driver_drops},
            {"Answered", "answered"},
            {"Exception", "exception"}});
  add_list(
      parent, program, "segments", "List segments, their ports and counters",
      {{"Segment", "segment"}, {"VNI", "vni"}, {"Ports", "ports"}, {"Packets", "in_packets"}, {"Bytes", "in_bytes"}});
  add_list(parent, program, "vteps", "List VTEPs and their counters",
           {{"VTEP", "vtep"},
            {"Remote", "remote"},
            {"Next hop", "next_hop"},
            {"Port", "port"},
            {"Out packets", "out_packets"},
            {"In packets", "in_packets"}});
  add_list(parent, program, "stats", "List what each worker did",
           {{"Worker", "worker"},
            {"RX packets", "rx_packets"},
            {"RX bytes", "rx_bytes"},
            {"TX packets", "tx_packets"},
            {"TX bytes", "tx_bytes"},
            {"Dropped", "dropped"},
            {"Answered", "answered"},
            {"Exception", "exception"}});
  add_list(parent, program, "drops",
           "List why frames were dropped, by the port that they came from; PortOff: that they should have left by",
           {{"Port", "port"}, {"Reason", "reason"}, {"Packets", "packets"}, {"Meaning", "meaning"}});
  add_list(
      parent, program, "fdb", "List the FDB",
      {{"Segment", "segment"},
       {"MAC", "mac"},
       {"Port", "port"},
       {"VTEP", "vtep"},
       {"Learned", "learned"},
       {"Age", "age"}},
      [](Command& command, FastPathOptions& options) {
        command.add_option("--segment", options.segment, "Only this segment's, by its id in the fast path");
      },
      [](const FastPathOptions& options) { return options.segment.empty() ? "fdb" : "fdb " + options.segment; });
  add_command<FastPathOptions>(
      parent, program, "trace",
      "Walk a frame through the live tables and show each decision; nothing is sent. `ml2ctl trace` knows a "
      "machine's port "
      "by its name, and its addresses",
      [](Command& command, FastPathOptions& options) {
        command.add_option("--socket", options.socket,
                           "Control socket of ml2-fastpath; default: [fastpath] socket of the ini files");
        command.add_option("PORT", options.port, "Port that it comes from, by its id in the fast path").required();
        command
            .add_option("FRAME", options.frame,
                        "The packet as ovs-ofctl writes it, or in hexadecimal from the destination MAC on")
            .required();
        command.footer(
            "Examples:\n"
            "  ml2ctl fastpath trace 3 "
            "icmp,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.4,nw_dst=10.0.0.5\n");
      },
      [](Session& session, const FastPathOptions& options) {
        return trace_in_fast_path(session, options.socket, options.port, options.frame);
      });
  add_capture_command(parent, program);
}

}  // namespace ml2::ctl
