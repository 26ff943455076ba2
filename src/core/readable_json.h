#pragma once
// JSON that somebody else wrote and whose every digit counts: it is parsed with kTextFlags, which
// give numbers as texts.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/json_reader.h"

namespace polyglot::core {

inline constexpr unsigned kTextFlags = kForeignFlags | rapidjson::kParseNumbersAsStringsFlag;

inline constexpr std::string_view kOfNumbers = "0123456789+-.eE";

/// JSON text for RapidJSON, which gives up at a number that no double holds, whatever it is told to
/// do with numbers. Servers keep such ones and give them back. They are shown as `0` and blanks, so
/// that everything stands where it was; NumberAt has the digits.
class Readable {
 public:
  explicit Readable(std::string_view text) : text_(text) {
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (in_string && c == '\\') ++i;
      if (c == '"') in_string = !in_string;
      if (in_string || (c != '-' && (c < '0' || c > '9'))) continue;
      const std::string_view number = NumberAt(i);
      if (IsExtreme(number)) Hide(i, number.size());
      i += number.size() - 1;
    }
  }

  std::string_view text() const { return copy_.empty() ? text_ : std::string_view(copy_); }
  std::string_view original() const { return text_; }
  std::string_view NumberAt(std::size_t begin) const {
    const std::size_t end = text_.find_first_not_of(kOfNumbers, begin);
    return text_.substr(begin, end == std::string_view::npos ? end : end - begin);
  }

 private:
  static bool IsExtreme(std::string_view number) {
    constexpr std::size_t kDigitsOfDoubles = 300;
    return number.size() > kDigitsOfDoubles || number.find_first_of("eE") != std::string_view::npos;
  }
  void Hide(std::size_t begin, std::size_t size) {
    if (copy_.empty()) copy_ = text_;
    copy_.replace(begin, size, size, ' ');
    copy_[begin] = '0';
  }

  std::string_view text_;
  std::string copy_;
};

}  // namespace polyglot::core
