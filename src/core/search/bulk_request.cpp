#include "core/search/bulk_request.h"

#include <array>
#include <charconv>

namespace polyglot::core {
namespace {

constexpr std::string_view kIndexStart = R"({"index":{"_index":")";
constexpr std::string_view kDeleteStart = R"({"delete":{"_index":")";
constexpr std::string_view kId = R"(","_id":")";
constexpr std::string_view kVersion = R"(","version":)";
constexpr std::string_view kVersionType = R"(,"version_type":"external_gte")";
constexpr std::string_view kRouting = R"(,"routing":")";
constexpr std::string_view kEnd = "}}\n";

/// Bytes of one character inside a JSON string: 1 plain, 2 like \n, 6 like \u001f.
constexpr std::array<std::uint8_t, 256> kWidth = [] {
  std::array<std::uint8_t, 256> width{};
  for (std::size_t i = 0; i < width.size(); ++i) width[i] = i < 0x20 ? 6 : 1;
  for (char c : {'\b', '\f', '\n', '\r', '\t', '"', '\\'}) width[static_cast<unsigned char>(c)] = 2;
  return width;
}();

std::size_t EscapedSize(std::string_view text) {
  std::size_t size = 0;
  for (unsigned char c : text) size += kWidth[c];
  return size;
}

void AppendEscape(unsigned char c, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  out->push_back('\\');
  switch (c) {
    case '\b':
      out->push_back('b');
      break;
    case '\f':
      out->push_back('f');
      break;
    case '\n':
      out->push_back('n');
      break;
    case '\r':
      out->push_back('r');
      break;
    case '\t':
      out->push_back('t');
      break;
    case '"':
    case '\\':
      out->push_back(static_cast<char>(c));
      break;
    default:
      out->append("u00");
      out->push_back(kHex[c >> 4]);
      out->push_back(kHex[c & 15]);
  }
}

std::string_view Digits(std::uint64_t number, std::array<char, 20>* buffer) {
  const auto end = std::to_chars(buffer->data(), buffer->data() + buffer->size(), number).ptr;
  return {buffer->data(), static_cast<std::size_t>(end - buffer->data())};
}

BodySlice AppendDocument(const std::string& body, std::string* out) {
  const BodySlice slice{.offset = out->size(), .length = body.size()};
  out->append(body);
  // A line's end is white space between two tokens of a document, and hardly ever there.
  for (char end : {'\n', '\r'}) {
    for (std::size_t at = slice.offset; (at = out->find(end, at)) != std::string::npos;)
      (*out)[at] = ' ';
  }
  out->push_back('\n');
  return slice;
}

}  // namespace

void AppendEscaped(std::string_view text, std::string* out) {
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (kWidth[c] == 1) continue;
    out->append(text, plain, i - plain);
    AppendEscape(c, out);
    plain = i + 1;
  }
  out->append(text, plain);
}

std::size_t EncodedSize(const Operation& op) {
  std::array<char, 20> digits;
  const bool index = op.kind == OperationKind::kIndex;
  std::size_t size = (index ? kIndexStart : kDeleteStart).size() + kId.size() + kVersion.size() +
                     kVersionType.size() + kEnd.size();
  size += op.index ? EscapedSize(*op.index) : 0;
  size += EscapedSize(op.id) + Digits(op.version, &digits).size();
  if (op.routing) size += kRouting.size() + EscapedSize(*op.routing) + 1;
  return index ? size + op.body.size() + 1 : size;
}

BodySlice AppendOperation(const Operation& op, std::string* out) {
  std::array<char, 20> digits;
  const bool index = op.kind == OperationKind::kIndex;
  out->append(index ? kIndexStart : kDeleteStart);
  if (op.index) AppendEscaped(*op.index, out);
  out->append(kId);
  AppendEscaped(op.id, out);
  out->append(kVersion).append(Digits(op.version, &digits)).append(kVersionType);
  if (op.routing) {
    out->append(kRouting);
    AppendEscaped(*op.routing, out);
    out->push_back('"');
  }
  out->append(kEnd);
  return index ? AppendDocument(op.body, out) : BodySlice{.offset = out->size(), .length = 0};
}

}  // namespace polyglot::core
