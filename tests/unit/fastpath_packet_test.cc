// Several messages in one packet of the control socket.
#include <gtest/gtest.h>

#include "dpdk/abi/packet.h"
#include "dpdk/process/control.h"
#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath {
namespace {

Bytes message(abi::Type type, std::uint32_t request, const Bytes& body = {}, abi::Kind kind = abi::Kind{0},
              std::uint32_t count = 0) {
  abi::Header header;
  header.type = type;
  header.request = request;
  header.kind = kind;
  header.count = count;
  Bytes bytes(sizeof(header) + body.size());
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::copy(body.begin(), body.end(), bytes.begin() + sizeof(header));
  return bytes;
}

template <class Value>
Bytes bytes_of(const Value& value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  return Bytes(bytes, bytes + sizeof(value));
}

class PacketTest : public testing::Test {
 protected:
  PacketTest() { parts_.program = &program_; }
  // Types of the answers.
  std::vector<abi::Type> handle(std::span<const std::uint8_t> packet, bool goes_on = true) {
    std::vector<abi::Type> types;
    EXPECT_EQ(conversation_.handle(packet,
                                   [&](std::span<const std::uint8_t> answer) {
                                     abi::Header header;
                                     std::memcpy(&header, answer.data(), sizeof(header));
                                     types.push_back(header.type);
                                   }),
              goes_on);
    return types;
  }
  NoReaders grace_;
  FakeDevices devices_;
  Program program_{grace_, devices_, 1};
  ControlParts parts_;
  Conversation conversation_{parts_};
};

TEST_F(PacketTest, WholeBatchesShareOne) {
  abi::Packet packet;
  for (std::uint16_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(packet.add(message(abi::Type::Begin, i, bytes_of(abi::Begin{.generation = i, .full = 0}))));
    ASSERT_TRUE(packet.add(message(abi::Type::Put, i, bytes_of(segment(i)), abi::Kind::Segment, 1)));
    ASSERT_TRUE(packet.add(message(abi::Type::Commit, i)));
  }
  ASSERT_TRUE(packet.add(message(abi::Type::Hello, 4)));
  EXPECT_TRUE(abi::holds_several(packet.bytes()));
  EXPECT_EQ(handle(packet.bytes()),
            (std::vector{abi::Type::Done, abi::Type::Done, abi::Type::Done, abi::Type::Welcome}));
  EXPECT_EQ(program_.segments().size(), 3U);
  EXPECT_EQ(program_.state().generation, 3U);
}

TEST_F(PacketTest, IsFullAtItsLength) {
  abi::Packet packet;
  ASSERT_TRUE(packet.add(message(abi::Type::Put, 1, Bytes(abi::kMaxMessage - 2 * sizeof(abi::Header)))));
  EXPECT_FALSE(abi::holds_several(packet.bytes()));
  EXPECT_FALSE(packet.add(message(abi::Type::Put, 1, Bytes(1))));
  EXPECT_TRUE(packet.add(message(abi::Type::Hello, 1)));
  EXPECT_EQ(packet.bytes().size(), abi::kMaxMessage);
  packet.clear();
  EXPECT_FALSE(packet.add(Bytes(3)));
}

TEST_F(PacketTest, AWrongNextEndsTheConversation) {
  abi::Packet packet;
  ASSERT_TRUE(packet.add(message(abi::Type::Hello, 1)));
  ASSERT_TRUE(packet.add(message(abi::Type::Hello, 2)));
  for (const std::uint32_t next : {1U, 23U, 48U, 49U, 0xffffffffU}) {
    Bytes wrong(packet.bytes().begin(), packet.bytes().end());
    std::memcpy(wrong.data() + offsetof(abi::Header, next), &next, sizeof(next));
    EXPECT_TRUE(handle(wrong, false).empty()) << next;
  }
  // The first is right, and is answered; the second is cut.
  Bytes cut(packet.bytes().begin(), packet.bytes().end() - 1);
  EXPECT_EQ(handle(cut, false).size(), 1U);
}

TEST_F(PacketTest, DigestsSeeEveryByte) {
  abi::Vtep record;
  const abi::Digest before = abi::digest(record);
  for (std::size_t i = 0; i < sizeof(record); ++i) {
    abi::Vtep other = record;
    reinterpret_cast<std::uint8_t*>(&other)[i] ^= 0x10;
    EXPECT_FALSE(abi::digest(other) == before) << i;
  }
  EXPECT_FALSE(abi::digest(abi::Flood{1, 2}) == abi::digest(abi::Flood{2, 1}));
}

}  // namespace
}  // namespace ml2::fastpath
