#include "pg/document/document_limit.h"

#include <string>

#include "pg/document/type_encoder.h"
#include "pg/guard.h"
#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

constexpr int kLeast = 1 << 10, kMost = 1 << 30;

// A number of bytes, or one with a unit: 1000000, "20MB". -1: neither.
int BytesOf(const JsonbValue* value) {
  char* text = nullptr;
  if (value->type == jbvNumeric)
    text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
  else if (value->type == jbvString)
    text = pnstrdup(value->val.string.val, value->val.string.len);
  int bytes;
  // parse_int rounds; of a number of bytes there is nothing to round.
  if (text == nullptr || (value->type == jbvNumeric && strchr(text, '.') != nullptr)) return -1;
  return parse_int(text, &bytes, GUC_UNIT_BYTE, nullptr) ? bytes : -1;
}

}  // namespace

bool JsonTextFits(Jsonb* document, std::size_t most) {
  return Enter([&] {
    std::string text;
    std::string* out = &text;
    document_end = most;
    return Call([document, out] {
      bool fits = true;
      try {
        EncodeJsonb(document, out);
        CheckDocumentEnd(out->size());
      } catch (const DocumentTooLarge&) {
        fits = false;
      } catch (const std::bad_alloc&) {
        fits = false;
      }
      return fits;
    });
  });
}

std::size_t MaxDocumentBytes(const char* options) {
  JsonbValue value;
  if (options == nullptr) return kMaxDocumentBytes;
  Jsonb* parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(options)));
  if (getKeyJsonValueFromContainer(&parsed->root, "max_document_bytes", 18, &value) == nullptr)
    return kMaxDocumentBytes;
  const int bytes = BytesOf(&value);
  return bytes < kLeast || bytes > kMost ? kMaxDocumentBytes : static_cast<std::size_t>(bytes);
}

void CheckMaxDocumentBytes(const JsonbValue* value) {
  const int bytes = BytesOf(value);
  if (bytes >= kLeast && bytes <= kMost) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("option \"max_document_bytes\" must be a size from 1 kB to 1 GB"),
                  errhint("For example {\"max_document_bytes\": \"50MB\"}; the default is 100 MB, "
                          "as the search server's http.max_content_length.")));
}

}  // namespace polyglot::pg
