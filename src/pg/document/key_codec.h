#pragma once
// Key and routing values between their three forms: Datum, packed bytes (core/queue_record.h) and
// text. C-like code: every function may ereport, memory is palloc'd in CurrentMemoryContext, and
// the only C++ object touched is the std::string that the caller owns.

#include <string>
#include <string_view>

#include "pg/prelude.h"

namespace polyglot::pg {

/// How the text of a value is made.
enum class KeyForm : char {
  kInt2,
  kInt4,
  kInt8,
  kUuid,
  kText,    // a varlena whose payload is its text
  kPadded,  // char(n): the same without trailing blanks
  kOutput,  // whatever the type's output function says
};

/// A column of the source whose values serve as key or routing. Plain data; the function
/// look-ups live in the memory context given to InitKeyColumn.
struct KeyColumn {
  AttrNumber attnum;
  char* name;
  Oid type;       // as declared
  Oid base_type;  // behind domains
  Oid collation;
  int32 typmod;  // of the column, or what its domain says
  int16 length;
  bool by_value;
  char align;
  KeyForm form;
  FmgrInfo output;
  FmgrInfo input;  // of the declared type: checks a domain's constraints
  Oid input_param;
};

/// `attribute` must not be of a dropped column.
void InitKeyColumn(KeyColumn* column, Form_pg_attribute attribute, MemoryContext memory);

/// The value's packed bytes, detoasted; `scratch` (8 bytes) is where a by-value datum is laid out.
/// ERROR 54000 when they are too long for a packed key.
std::string_view ValueBytes(const KeyColumn& column, Datum value, char* scratch);
/// Back again. ERROR 22P03 when the bytes cannot be a value of this column.
Datum ValueFromBytes(const KeyColumn& column, std::string_view bytes);

/// Text of a value in UTF-8, under the settings now in force (see security_context.h).
std::string_view ValueText(const KeyColumn& column, Datum value, char (&scratch)[40]);
/// Does ValueText of this column neither depend on a setting nor fail on any bytes? Then a text can
/// be had without a subtransaction around it.
bool TextNeedsNoGuard(const KeyColumn& column);
/// Such a text straight from packed bytes; allocates nothing and never ereports. false: the bytes
/// cannot be a value of this column.
bool PlainText(const KeyColumn& column, std::string_view bytes, char (&scratch)[40],
               std::string_view* text);
/// Text in the server's encoding, NUL-terminated, as ValueFromText reads it.
char* ServerText(const KeyColumn& column, Datum value);
Datum ValueFromText(const KeyColumn& column, const char* text);

/// `size` bytes in the server's encoding as UTF-8; the same bytes where nothing has to be done.
/// ERROR 22021 when a SQL_ASCII database holds something else.
std::string_view ToUtf8(const char* bytes, std::size_t size);

}  // namespace polyglot::pg
