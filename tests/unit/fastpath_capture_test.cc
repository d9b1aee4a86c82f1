// Capture without DPDK: the filter's words, which frames match, rows, and the conversation around them.
#include <gtest/gtest.h>

#include "dpdk/process/control.h"
#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath::capture {
namespace {

constexpr const char* kVm1 = "fa:16:3e:00:00:01";
constexpr const char* kVm2 = "fa:16:3e:00:00:02";

class CaptureTest : public testing::Test {
 protected:
  void SetUp() override {
    Batch batch;
    batch.full = true;
    batch.ports.put = {access_port(1), uplink(3, "02:00:00:00:00:09", nullptr),
                       uplink(9, "02:00:00:00:00:01", "192.0.2.1")};
    batch.segments.put = {segment(5, 1000), segment(6, 1001)};
    batch.attachments.put = {{.port = 1, .segment = 5}, {.port = 3, .segment = 6, .vlan = 60}};
    ASSERT_TRUE(rig_.program.apply(batch).refused.empty());
  }
  bool match(const char* words, PortIndex port, const Bytes& frame, Direction direction = Direction::In) {
    const auto filter = Filter::parse(words);
    EXPECT_TRUE(filter) << (filter ? "" : filter.error().message);
    return filter && matches(*filter, rig_.program.tables(), port, direction, frame.data(), frame.size());
  }
  Rig rig_{Isa::Scalar};
};

TEST_F(CaptureTest, TheFilterSaysWhatIsWrongWithIt) {
  for (const char* words :
       {"port=0", "port=4096", "port=x", "port=", "segment=65536", "mac=12", "ip=10.0.0", "ethertype=0x5ff",
        "direction=up", "count=0", "snaplen=13", "snaplen=2049", "nothing", "dropped=1", "port=1=2"}) {
    const auto filter = Filter::parse(words);
    ASSERT_FALSE(filter) << words;
    EXPECT_NE(filter.error().message.find("capture: "), std::string::npos);
  }
  EXPECT_TRUE(Filter::parse(""));
  EXPECT_TRUE(Filter::parse("  port=1  dropped "));
}

TEST_F(CaptureTest, EachWordChooses) {
  const Bytes frame = ipv4_frame(kVm2, kVm1);
  EXPECT_TRUE(match("", 1, frame));
  EXPECT_TRUE(match("port=1", 1, frame));
  EXPECT_FALSE(match("port=2", 1, frame));
  EXPECT_TRUE(match("direction=in", 1, frame));
  EXPECT_FALSE(match("direction=out", 1, frame));
  EXPECT_TRUE(match("direction=out", 1, frame, Direction::Out));
  EXPECT_TRUE(match("mac=fa:16:3e:00:00:01", 1, frame));
  EXPECT_TRUE(match("mac=fa:16:3e:00:00:02", 1, frame));
  EXPECT_FALSE(match("mac=fa:16:3e:00:00:03", 1, frame));
  EXPECT_TRUE(match("ip=10.0.0.1", 1, frame));
  EXPECT_TRUE(match("ip=10.0.0.2", 1, frame));
  EXPECT_FALSE(match("ip=10.0.0.3", 1, frame));
  EXPECT_FALSE(match("ip=2001:db8::1", 1, frame));
  EXPECT_TRUE(match("ethertype=0x0800", 1, frame));
  EXPECT_TRUE(match("ethertype=2048", 1, with_tag(frame, 7)));
  EXPECT_FALSE(match("ethertype=0x86dd", 1, frame));
  EXPECT_FALSE(match("port=1 ip=10.0.0.3", 1, frame));
  EXPECT_TRUE(match("port=1 ip=10.0.0.2 mac=fa:16:3e:00:00:02 ethertype=0x800 segment=5 direction=in", 1, frame));
  Bytes arp = frame;
  wire::store16(arp.data() + 12, wire::kTypeArp);
  std::memset(arp.data() + 14, 0, 46);
  arp[14 + 24] = 10;
  arp[14 + 27] = 9;
  EXPECT_TRUE(match("ip=10.0.0.9", 1, arp));
}

TEST_F(CaptureTest, SegmentsAreKnownByPortTagAndVni) {
  const Bytes frame = ipv4_frame(kVm2, kVm1);
  EXPECT_TRUE(match("segment=5", 1, frame));
  EXPECT_TRUE(match("segment=6", 3, with_tag(frame, 60)));
  EXPECT_FALSE(match("segment=6", 3, with_tag(frame, 61)));
  EXPECT_FALSE(match("segment=6", 3, frame));
  EXPECT_TRUE(match("segment=6", 9, tunnel_packet(frame, 1001)));
  EXPECT_FALSE(match("segment=5", 9, tunnel_packet(frame, 1001)));
  EXPECT_FALSE(match("segment=5", 77, frame));
}

TEST_F(CaptureTest, WhatIsWithinVxlanCountsToo) {
  const Bytes packet = tunnel_packet(ipv4_frame(kVm2, kVm1), 1000);
  EXPECT_TRUE(match("ip=192.0.2.2", 9, packet));
  EXPECT_TRUE(match("ip=10.0.0.2", 9, packet));
  EXPECT_TRUE(match("mac=fa:16:3e:00:00:01 ip=10.0.0.1", 9, packet));
  EXPECT_FALSE(match("ip=10.0.0.3", 9, packet));
  // Every truncation: no read beyond its end (the frame's memory ends there).
  for (std::size_t length = 0; length < packet.size(); ++length) {
    const auto part = std::make_unique<std::uint8_t[]>(length);
    std::memcpy(part.get(), packet.data(), length);
    const auto filter = Filter::parse("ip=10.0.0.3 ethertype=0x0800 segment=5");
    EXPECT_FALSE(matches(*filter, rig_.program.tables(), 9, Direction::In, part.get(), length));
  }
}

TEST_F(CaptureTest, ARowSaysAll) {
  Captured captured;
  captured.time_ns = 1234567890123456789ULL;
  captured.length = 1514;
  captured.kept = 3;
  captured.port = 7;
  captured.segment = 5;
  captured.bytes[0] = 0x00;
  captured.bytes[1] = 0xab;
  captured.bytes[2] = 0xff;
  EXPECT_EQ(row_of(captured),
            "{\"time_ns\":1234567890123456789,\"port\":7,\"segment\":5,\"direction\":\"in\","
            "\"length\":1514,\"frame\":\"00abff\"}");
  captured.drop = static_cast<std::uint8_t>(Drop::SpoofedMac);
  captured.direction = Direction::Out;
  EXPECT_NE(row_of(captured).find("\"drop\":\"SpoofedMac\""), std::string::npos);
}

// Gives so many frames.
class FakeSource : public Source {
 public:
  Status start(const Filter& wanted) override {
    if (running) return conflict("capture: another one is under way");
    filter = wanted;
    running = true;
    return {};
  }
  void stop() override { running = false; }
  void drain(std::uint64_t limit, const std::function<void(const Captured&)>& take) override {
    for (; ready != 0 && limit != 0; --ready, --limit) {
      Captured captured;
      captured.kept = kBytes;
      std::memset(captured.bytes, 0x55, sizeof(captured.bytes));
      take(captured);
    }
  }
  [[nodiscard]] std::uint64_t lost() const override { return 3; }
  Filter filter;
  bool running = false;
  std::uint64_t ready = 0;
};

class ConversationTest : public testing::Test {
 protected:
  // What the conversation answers: a message each.
  struct Answer {
    abi::Header header;
    std::string body;
  };
  std::vector<Answer> ask(Conversation& conversation, const std::string& question) {
    abi::Header header;
    header.type = abi::Type::Query;
    header.count = static_cast<std::uint32_t>(question.size());
    std::vector<std::uint8_t> message(sizeof(header) + question.size());
    std::memcpy(message.data(), &header, sizeof(header));
    std::memcpy(message.data() + sizeof(header), question.data(), question.size());
    answers_.clear();
    EXPECT_TRUE(conversation.handle(message, collect_));
    return answers_;
  }
  std::vector<Answer> pump(Conversation& conversation) {
    answers_.clear();
    conversation.pump(collect_);
    return answers_;
  }
  static std::size_t rows(const std::vector<Answer>& answers) {
    std::size_t count = 0;
    for (const Answer& answer : answers)
      count += static_cast<std::size_t>(std::count(answer.body.begin(), answer.body.end(), '\n'));
    return count;
  }

