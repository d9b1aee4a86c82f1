#include "agent/ctl/control_client.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "agent/ctl/unixctl_shim.h"
#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

// libopenvswitch answers EOF (-1) for a connection that the other side closed.
std::string reason(int error_number) {
  return error_number < 0 ? "the connection was closed" : std::string(std::strerror(error_number));
}

}  // namespace

Result<std::string> ask_agent(const std::string& socket, const std::string& command,
                              const std::vector<std::string>& arguments, std::chrono::milliseconds timeout,
                              const std::string& who) {
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv;
  for (std::string& argument : copies) argv.push_back(argument.data());
  char* text = nullptr;
  int error_number = 0;
  const auto result = ml2_unixctl_transact(socket.c_str(), command.c_str(), static_cast<int>(argv.size()),
                                           argv.data(), timeout.count(), &text, &error_number);
  const std::unique_ptr<char, decltype(&std::free)> owned(text, &std::free);
  switch (result) {
    case ML2_UNIXCTL_OK: return std::string(text);
    case ML2_UNIXCTL_REFUSED:
      return invalid(fmt::format("{} at {} refuses {}: {}", who == "ml2-agent" ? "the agent" : who, socket, command,
                                 text::trim(text)));
    case ML2_UNIXCTL_NO_CONNECT:
      return transient(fmt::format("no {} answers at {}: {} (is {} running on this host? {} names another socket)",
                                   who == "ml2-agent" ? "agent" : who, socket, reason(error_number), who,
                                   who == "ml2-agent" ? "--ctl" : "--ovs-ctl"));
    case ML2_UNIXCTL_LOST:
      return transient(fmt::format("{} at {} gave no reply: {}", who, socket, reason(error_number)));
    case ML2_UNIXCTL_TIMEOUT: break;
  }
  return transient(fmt::format("{} at {} has not answered within {} s", who, socket, timeout.count() / 1000));
}

}  // namespace ml2::ctl
