#include "dpdk/process/vhost.h"

#include <fmt/format.h>
#include <rte_eth_vhost.h>
#include <rte_vhost.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "datapath/base/text.h"
#include "datapath/base/unique_fd.h"
#include "dpdk/walk/offload.h"

namespace ml2::fastpath {

namespace {

// Feature bits, virtio 1.1 section 5.1.3 (linux/virtio_net.h is not for C++).
constexpr unsigned kGuestChecksum = 1;
constexpr unsigned kGuestTso4 = 7;
constexpr unsigned kGuestTso6 = 8;
constexpr unsigned kGuestUfo = 10;
constexpr unsigned kHostUfo = 14;

}  // namespace

bool is_vhost(const std::string& devargs) {
  return devargs.starts_with("net_vhost") || devargs.starts_with("eth_vhost");
}

std::string device_argument(const std::string& devargs, const std::string& key) {
  const auto words = text::split(devargs, ',');
  for (std::size_t i = 1; i < words.size(); ++i)
    if (words[i].starts_with(key + "=")) return words[i].substr(key.size() + 1);
  return {};
}

Status ready_socket(const std::string& devargs) {
  const std::string path = device_argument(devargs, "iface");
  const std::string client = device_argument(devargs, "client");
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return invalid(fmt::format("device {}: iface=, the socket's path of 1 to {} bytes, was expected",
                               text::printable(devargs), sizeof(address.sun_path) - 1));
  }
  if (!client.empty() && client != "0") return {};
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) {
    return conflict(fmt::format("{} is there and is no socket; it is left alone", text::printable(path)));
  }
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return conflict(fmt::format("socket {} is served by another process", text::printable(path)));
  }
  if (errno == ECONNREFUSED) ::unlink(path.c_str());
  return {};
}

Status withhold_udp_segments(const std::string& devargs) {
  const std::string path = device_argument(devargs, "iface");
  const std::uint64_t features = std::uint64_t{1} << kGuestUfo | std::uint64_t{1} << kHostUfo;
  if (rte_vhost_driver_disable_features(path.c_str(), features) == 0) return {};
  return transient(fmt::format("what socket {} offers a machine cannot be changed", text::printable(path)));
}

bool vhost_sends_udp_segments(std::uint16_t ethdev) {
  std::uint64_t features = 0;
  const int vid = rte_eth_vhost_get_vid_from_port_id(ethdev);
  return vid >= 0 && rte_vhost_get_negotiated_features(vid, &features) == 0 && (features >> kHostUfo & 1U) != 0;
}

std::uint8_t vhost_takes(std::uint16_t ethdev) {
  std::uint64_t features = 0;
  const int vid = rte_eth_vhost_get_vid_from_port_id(ethdev);
  if (vid < 0 || rte_vhost_get_negotiated_features(vid, &features) != 0) return kTakesPieces;
  const auto has = [features](unsigned bit) { return (features >> bit & 1U) != 0; };
  std::uint8_t takes = kTakesPieces;
  // virtio 1.1, 5.1.3.1: segments need checksums.
  if (!has(kGuestChecksum)) return takes;
  takes |= kTakesChecksum;
  if (has(kGuestTso4)) takes |= kTakesTso4;
  if (has(kGuestTso6)) takes |= kTakesTso6;
  return takes;
}

std::uint16_t vhost_guest_mtu(std::uint16_t ethdev) {
  std::uint16_t mtu = 0;
  const int vid = rte_eth_vhost_get_vid_from_port_id(ethdev);
  return vid >= 0 && rte_vhost_get_mtu(vid, &mtu) == 0 ? mtu : std::uint16_t{0};
}

std::uint16_t VhostQueues::follow(std::uint16_t ethdev) {
  rte_eth_vhost_queue_event event{};
  // `rx` of an event is what the device receives: here it is about what it sends.
  while (rte_eth_vhost_get_queue_event(ethdev, &event) == 0) {
    if (event.rx || event.queue_id >= 64) continue;
    const std::uint64_t bit = std::uint64_t{1} << event.queue_id;
    enabled_ = event.enable ? enabled_ | bit : enabled_ & ~bit;
  }
  return static_cast<std::uint16_t>(std::countr_one(enabled_));
}

}  // namespace ml2::fastpath
