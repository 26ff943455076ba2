#include "pg/encoding.h"

#include <algorithm>

namespace polyglot::pg {
namespace {

constexpr std::string_view kEscaped = "~utf8:";
constexpr int kChunk = 2048;

// Appends the beginning of `text` as far as it can be converted (or a part of that); returns how
// many of its bytes that was.
int AppendBeginning(StringInfo out, Oid conversion, int from, int to, std::string_view text) {
  if (!OidIsValid(conversion)) {
    const int valid = pg_encoding_verifymbstr(PG_UTF8, text.data(), static_cast<int>(text.size()));
    appendBinaryStringInfo(out, text.data(), valid);
    return valid;
  }
  char source[kChunk + 1];
  char converted[kChunk * MAX_CONVERSION_GROWTH + 1];
  const int length = static_cast<int>(std::min<std::size_t>(text.size(), kChunk));
  memcpy(source, text.data(), static_cast<std::size_t>(length));
  source[length] = '\0';  // some conversions look one byte ahead
  const int taken = pg_do_encoding_conversion_buf(
      conversion, from, to, reinterpret_cast<unsigned char*>(source), length,
      reinterpret_cast<unsigned char*>(converted), sizeof converted, true);
  appendStringInfoString(out, converted);
  return taken;
}

// How many bytes a character that cannot be converted has; one that is cut off, one.
int LengthOfBroken(int encoding, std::string_view text) {
  const auto room = static_cast<int>(std::min<std::size_t>(text.size(), kChunk));
  return Max(1, pg_encoding_verifymbchar(encoding, text.data(), room));
}

// Plain data only: PostgreSQL may raise for want of memory. `replace` appends what stands for a
// character that cannot be converted.
template <typename Replace>
char* Convert(int from, int to, std::string_view text, Replace&& replace) {
  const bool same = from == to || from == PG_SQL_ASCII || to == PG_SQL_ASCII;
  const Oid conversion = same ? InvalidOid : FindDefaultConversionProc(from, to);
  const int characters = from == PG_SQL_ASCII ? PG_UTF8 : from;
  StringInfoData out;
  initStringInfo(&out);
  while (!text.empty()) {
    const int taken = AppendBeginning(&out, conversion, from, to, text);
    text.remove_prefix(static_cast<std::size_t>(taken));
    // A conversion ends at a broken character, at the end of what it was given, or before a
    // character that this end cuts in two: only what it cannot even begin with is broken.
    if (taken > 0 || text.empty()) continue;
    const auto length = static_cast<std::size_t>(LengthOfBroken(characters, text));
    replace(&out, text.substr(0, length));
    text.remove_prefix(length);
  }
  return out.data;
}

void AppendReadable(StringInfo out, std::string_view character) {
  appendStringInfoString(out, character == "…" ? "..." : "?");
}

void AppendEscaped(StringInfo out, std::string_view bytes) {
  for (const char byte : bytes) appendStringInfo(out, "%%%02X", static_cast<unsigned char>(byte));
}

int Digit(char c) { return c >= 'A' ? c - 'A' + 10 : c - '0'; }

}  // namespace

char* ReadableInServer(std::string_view utf8) {
  return Convert(PG_UTF8, GetDatabaseEncoding(), utf8, AppendReadable);
}

std::string ReadableInUtf8(const char* server) {
  char* converted = Convert(GetDatabaseEncoding(), PG_UTF8, server, AppendReadable);
  std::string text = converted;
  pfree(converted);  // a kilobyte, and a statement may ask for as many as the table has rows
  return text;
}

std::string WithContext(const PgError& error) {
  std::string text = error.message;
  if (error.context[0] != '\0') text.append(" (").append(error.context).append(")");
  return text;
}

std::string ReadableInUtf8(const PgError& error) {
  return ReadableInUtf8(WithContext(error).c_str());
}

const char* WholeInUtf8(std::string_view server) {
  bool whole = true;
  const char* text = Convert(GetDatabaseEncoding(), PG_UTF8, server,
                             [&](StringInfo, std::string_view) { whole = false; });
  return whole ? text : nullptr;
}

char* ExactInServer(std::string_view utf8) {
  const int encoding = GetDatabaseEncoding();
  bool whole = !utf8.starts_with(kEscaped);
  char* text =
      Convert(PG_UTF8, encoding, utf8, [&](StringInfo, std::string_view) { whole = false; });
  if (whole) return text;
  StringInfoData signs;
  initStringInfo(&signs);
  for (const char byte : utf8) {
    if (byte == '%')
      appendStringInfoString(&signs, "%25");
    else
      appendStringInfoChar(&signs, byte);
  }
  const std::string_view escaped(signs.data, static_cast<std::size_t>(signs.len));
  return psprintf("%s%s", kEscaped.data(), Convert(PG_UTF8, encoding, escaped, AppendEscaped));
}

std::string ExactInUtf8(const char* server) {
  const std::string text = ReadableInUtf8(server);
  if (!text.starts_with(kEscaped)) return text;
  std::string bytes;
  for (std::size_t i = kEscaped.size(); i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      bytes.push_back(text[i]);
      continue;
    }
    bytes.push_back(static_cast<char>(Digit(text[i + 1]) << 4 | Digit(text[i + 2])));
    i += 2;
  }
  return bytes;
}

}  // namespace polyglot::pg
