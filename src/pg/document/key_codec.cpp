#include "pg/document/key_codec.h"

#include <charconv>

#include "core/queue/queue_record.h"
#include "pg/encoding.h"
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

constexpr unsigned char kMark = 0xFF, kAsItIs = 0, kCompressed = 1;
constexpr Size kMarkSize = 2, kSizeSize = sizeof(uint32);
constexpr Size kLong = 2000;        // longer ones are compressed
constexpr uint32 kMostRatio = 300;  // of what pglz can do

bool HasMark(const char* bytes, Size length) {
  return length > 0 && static_cast<unsigned char>(bytes[0]) == kMark;
}

// false: that would not make it shorter.
bool Compress(const char** bytes, Size* length) {
  const Size begin = kMarkSize + kSizeSize;
  const auto size = static_cast<uint32>(*length);
  char* out = static_cast<char*>(palloc(begin + PGLZ_MAX_OUTPUT(*length)));
  const int32 compressed =
      pglz_compress(*bytes, static_cast<int32>(*length), out + begin, PGLZ_strategy_always);
  if (compressed < 0) {
    pfree(out);
    return false;
  }
  out[0] = static_cast<char>(kMark);
  out[1] = static_cast<char>(kCompressed);
  memcpy(out + kMarkSize, &size, kSizeSize);
  *bytes = out;
  *length = begin + static_cast<Size>(compressed);
  return true;
}

// A varlena of what StorePayload made; nullptr: damaged.
char* LoadPayload(std::string_view stored) {
  if (HasMark(stored.data(), stored.size()) && stored.size() < kMarkSize) return nullptr;
  const bool marked = HasMark(stored.data(), stored.size());
  const bool compressed = marked && static_cast<unsigned char>(stored[1]) == kCompressed;
  if (marked) stored.remove_prefix(kMarkSize);
  uint32 size = static_cast<uint32>(stored.size());
  if (compressed) {
    if (stored.size() < kSizeSize) return nullptr;
    memcpy(&size, stored.data(), kSizeSize);
    stored.remove_prefix(kSizeSize);
    if (size > stored.size() * kMostRatio) return nullptr;
  }
  char* value = static_cast<char*>(palloc(VARHDRSZ + size));
  SET_VARSIZE(value, VARHDRSZ + size);
  if (!compressed)
    memcpy(VARDATA(value), stored.data(), size);
  else if (pglz_decompress(stored.data(), static_cast<int32>(stored.size()), VARDATA(value),
                           static_cast<int32>(size), true) < 0)
    return nullptr;
  return value;
}

// Adds the attributes of every row type that `type` is made of; returns whether there is one.
bool AddRowTypes(Oid type, uint32* hash) {
  check_stack_depth();
  bool any = false;
  const Oid base = getBaseType(type);
  if (base < FirstNormalObjectId) return false;
  for (Oid part : {get_element_type(base), get_range_subtype(base), get_multirange_range(base)})
    if (OidIsValid(part)) any |= AddRowTypes(part, hash);
  const Oid relation = get_typ_typrelid(base);
  if (!OidIsValid(relation)) return any;
  TupleDesc shape = lookup_rowtype_tupdesc_copy(base, -1);
  for (int i = 0; i < shape->natts; i++) {
    Form_pg_attribute att = TupleDescAttr(shape, i);
    *hash = hash_combine(*hash, att->attisdropped ? InvalidOid : getBaseType(att->atttypid));
    if (!att->attisdropped) (void)AddRowTypes(att->atttypid, hash);
  }
  FreeTupleDesc(shape);
  return true;
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

Oid StampOf(Oid type) {
  if (!OidIsValid(type)) return InvalidOid;  // of a dropped column
  const Oid base = getBaseType(type);
  uint32 hash = base;
  return AddRowTypes(base, &hash) ? hash : base;
}

void StorePayload(const char** bytes, Size* length) {
  if (*length > kLong && Compress(bytes, length)) return;
  if (!HasMark(*bytes, *length)) return;
  char* out = static_cast<char*>(palloc(kMarkSize + *length));
  out[0] = static_cast<char>(kMark);
  out[1] = static_cast<char>(kAsItIs);
  memcpy(out + kMarkSize, *bytes, *length);
  *bytes = out;
  *length += kMarkSize;
}

void InitKeyColumn(KeyColumn* column, Form_pg_attribute att, MemoryContext memory) {
  Oid function;
  bool varlena;
  *column = KeyColumn{};
  column->attnum = att->attnum;
  column->stamp = StampOf(att->atttypid);
  column->name = MemoryContextStrdup(memory, NameStr(att->attname));
  column->type = att->atttypid;
  column->typmod = att->atttypmod;
  column->base_type = getBaseTypeAndTypmod(att->atttypid, &column->typmod);
  column->collation = att->attcollation;
  get_typlenbyvalalign(column->base_type, &column->length, &column->by_value, &column->align);
  getTypeOutputInfo(column->base_type, &function, &varlena);
  fmgr_info_cxt(function, &column->output, memory);
  getTypeInputInfo(column->base_type, &function, &column->input_param);
  fmgr_info_cxt(function, &column->input, memory);
  column->form = FormOf(column->base_type, column->output);
}

std::string_view ValueBytes(const KeyColumn& column, Datum value, char* scratch) {
  std::string_view bytes;
  if (column.by_value) {
    store_att_byval(scratch, value, column.length);
    bytes = {scratch, static_cast<std::size_t>(column.length)};
  } else if (column.length == -1) {
    const std::string_view payload = Payload(value);
    const char* stored = payload.data();
    Size length = payload.size();
    StorePayload(&stored, &length);
    bytes = {stored, length};
  } else if (column.length == -2) {
    bytes = DatumGetCString(value);
  } else {
    bytes = {static_cast<const char*>(DatumGetPointer(value)),
             static_cast<std::size_t>(column.length)};
  }
  if (bytes.size() >= core::kNullLength)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("value of column \"%s\" is longer than %d bytes", column.name,
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
  if (column.length == -1) {
    char* value = LoadPayload(bytes);
    if (value == nullptr) ReportDamaged(column);
    return PointerGetDatum(value);
  }
  const std::size_t trailer = column.length == -2 ? 1 : 0;
  char* copy = static_cast<char*>(palloc(bytes.size() + trailer));
  memcpy(copy, bytes.data(), bytes.size());
  if (trailer > 0) copy[bytes.size()] = '\0';
  return PointerGetDatum(copy);
}

namespace {

// In the encoding of the database, except for what is ASCII anyway.
std::string_view OwnText(const KeyColumn& column, Datum value, char (&scratch)[40]) {
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
    case KeyForm::kPadded:
      return TrimFor(column, Payload(value));
    case KeyForm::kOutput:
      break;
  }
  return ServerText(column, value);
}

}  // namespace

std::string_view ValueText(const KeyColumn& column, Datum value, char (&scratch)[40]) {
  const std::string_view text = OwnText(column, value, scratch);
  return ToUtf8(text.data(), text.size());
}

bool TryValueText(const KeyColumn& column, Datum value, char (&scratch)[40],
                  std::string_view* text) {
  *text = OwnText(column, value, scratch);
  if (GetDatabaseEncoding() == PG_UTF8) return true;
  const char* converted = WholeInUtf8(*text);
  if (converted != nullptr) *text = converted;
  return converted != nullptr;
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
      if (HasMark(bytes.data(), bytes.size())) return false;
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
