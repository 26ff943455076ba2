#include "pg/document/key_codec.h"

#include <charconv>

#include "core/queue_record.h"
#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

KeyForm FormOf(Oid base_type, const FmgrInfo& output) {
  switch (base_type) {
    case INT2OID:
      return KeyForm::kInt2;
    case INT4OID:
      return KeyForm::kInt4;
    case INT8OID:
      return KeyForm::kInt8;
    case UUIDOID:
      return KeyForm::kUuid;
    case BPCHAROID:
      return KeyForm::kPadded;
    default:
      break;
  }
  // citext and others that print as text does, without naming them
  const bool as_text = output.fn_addr == textout || output.fn_addr == varcharout;
  return as_text ? KeyForm::kText : KeyForm::kOutput;
}

std::string_view IntegerText(std::int64_t value, char (&scratch)[40]) {
  const auto end = std::to_chars(scratch, scratch + sizeof scratch, value);
  return {scratch, static_cast<std::size_t>(end.ptr - scratch)};
}

std::string_view UuidText(const pg_uuid_t* uuid, char (&scratch)[40]) {
  static constexpr char kHex[] = "0123456789abcdef";
  char* to = scratch;
  for (int i = 0; i < UUID_LEN; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = kHex[uuid->data[i] >> 4];
    *to++ = kHex[uuid->data[i] & 15];
  }
  return {scratch, 36};
}

std::string_view Payload(Datum value) {
  const auto* bytes = reinterpret_cast<varlena*>(PG_DETOAST_DATUM_PACKED(value));
  return {VARDATA_ANY(bytes), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(bytes))};
}

Datum FetchByValue(const char* aligned, int16 length) { return fetch_att(aligned, true, length); }

std::string_view TrimFor(const KeyColumn& column, std::string_view text) {
  if (column.form == KeyForm::kPadded)
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

[[noreturn]] void ReportDamaged(const KeyColumn& column) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                  errmsg("recorded value does not fit the type of column \"%s\"", column.name)));
  pg_unreachable();
}

}  // namespace

std::string_view ToUtf8(const char* bytes, std::size_t size) {
  if (GetDatabaseEncoding() == PG_UTF8) return {bytes, size};
  const char* converted = pg_server_to_any(bytes, static_cast<int>(size), PG_UTF8);
  if (converted == bytes) return {bytes, size};
  return {converted, strlen(converted)};
}

void InitKeyColumn(KeyColumn* column, Form_pg_attribute att, MemoryContext memory) {
  Oid function;
  bool varlena;
  *column = KeyColumn{};
  column->attnum = att->attnum;
  column->name = MemoryContextStrdup(memory, NameStr(att->attname));
  column->type = att->atttypid;
  column->typmod = att->atttypmod;
  column->base_type = getBaseTypeAndTypmod(att->atttypid, &column->typmod);
  column->collation = att->attcollation;
  get_typlenbyvalalign(column->base_type, &column->length, &column->by_value, &column->align);
  getTypeOutputInfo(column->base_type, &function, &varlena);
  fmgr_info_cxt(function, &column->output, memory);
  getTypeInputInfo(column->type, &function, &column->input_param);
  fmgr_info_cxt(function, &column->input, memory);
  column->form = FormOf(column->base_type, column->output);
}

std::string_view ValueBytes(const KeyColumn& column, Datum value, char* scratch) {
  std::string_view bytes;
  if (column.by_value) {
    store_att_byval(scratch, value, column.length);
    bytes = {scratch, static_cast<std::size_t>(column.length)};
  } else if (column.length == -1) {
    bytes = Payload(value);
  } else if (column.length == -2) {
    bytes = DatumGetCString(value);
  } else {
    bytes = {static_cast<const char*>(DatumGetPointer(value)),
             static_cast<std::size_t>(column.length)};
  }
  if (bytes.size() >= core::kNullLength)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("value of key column \"%s\" is longer than %d bytes", column.name,
                           static_cast<int>(core::kNullLength) - 1)));
  return bytes;
}

Datum ValueFromBytes(const KeyColumn& column, std::string_view bytes) {
  if (column.length >= 0 && bytes.size() != static_cast<std::size_t>(column.length))
    ReportDamaged(column);
  if (column.by_value) {
    alignas(Datum) char aligned[sizeof(Datum)];
    memcpy(aligned, bytes.data(), bytes.size());
    return FetchByValue(aligned, column.length);
  }
  const std::size_t header = column.length == -1 ? VARHDRSZ : 0;
  const std::size_t trailer = column.length == -2 ? 1 : 0;
  char* copy = static_cast<char*>(palloc(header + bytes.size() + trailer));
  memcpy(copy + header, bytes.data(), bytes.size());
  if (header > 0) SET_VARSIZE(copy, header + bytes.size());
  if (trailer > 0) copy[bytes.size()] = '\0';
  return PointerGetDatum(copy);
}

std::string_view ValueText(const KeyColumn& column, Datum value, char (&scratch)[40]) {
  switch (column.form) {
    case KeyForm::kInt2:
      return IntegerText(DatumGetInt16(value), scratch);
    case KeyForm::kInt4:
      return IntegerText(DatumGetInt32(value), scratch);
    case KeyForm::kInt8:
      return IntegerText(DatumGetInt64(value), scratch);
    case KeyForm::kUuid:
      return UuidText(DatumGetUUIDP(value), scratch);
    case KeyForm::kText:
    case KeyForm::kPadded: {
      const std::string_view text = TrimFor(column, Payload(value));
      return ToUtf8(text.data(), text.size());
    }
    case KeyForm::kOutput:
      break;
  }
  const char* text = ServerText(column, value);
  return ToUtf8(text, strlen(text));
}

bool TextNeedsNoGuard(const KeyColumn& column) {
  switch (column.form) {
    case KeyForm::kText:
    case KeyForm::kPadded:
      return GetDatabaseEncoding() == PG_UTF8;
    case KeyForm::kOutput:
      return false;
    default:
      return true;
  }
}

bool PlainText(const KeyColumn& column, std::string_view bytes, char (&scratch)[40],
               std::string_view* text) {
  if (column.length >= 0 && bytes.size() != static_cast<std::size_t>(column.length)) return false;
  alignas(Datum) char aligned[16];
  switch (column.form) {
    case KeyForm::kText:
    case KeyForm::kPadded:
      *text = TrimFor(column, bytes);
      return true;
    case KeyForm::kUuid:
      *text = UuidText(reinterpret_cast<const pg_uuid_t*>(bytes.data()), scratch);
      return true;
    case KeyForm::kOutput:
      return false;
    default:
      break;
  }
  memcpy(aligned, bytes.data(), bytes.size());
  *text = ValueText(column, FetchByValue(aligned, column.length), scratch);
  return true;
}

char* ServerText(const KeyColumn& column, Datum value) {
  return OutputFunctionCall(const_cast<FmgrInfo*>(&column.output), value);
}

Datum ValueFromText(const KeyColumn& column, const char* text) {
  return InputFunctionCall(const_cast<FmgrInfo*>(&column.input), const_cast<char*>(text),
                           column.input_param, column.typmod);
}

}  // namespace polyglot::pg
