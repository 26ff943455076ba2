#pragma once
// A server's error text, made fit to be stored and shown.

#include <string>
#include <string_view>

namespace polyglot::core {

/// "type: reason" for logs, status and counters. Servers quote row values in their reasons, so for
/// all types but a few that only speak of the cluster everything from the first quote, bracket or
/// digit on is cut (a value may itself contain quotes: nothing behind the first can be trusted).
/// Object addresses (`@1f2e`) go, too.
std::string NormaliseError(std::string_view type, std::string_view reason);

/// The same of the body of an answer that refuses a request as a whole.
std::string NormaliseRefusal(std::string_view body);

/// All that such a body says, causes included: only of requests that carry nothing but names,
/// mapping and settings, which are their author's to see, never a row's values.
std::string WholeRefusal(std::string_view body);

}  // namespace polyglot::core
