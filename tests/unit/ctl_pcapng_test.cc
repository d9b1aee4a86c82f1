// The pcapng file, byte by byte as the draft says; that others read it is seen in the system tests.
#include <gtest/gtest.h>

#include <cstring>

#include "agent/ctl/pcapng.h"

namespace ml2::ctl {
namespace {

std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

TEST(Pcapng, BlocksAreWholeAndPadded) {
  Pcapng file;
  const std::string header = Pcapng::header("abc");
  const std::string interface = file.add_interface(7, "port7", "net_null7");
  EXPECT_TRUE(file.has_interface(7));
  EXPECT_FALSE(file.has_interface(8));
  const std::string second = file.add_interface(8, "port8", "");
  for (std::size_t size = 0; size < 9; ++size) {
    const std::string frame = file.frame({.time_ns = 0x1122334455667788ULL,
                                          .interface = 8,
                                          .out = true,
                                          .length = 1500,
                                          .bytes = std::string(size, 'x'),
                                          .comment = "why"});
    for (const std::string* block : {&header, &interface, &second, &frame}) {
      EXPECT_EQ(block->size() % 4, 0U);
      EXPECT_EQ(word(*block, 4), block->size());
      EXPECT_EQ(word(*block, block->size() - 4), block->size());
    }
    EXPECT_EQ(word(frame, 0), 6U);
    EXPECT_EQ(word(frame, 8), 1U);  // the second interface
    EXPECT_EQ(word(frame, 12), 0x11223344U);
    EXPECT_EQ(word(frame, 16), 0x55667788U);
    EXPECT_EQ(word(frame, 20), size);
    EXPECT_EQ(word(frame, 24), 1500U);
    const std::size_t options = 28 + (size + 3) / 4 * 4;
    EXPECT_EQ(word(frame, options), 0x00040002U);  // epb_flags, four bytes
    EXPECT_EQ(word(frame, options + 4), 2U);       // outbound
    EXPECT_EQ(word(frame, options + 8), 0x00030001U);
    EXPECT_EQ(frame.substr(options + 12, 4), std::string("why\0", 4));
    EXPECT_EQ(word(frame, options + 16), 0U);
  }
  EXPECT_EQ(word(header, 0), 0x0a0d0d0aU);
  EXPECT_EQ(word(header, 8), 0x1a2b3c4dU);
}

}  // namespace
}  // namespace ml2::ctl
