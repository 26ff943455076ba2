#pragma once
// Between UTF-8, which we and search servers speak, and the encoding of the database. Texts of
// others (errors, ids of documents that somebody else has written) are stored whatever they hold:
// nothing here raises for a character that is broken or that the other encoding does not have.

#include <string>
#include <string_view>

#include "pg/guard.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// For people to read: what the database has no character for becomes '?'. palloc'd.
char* ReadableInServer(std::string_view utf8);
std::string ReadableInUtf8(const char* server);
/// The message, and in parentheses which expression raised it, if that is known.
std::string ReadableInUtf8(const PgError& error);
/// The same in the encoding of the database.
std::string WithContext(const PgError& error);

/// nullptr: some of it has no equivalent. Else palloc'd.
const char* WholeInUtf8(std::string_view server);

/// For texts that must come back as they were: one that the database cannot hold, a NUL included,
/// is stored as `~utf8:` and itself with %XX for bytes. palloc'd.
char* ExactInServer(std::string_view utf8);
/// Back again, in UTF-8.
std::string ExactInUtf8(const char* server);

}  // namespace polyglot::pg
