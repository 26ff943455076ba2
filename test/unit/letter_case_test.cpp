#include "core/letter_case.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

TEST(HasUpperCase, OfEveryScript) {
  for (const char* text : {"A", "aZ", "Ω", "İstanbul", "aÜ", "Ж", "ǅ", "Ａ", "𐐀", "ẞ", "K"})
    EXPECT_TRUE(HasUpperCase(text)) << text;
}

TEST(HasUpperCase, LettersWithoutOne) {
  for (const char* text :
       {"", "a-0_.", "ω", "ı", "ß", "ж", "ǆ", "ａ", "𐐨", "日本", "ª", "€", "x÷×"})
    EXPECT_FALSE(HasUpperCase(text)) << text;
}

TEST(HasUpperCase, WhatIsNoUtf8HasNoCase) {
  EXPECT_FALSE(HasUpperCase("\xff\xfe"));
  EXPECT_FALSE(HasUpperCase("a\xce"));
}

}  // namespace
}  // namespace polyglot::core
