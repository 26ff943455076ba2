#pragma once
// Statements on our own tables, with typed parameters. Everything needs a transaction and an SPI
// connection; errors are raised (and end a worker).

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/operation.h"
#include "pg/encoding.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// Our texts are UTF-8; a database may have another encoding. An error here would be met again by
/// the next worker, so there is none, whatever the text holds.
inline Datum TextOf(std::string_view text) {
  return PointerGetDatum(cstring_to_text(ReadableInServer(text)));
}

/// Of ids and routings, which name documents and must come back as they were.
inline Datum ExactTextOf(std::string_view text) {
  return PointerGetDatum(cstring_to_text(ExactInServer(text)));
}
inline std::string Utf8OfExact(Datum value) { return ExactInUtf8(TextDatumGetCString(value)); }

/// Columns 1 to 4 of a row, document_id, routing (the long one, if there is one), has_routing and
/// the packed key, into an object's `id`, `routing` and `key`.
template <typename T>
void ReadDocumentKey(HeapTuple tuple, TupleDesc desc, T* out) {
  bool isnull;
  out->id = Utf8OfExact(SPI_getbinval(tuple, desc, 1, &isnull));
  if (DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull)))
    out->routing = Utf8OfExact(SPI_getbinval(tuple, desc, 2, &isnull));
  auto* bytes = DatumGetByteaPP(SPI_getbinval(tuple, desc, 4, &isnull));
  out->key.assign(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

inline Datum ByteaOf(std::string_view bytes) {
  auto* value = static_cast<bytea*>(palloc(bytes.size() + VARHDRSZ));
  SET_VARSIZE(value, bytes.size() + VARHDRSZ);
  memcpy(VARDATA(value), bytes.data(), bytes.size());
  return PointerGetDatum(value);
}

/// What stands for a routing in the keys of our tables, in the encoding of the database: servers
/// take ones that no B-tree takes.
std::string ShortRouting(std::string_view routing);

/// Parameters of one statement, by position.
class Parameters {
 public:
  void Int4(std::int32_t value) { Push(INT4OID, Int32GetDatum(value)); }
  void Int8(std::int64_t value) { Push(INT8OID, Int64GetDatum(value)); }
  void Bool(bool value) { Push(BOOLOID, BoolGetDatum(value)); }
  void Time(std::int64_t value) { Push(TIMESTAMPTZOID, TimestampTzGetDatum(value)); }
  void Text(std::string_view value) { Push(TEXTOID, TextOf(value)); }
  void ExactText(std::string_view value) { Push(TEXTOID, ExactTextOf(value)); }
  void Routing(const std::optional<std::string>& value) {
    Push(TEXTOID, PointerGetDatum(cstring_to_text(ShortRouting(value.value_or("")).c_str())));
  }
  void TextOrNull(const char* value) {
    Push(TEXTOID, value == nullptr ? static_cast<Datum>(0) : TextOf(value));
    if (value == nullptr) nulls_[static_cast<size_t>(count_ - 1)] = 'n';
  }
  void Bytea(std::string_view value) { Push(BYTEAOID, ByteaOf(value)); }
  void Array(Oid element, Datum* values, int count) {
    int16 length;
    bool by_value;
    char alignment;
    get_typlenbyvalalign(element, &length, &by_value, &alignment);
    Push(get_array_type(element),
         PointerGetDatum(construct_array(values, count, element, length, by_value, alignment)));
  }
  /// By the indexes of our tables, whatever the planner thinks that it knows of them: they fill and
  /// empty faster than anybody analyses them.
  void Run(const char* sql, int expected);

 private:
  void Push(Oid type, Datum value) {
    const auto at = static_cast<size_t>(count_++);
    types_[at] = type;
    values_[at] = value;
    nulls_[at] = ' ';
  }
  int count_ = 0;
  std::array<Oid, 16> types_;
  std::array<Datum, 16> values_;
  std::array<char, 17> nulls_{};
};

/// Columns of many rows, for unnest (unqualified: the parser knows its many-argument form by that
/// name only; the worker's search_path is pinned to pg_catalog).
struct Columns {
  explicit Columns(std::size_t rows)
      : ids(New(rows)),
        routings(New(rows)),
        has_routings(New(rows)),
        extra(New(rows)),
        long_routings(New(rows)) {}
  static Datum* New(std::size_t rows) {
    return static_cast<Datum*>(palloc(sizeof(Datum) * (rows + 1)));
  }
  void Add(std::string_view id, const std::optional<std::string>& routing, Datum more);
  void Push(Parameters* p, Oid extra_type) const {
    p->Array(TEXTOID, ids, count);
    p->Array(TEXTOID, routings, count);
    p->Array(BOOLOID, has_routings, count);
    p->Array(extra_type, extra, count);
  }
  /// Empty where the short one is the routing itself.
  void PushLongRoutings(Parameters* p) const { p->Array(TEXTOID, long_routings, count); }
  Datum *ids, *routings, *has_routings, *extra, *long_routings;
  int count = 0;
};

/// SPI helpers: run one statement with text parameters (nullptr = NULL); ERROR when it fails. It
/// sees what is committed now, in every isolation level. Must be inside SPI_connect. Returns
/// SPI_processed.
uint64 Execute(const char* sql, std::initializer_list<const char*> parameters);

/// So many rows are given to one statement: its arrays and their copies are memory of ours.
inline constexpr std::size_t kRowsAtOnce = 1000;

/// What `f` allocates is gone afterwards, not only at the end of the transaction.
template <typename F>
void InScratchMemory(F&& f) {
  MemoryContext scratch =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot_sync rows", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(scratch);
  f();
  MemoryContextSwitchTo(before);
  MemoryContextDelete(scratch);
}

/// A bit mask for RunOver.
inline constexpr std::uint64_t kWholeVersion = ~std::uint64_t{0};

/// Runs a statement over (sync, ids, routings, has_routings, versions & mask) of operations,
/// kRowsAtOnce at a time; `after` takes the results of each run.
template <typename F>
void RunOver(const std::vector<const core::Operation*>& operations, std::int32_t sync,
             std::uint64_t mask, const char* sql, int expected, F&& after) {
  for (std::size_t at = 0; at < operations.size(); at += kRowsAtOnce) {
    const std::size_t end = std::min(operations.size(), at + kRowsAtOnce);
    InScratchMemory([&] {
      Columns columns(end - at);
      for (std::size_t i = at; i < end; i++)
        columns.Add(operations[i]->id, operations[i]->routing,
                    Int64GetDatum(static_cast<std::int64_t>(operations[i]->version & mask)));
      Parameters p;
      p.Int4(sync);
      columns.Push(&p, INT8OID);
      p.Run(sql, expected);
      after();
    });
  }
}

/// Runs a SELECT with one parameter (InvalidOid: none) that sees everything committed until now,
/// whatever the isolation level, and the changes of the transaction itself.
void SelectLatest(const char* sql, Oid type, Datum value);
/// The same as the extension's owner, in an SPI connection of its own: does it yield a row?
bool Finds(const char* sql, int32 sync);

}  // namespace polyglot::pg
