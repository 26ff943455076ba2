#pragma once
// Key and routing values between their three forms: Datum, packed bytes (core/queue/queue_record.h)
// and text. C-like code: every function may ereport, memory is palloc'd in CurrentMemoryContext,
// and the only C++ object touched is the std::string that the caller owns.

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
  Oid stamp;      // of its values' bytes: StampOf(type)
  Oid collation;
  int32 typmod;  // of the column, or what its domain says
  int16 length;
  bool by_value;
  char align;
  KeyForm form;
  FmgrInfo output;
  FmgrInfo input;  // of the base type: rows may violate a domain's constraints (NOT VALID)
  Oid input_param;
};

/// What values of a type are recorded as: it tells their bytes from those of any other type. The
/// base type behind domains. For what is made of rows, whose attributes may change while the type
/// stays, a hash of these as well.
Oid StampOf(Oid type);

/// A routing value whose stored form is longer would leave too little of a queue row to the key. A
/// row that has one becomes a dead letter, no document.
inline constexpr Size kLongestRouting = 4000;

/// A varlena's payload as it is stored: as it is, unless it is long, or begins with the mark. Then
/// the mark, and what follows: the same, compressed (a B-tree takes keys that are longer than a
/// queue row, if they are short when compressed), or as it is. *bytes may be palloc'd.
void StorePayload(const char** bytes, Size* length);

/// `attribute` must not be of a dropped column.
void InitKeyColumn(KeyColumn* column, Form_pg_attribute attribute, MemoryContext memory);

/// The value's packed bytes, detoasted; `scratch` (8 bytes) is where a by-value datum is laid out.
/// ERROR 54000 when they are too long for a packed key.
std::string_view ValueBytes(const KeyColumn& column, Datum value, char* scratch);
/// Back again. ERROR 22P03 when the bytes cannot be a value of this column.
Datum ValueFromBytes(const KeyColumn& column, std::string_view bytes);

/// Text of a value in UTF-8, under the settings now in force (see security_context.h). ERROR of
/// class 22 when its bytes have no such text.
std::string_view ValueText(const KeyColumn& column, Datum value, char (&scratch)[40]);
/// The same for document ids. false: there is no such text, *text has the bytes as they are.
bool TryValueText(const KeyColumn& column, Datum value, char (&scratch)[40],
                  std::string_view* text);
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
