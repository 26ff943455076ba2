#include "pg/document/scalar_encoders.h"

#include <string_view>

#include "core/json_writer.h"
#include "pg/document/key_codec.h"
#include "pg/document/type_encoder.h"
#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

constexpr int64 kEpochDays = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
constexpr int64 kDayMillis = INT64CONST(86400000);

void EncodeBool(TypeEncoder*, Datum value, std::string* out) {
  if (DatumGetBool(value))
    out->append("true", 4);
  else
    out->append("false", 5);
}

void EncodeInt2(TypeEncoder*, Datum value, std::string* out) {
  core::AppendJsonInteger(DatumGetInt16(value), out);
}

void EncodeInt4(TypeEncoder*, Datum value, std::string* out) {
  core::AppendJsonInteger(DatumGetInt32(value), out);
}

void EncodeInt8(TypeEncoder*, Datum value, std::string* out) {
  core::AppendJsonInteger(DatumGetInt64(value), out);
}

void EncodeOid(TypeEncoder*, Datum value, std::string* out) {
  core::AppendJsonInteger(DatumGetObjectId(value), out);
}

void EncodeFloat4(TypeEncoder*, Datum value, std::string* out) {
  core::AppendJsonFloat(DatumGetFloat4(value), out);
}

void EncodeFloat8(TypeEncoder*, Datum value, std::string* out) {
  core::AppendJsonDouble(DatumGetFloat8(value), out);
}

void EncodeNumeric(TypeEncoder*, Datum value, std::string* out) {
  core::AppendJsonDecimal(DatumGetCString(DirectFunctionCall1(numeric_out, value)), out);
}

std::string_view Payload(Datum value) {
  const auto* bytes = reinterpret_cast<varlena*>(PG_DETOAST_DATUM_PACKED(value));
  return {VARDATA_ANY(bytes), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(bytes))};
}

void EncodeVarlenaText(TypeEncoder*, Datum value, std::string* out) {
  const std::string_view text = Payload(value);
  EncodeText(text.data(), text.size(), out);
}

void EncodePadded(TypeEncoder*, Datum value, std::string* out) {
  std::string_view text = Payload(value);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  EncodeText(text.data(), text.size(), out);
}

void EncodeUuid(TypeEncoder*, Datum value, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const pg_uuid_t* uuid = DatumGetUUIDP(value);
  char text[38];
  char* to = text;
  *to++ = '"';
  for (int i = 0; i < UUID_LEN; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = kHex[uuid->data[i] >> 4];
    *to++ = kHex[uuid->data[i] & 15];
  }
  *to = '"';
  out->append(text, sizeof text);
}

void EncodeBytea(TypeEncoder*, Datum value, std::string* out) {
  CheckDocumentEnd(out->size() + (toast_raw_datum_size(value) - VARHDRSZ) / 3 * 4);
  core::AppendJsonBase64(Payload(value), out);
}

void EncodeOutput(TypeEncoder* self, Datum value, std::string* out) {
  const char* text = OutputFunctionCall(&self->output, value);
  EncodeText(text, strlen(text), out);
}

// Servers' calendars end where four digits do.
bool HasIsoYear(int year) { return year >= 1 && year <= 9999; }

void AppendDay(int year, int month, int day, std::string* out) {
  core::AppendPadded(static_cast<uint32>(year), 4, out);
  out->push_back('-');
  core::AppendPadded(static_cast<uint32>(month), 2, out);
  out->push_back('-');
  core::AppendPadded(static_cast<uint32>(day), 2, out);
}

void EncodeDate(TypeEncoder*, Datum value, std::string* out) {
  const DateADT date = DatumGetDateADT(value);
  if (DATE_NOT_FINITE(date)) {
    out->append("null", 4);
    return;
  }
  int year, month, day;
  j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
  if (!HasIsoYear(year)) {
    core::AppendJsonInteger((date + kEpochDays) * kDayMillis, out);
    return;
  }
  out->push_back('"');
  AppendDay(year, month, day, out);
  out->push_back('"');
}

