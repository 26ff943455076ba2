#pragma once
// Which letters have a lower-case form, by Unicode: search servers refuse index names that hold
// one, whatever the locale of the database calls upper case.

#include <string_view>

namespace polyglot::core {

/// `text`: UTF-8; what is none has no case.
bool HasUpperCase(std::string_view text);

}  // namespace polyglot::core
