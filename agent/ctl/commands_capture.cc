// ml2ctl fastpath capture: frames of ml2-fastpath as a pcapng file, or as lines.
#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/ctl/pcapng.h"
#include "agent/ctl/program.h"
#include "datapath/base/text.h"
#include "datapath/fastpath/query.h"

namespace ml2::ctl {
namespace {

struct CaptureOptions {
  std::string socket;
  std::string file;
  std::string port, segment, mac, ip, ethertype, direction, count, snaplen;
  bool dropped = false;
  double duration = 0;
};

volatile std::sig_atomic_t interrupted = 0;

std::string words_of(const CaptureOptions& options) {
  std::string words;
  const std::pair<const char*, const std::string*> all[] = {
      {"port", &options.port},   {"segment", &options.segment},     {"mac", &options.mac},
      {"ip", &options.ip},       {"ethertype", &options.ethertype}, {"direction", &options.direction},
      {"count", &options.count}, {"snaplen", &options.snaplen}};
  for (const auto& [name, value] : all)
    if (!value->empty()) words += fmt::format("{}={} ", name, *value);
  if (options.dropped) words += "dropped";
  return words;
}

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  return bytes;
}

// Where the file goes; "-" is standard output.
class Writer {
 public:
  static Result<Writer> open(const std::string& path) {
    if (path == "-") return Writer(stdout, path);
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return invalid(fmt::format("{}: {}", text::printable(path), std::strerror(errno)));
    return Writer(file, path);
  }
  // Whole blocks, at once: who interrupts leaves a file that can be read.
  Status write(const std::string& bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size() && std::fflush(file_.get()) == 0)
      return {};
    return transient(fmt::format("{}: {}", text::printable(path_), std::strerror(errno)));
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const {
      if (file != stdout) std::fclose(file);
    }
  };
  Writer(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}
  std::unique_ptr<std::FILE, Close> file_;
  std::string path_;
};

// The devices' names, for the file's interfaces.
std::map<std::uint32_t, std::string> devices(Session& session, const std::string& socket) {
  std::map<std::uint32_t, std::string> names;
  const auto rows = fastpath::ask_fast_path(socket, "ports", session.timeout());
  if (!rows) return names;
  for (const std::string& line : text::split(*rows, '\n')) {
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_object()) names[row.value("port", 0U)] = row.value("device", "");
  }
  return names;
}

std::string line_of(const nlohmann::json& row) {
  const std::string bytes = bytes_of(row.value("frame", ""));
  const auto mac = [&bytes](std::size_t at) {
    std::string text;
    for (std::size_t i = at; i < at + 6 && i < bytes.size(); ++i)
      text += fmt::format("{}{:02x}", i == at ? "" : ":", static_cast<unsigned char>(bytes[i]));
    return text;
  };
  const std::uint64_t time = row.value("time_ns", std::uint64_t{0});
  const unsigned type = bytes.size() < 14 ? 0
                                          : static_cast<unsigned>(static_cast<unsigned char>(bytes[12])) << 8U |
                                                static_cast<unsigned char>(bytes[13]);
  std::string line = fmt::format("{}.{:09} port {} {:3} segment {} {} > {} type {:#06x} length {}", time / 1000000000,
                                 time % 1000000000, row.value("port", 0U), row.value("direction", ""),
                                 row.value("segment", 0U), mac(6), mac(0), type, row.value("length", 0U));
  if (row.contains("drop")) line += fmt::format(" dropped {}: {}", row.value("drop", ""), row.value("meaning", ""));
  return line + "\n";
}

Status capture(Session& session, const CaptureOptions& options) {
  std::unique_ptr<Writer> writer;
  if (!options.file.empty()) {
    auto opened = Writer::open(options.file);
    if (!opened) return forward_error(opened);
    writer = std::make_unique<Writer>(std::move(*opened));
    if (auto written = writer->write(Pcapng::header("ml2ctl fastpath capture")); !written) return written;
  }
  const auto socket = session.fast_path_socket(options.socket);
  if (!socket) return forward_error(socket);
  const auto names = devices(session, *socket);
  Pcapng file;
  const auto take = [&](const std::string& text) -> Status {
    const auto row = nlohmann::json::parse(text, nullptr, false);
    if (!row.is_object()) return invalid("the fast path answered with what is no row: " + text::printable(text));
    if (row.contains("captured")) {
      session.say(fmt::format("{} frames captured, {} lost for want of buffers",
                              row.value("captured", std::uint64_t{0}), row.value("lost", std::uint64_t{0})));
      return {};
    }
    if (!writer) {
      session.print(session.format() == Format::Json ? text + "\n" : line_of(row));
      session.flush();
      return {};
    }
    PcapngFrame frame;
    frame.time_ns = row.value("time_ns", std::uint64_t{0});
    frame.interface = row.value("port", 0U);
    frame.out = row.value("direction", "") == "out";
    frame.length = row.value("length", 0U);
    frame.bytes = bytes_of(row.value("frame", ""));
    if (row.contains("drop"))
      frame.comment = fmt::format("dropped: {}: {}", row.value("drop", ""), row.value("meaning", ""));
    std::string blocks;
    if (!file.has_interface(frame.interface)) {
      const auto name = names.find(frame.interface);
      blocks = file.add_interface(frame.interface, fmt::format("port{}", frame.interface),
                                  name == names.end() ? "" : name->second);
    }
    return writer->write(blocks + file.frame(frame));
  };
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  return fastpath::stream_capture(
      *socket, words_of(options), session.timeout(),
      std::chrono::milliseconds(static_cast<std::int64_t>(options.duration * 1000)), [] { return interrupted != 0; },
      take);
}

}  // namespace

void add_capture_command(Command& parent, Program& program) {
  add_command<CaptureOptions>(
      parent, program, "capture", "Capture frames of ml2-fastpath, with why one was dropped; Ctrl-C ends it",
      [](Command& command, CaptureOptions& options) {
        command.add_option("--socket", options.socket,
                           "Control socket of ml2-fastpath; default: [fastpath] socket of the ini files");
        command.add_option("-w,--write", options.file,
                           "Write pcapng to this file, - for standard output; else a line per frame");
        command.add_option("--port", options.port, "Only this port's, by its id in the fast path");
        command.add_option("--segment", options.segment, "Only this segment's, by its id in the fast path");
        command.add_option("--mac", options.mac, "Only from or to this MAC address, also within VXLAN");
        command.add_option("--ip", options.ip, "Only from, to or about this address, also within VXLAN");
        command.add_option("--ethertype", options.ethertype,
                           "Only this Ethernet type, behind VLAN tags, as in 0x0806");
        command.add_option("--direction", options.direction, "in: received frames, out: sent ones; default: both");
        command.add_flag("--dropped", options.dropped, "Only frames that are dropped");
        command.add_option("--count", options.count, "End after so many frames");
        command.add_option("--duration", options.duration, "End after so many seconds");
        command.add_option("--snaplen", options.snaplen, "Bytes kept of each frame (default and most: 2048)");
      },
      [](Session& session, const CaptureOptions& options) { return capture(session, options); });
}

}  // namespace ml2::ctl
