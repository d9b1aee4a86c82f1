// agent/config/ini_file: the line rules of oslo.config, one test for each.
#include <gmock/gmock.h>

#include "agent/config/ini_file.h"
#include "agent/config/ini_text.h"
#include "datapath/base/text.h"

namespace ml2::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

IniFile parse(std::string_view text) { return parse_ini("x.ini", text); }

// The only value of a text that has one option.
std::string value_of(std::string_view text) {
  const IniFile file = parse(text);
  EXPECT_THAT(file.errors, IsEmpty()) << text;
  EXPECT_THAT(file.entries, SizeIs(1)) << text;
  return file.entries.empty() ? "?" : file.entries.front().value;
}

TEST(IniFile, KeepsSectionKeyValueAndLine) {
  const IniFile file = parse("# comment\n\n[ovs]\nlocal_ip = 1.2.3.4\n[AGENT]\nx:y\n");
  EXPECT_THAT(file.errors, IsEmpty());
  EXPECT_THAT(file.sections, ElementsAre(IniSection{"ovs", 3}, IniSection{"AGENT", 5}));
  EXPECT_THAT(file.entries, ElementsAre(IniEntry{"ovs", "local_ip", "1.2.3.4", 4}, IniEntry{"AGENT", "x", "y", 6}));
}

TEST(IniFile, SplitsAtTheFirstEqualsSignOrColon) {
  EXPECT_THAT(parse("[s]\na:b=c\nd=e:f\n").entries,
              ElementsAre(IniEntry{"s", "a", "b=c", 2}, IniEntry{"s", "d", "e:f", 3}));
}

TEST(IniFile, SectionsAreCaseInsensitiveButForDefault) {
  EXPECT_EQ(normalized_section("OVS"), "ovs");
  EXPECT_EQ(normalized_section("DEFAULT"), "DEFAULT");
  EXPECT_EQ(normalized_section("Default"), "default");
  EXPECT_THAT(parse("[ ovs ]\n").sections, ElementsAre(IniSection{" ovs ", 1}));
}

TEST(IniFile, CommentsStandInColumnZeroOnly) {
  EXPECT_EQ(value_of("[s]\n#a = 1\n;b = 2\nc = 3\n"), "3");
  EXPECT_EQ(value_of("[s]\nc = 5 # five ; 5\n"), "5 # five ; 5");
  EXPECT_EQ(value_of("[s]\nc = a\n #b\n"), "a\n#b") << "an indented # is data";
}

TEST(IniFile, BlankAtTheStartOfALineContinuesTheValue) {
  EXPECT_EQ(value_of("[s]\nc = a,\n   b,\n\tk = v\n"), "a,\nb,\nk = v");
  EXPECT_EQ(value_of("[s]\nc =\n  a\n"), "\na");
}

TEST(IniFile, WhatEndsAValueCannotBeContinued) {
  for (const char* text :
       {"[s]\na = 1\n\n b\n", "[s]\na = 1\n  \n b\n", "[s]\na = 1\n# x\n b\n", "[s]\n b\n", " b\n"}) {
    const IniFile file = parse(text);
    ASSERT_THAT(file.errors, SizeIs(1)) << text;
    EXPECT_THAT(file.errors[0].message, HasSubstr("unexpected continuation line")) << text;
  }
}

TEST(IniFile, RefusesLinesThatAreNone) {
  const IniFile file = parse("x = 1\n[]\n[ovs] # x\nk = 1\n[agent]\njunk\n= 1\n");
  ASSERT_THAT(file.errors, SizeIs(5));
  EXPECT_EQ(file.errors[0].line, 1U);
  EXPECT_THAT(file.errors[0].message, HasSubstr("'x' stands before any [section]"));
  EXPECT_EQ(file.errors[1].line, 2U);
  EXPECT_THAT(file.errors[1].message, HasSubstr("section name is empty"));
  EXPECT_EQ(file.errors[2].line, 3U);
  EXPECT_THAT(file.errors[2].message, HasSubstr("must end with ']'"));
  EXPECT_EQ(file.errors[3].line, 6U);
  EXPECT_THAT(file.errors[3].message, HasSubstr("no '=' or ':': 'junk'"));
  EXPECT_EQ(file.errors[4].line, 7U);
  EXPECT_THAT(file.errors[4].message, HasSubstr("no option name"));
  EXPECT_THAT(file.entries, IsEmpty()) << "what stands below a bad section line belongs nowhere";
}