  std::vector<Answer> answers_;
  std::function<void(std::span<const std::uint8_t>)> collect_ = [this](std::span<const std::uint8_t> message) {
    ASSERT_LE(message.size(), abi::kMaxMessage);
    Answer answer;
    std::memcpy(&answer.header, message.data(), sizeof(answer.header));
    answer.body.assign(message.begin() + sizeof(answer.header), message.end());
    answers_.push_back(answer);
  };
  FakeSource source_;
  ControlParts parts_ = [this] {
    ControlParts parts;
    parts.capture = &source_;
    return parts;
  }();
};

TEST_F(ConversationTest, FramesComeUntilTheCountIsReached) {
  Conversation one(parts_);
  EXPECT_TRUE(ask(one, "capture port=3 count=100").empty());
  EXPECT_EQ(source_.filter.port, PortIndex{3});
  EXPECT_TRUE(pump(one).empty());
  source_.ready = 60;
  auto answers = pump(one);
  EXPECT_EQ(rows(answers), 60U);
  EXPECT_EQ(answers.back().header.last, 0);
  source_.ready = 60;
  answers = pump(one);
  EXPECT_EQ(rows(answers), 41U);  // 40 frames, and the end
  EXPECT_EQ(answers.back().header.last, 1);
  EXPECT_NE(answers.back().body.find("{\"captured\":100,\"lost\":3}"), std::string::npos);
  EXPECT_FALSE(source_.running);
  EXPECT_FALSE(one.captures());
}

TEST_F(ConversationTest, OneAtATimeAndItEndsWithItsClient) {
  auto one = std::make_unique<Conversation>(parts_);
  Conversation two(parts_);
  EXPECT_TRUE(ask(*one, "capture").empty());
  const auto refused = ask(two, "capture");
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].header.type, abi::Type::Failed);
  EXPECT_EQ(ask(*one, "capture")[0].header.type, abi::Type::Failed);
  one.reset();
  EXPECT_FALSE(source_.running);
  EXPECT_TRUE(ask(two, "capture").empty());
  const auto stopped = ask(two, "capture-stop");
  ASSERT_EQ(stopped.size(), 1U);
  EXPECT_EQ(stopped[0].header.last, 1);
  EXPECT_EQ(ask(two, "capture-stop")[0].header.type, abi::Type::Failed);
  EXPECT_EQ(ask(two, "capture port=9999")[0].header.type, abi::Type::Failed);
  EXPECT_FALSE(source_.running);
}

}  // namespace
}  // namespace ml2::fastpath::capture
