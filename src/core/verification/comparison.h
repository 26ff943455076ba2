#pragma once
// What a verification compares: the documents that `_mget` has found with those that the rows make.
// Text in, text out; whatever a server sends may be anything.

#include <string>
#include <string_view>

namespace polyglot::core {

/// The same JSON value? Servers keep documents byte for byte; where one has written them anew, the
/// order of an object's members and blanks do not count, but every digit of a number does.
bool SameDocument(std::string_view one, std::string_view other);
/// Names of the first few fields in which two documents differ, separated by commas; "" when one of
/// them is no JSON object.
std::string DifferingFields(std::string_view one, std::string_view other);

}  // namespace polyglot::core