TEST(IniFile, ABadLineAndItsContinuationAreOneError) {
  EXPECT_THAT(parse("[s]\njunk\n more\n and more\n").errors, SizeIs(1));
}

TEST(IniFile, StopsAfterManyErrors) {
  std::string text = "[s]\n";
  for (int i = 0; i < 1000; ++i) text += "junk\n";
  const IniFile file = parse(text);
  ASSERT_THAT(file.errors, SizeIs(kMaxIniErrors + 1));
  EXPECT_THAT(file.errors.back().message, HasSubstr("too many errors"));
}

TEST(IniFile, TakesOffQuotesAroundTheWholeValue) {
  EXPECT_EQ(value_of("[s]\na = \"x y \"\n"), "x y ");
  EXPECT_EQ(value_of("[s]\na = 'x'\n"), "x");
  EXPECT_EQ(value_of("[s]\na = \"\n"), "") << "a lone quote character";
  EXPECT_EQ(value_of("[s]\na = \"x'\n"), "\"x'");
  EXPECT_EQ(value_of("[s]\na = \"a\",\"b\"\n"), "a\",\"b");
}

TEST(IniFile, TrailingSpaceGoesAndCrLfIsTaken) {
  EXPECT_EQ(value_of("[s]  \r\na = x \t\r\n"), "x");
  EXPECT_EQ(value_of("[s]\ra = x\r"), "x") << "a lone CR ends a line in Python";
  EXPECT_EQ(value_of("[s]\na =\xc2\xa0x\xc2\xa0\n"), "x") << "U+00A0 is white space in Python";
}

TEST(IniFile, AByteOrderMarkIsAnError) {
  const IniFile file = parse("\xef\xbb\xbf[s]\na = 1\n");
  ASSERT_THAT(file.errors, SizeIs(1));
  EXPECT_EQ(file.errors[0].line, 1U);
  EXPECT_THAT(file.errors[0].message, HasSubstr("byte order mark"));
}

TEST(IniFile, WhatIsNotUtf8IsAnError) {
  const IniFile file = parse("[s]\na = \xff\xfe\n");
  ASSERT_THAT(file.errors, SizeIs(1));
  EXPECT_EQ(file.errors[0].line, 2U);
  EXPECT_THAT(file.errors[0].message, HasSubstr("not UTF-8"));
}

TEST(IniFile, RepeatedSectionsAndKeysAreAllKept) {
  EXPECT_THAT(parse("[s]\na=1\n[t]\n[S]\na=2\na=3\n").entries,
              ElementsAre(IniEntry{"s", "a", "1", 2}, IniEntry{"S", "a", "2", 5}, IniEntry{"S", "a", "3", 6}));
}

TEST(IniFile, AnEmptyTextIsAnEmptyFile) {
  EXPECT_THAT(parse("").entries, IsEmpty());
  EXPECT_THAT(parse("").errors, IsEmpty());
  EXPECT_EQ(value_of("[s]\na = 1"), "1") << "no newline at the end";
}

TEST(IniText, KnowsUtf8) {
  EXPECT_TRUE(text::is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* bad :
       {"\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80", "\xe2\x82", "\xe0\x80\x80", "\xf0\x80\x80\x80"}) {
    EXPECT_FALSE(text::is_utf8(bad));
  }
  EXPECT_EQ(strip(" \t\xe3\x80\x80x\xe2\x80\xa8\x1c "), "x");
  EXPECT_EQ(strip("\xa0x\x80"), "\xa0x\x80") << "bytes that are not UTF-8 stay";
}

}  // namespace
}  // namespace ml2::config