void AppendFraction(uint32 microseconds, std::string* out) {
  if (microseconds == 0) return;
  out->push_back('.');
  core::AppendPadded(microseconds, 6, out);
  while (out->back() == '0') out->pop_back();
}

// Both timestamp types hold microseconds; of timestamptz they are UTC's.
void AppendTimestamp(Timestamp value, bool utc, std::string* out) {
  struct pg_tm tm;
  fsec_t fraction;
  if (TIMESTAMP_NOT_FINITE(value)) {
    out->append("null", 4);
    return;
  }
  if (timestamp2tm(value, nullptr, &tm, &fraction, nullptr, nullptr) != 0)
    ereport(ERROR,
            (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  if (!HasIsoYear(tm.tm_year)) {
    const int64 millis = value >= 0 ? value / 1000 : -((-value + 999) / 1000);
    core::AppendJsonInteger(millis + kEpochDays * kDayMillis, out);
    return;
  }
  out->push_back('"');
  AppendDay(tm.tm_year, tm.tm_mon, tm.tm_mday, out);
  out->push_back('T');
  core::AppendPadded(static_cast<uint32>(tm.tm_hour), 2, out);
  out->push_back(':');
  core::AppendPadded(static_cast<uint32>(tm.tm_min), 2, out);
  out->push_back(':');
  core::AppendPadded(static_cast<uint32>(tm.tm_sec), 2, out);
  AppendFraction(static_cast<uint32>(fraction), out);
  out->append(utc ? "Z\"" : "\"");
}

void EncodeTimestamp(TypeEncoder*, Datum value, std::string* out) {
  AppendTimestamp(DatumGetTimestamp(value), false, out);
}

void EncodeTimestamptz(TypeEncoder*, Datum value, std::string* out) {
  AppendTimestamp(DatumGetTimestampTz(value), true, out);
}

// pgvector prints a vector as a JSON array. Whatever else calls itself `vector` is a string.
void EncodeVector(TypeEncoder* self, Datum value, std::string* out) {
  const char* text = OutputFunctionCall(&self->output, value);
  const size_t length = strlen(text);
  const bool array = length >= 2 && text[0] == '[' && text[length - 1] == ']' &&
                     strspn(text, "[]0123456789+-.eE,") == length;
  CheckDocumentEnd(out->size() + length);
  if (array)
    out->append(text, length);
  else
    EncodeText(text, length, out);
}

}  // namespace

void EncodeText(const char* bytes, std::size_t size, std::string* out) {
  CheckDocumentEnd(out->size() + size / 2);  // as in LeastSize
  if (!core::AppendJsonString(ToUtf8(bytes, size), document_end, out)) throw DocumentTooLarge();
}

void (*ScalarEncoder(TypeClass type_class))(TypeEncoder*, Datum, std::string*) {
  switch (type_class) {
    case TypeClass::kBool:
      return EncodeBool;
    case TypeClass::kInt2:
      return EncodeInt2;
    case TypeClass::kInt4:
      return EncodeInt4;
    case TypeClass::kInt8:
      return EncodeInt8;
    case TypeClass::kOid:
      return EncodeOid;
    case TypeClass::kFloat4:
      return EncodeFloat4;
    case TypeClass::kFloat8:
      return EncodeFloat8;
    case TypeClass::kNumeric:
      return EncodeNumeric;
    case TypeClass::kText:
      return EncodeVarlenaText;
    case TypeClass::kPadded:
      return EncodePadded;
    case TypeClass::kUuid:
      return EncodeUuid;
    case TypeClass::kDate:
      return EncodeDate;
    case TypeClass::kTimestamp:
      return EncodeTimestamp;
    case TypeClass::kTimestamptz:
      return EncodeTimestamptz;
    case TypeClass::kBytea:
      return EncodeBytea;
    case TypeClass::kVector:
      return EncodeVector;
    case TypeClass::kXml:
    case TypeClass::kInet:
    case TypeClass::kCidr:
    case TypeClass::kString:
      return EncodeOutput;
    default:
      return nullptr;
  }
}

}  // namespace polyglot::pg
