#pragma once
// Re-reads rows of one sync by key, or page by page, and encodes them as documents, as the owner of
// the source and with everything pinned that could change a document.
//
// Functions run in a transaction of the caller with an active snapshot taken *after* the version
// was drawn. They ereport only for what concerns the whole process; what concerns the sync or a
// single row comes back as data. They may throw std::bad_alloc, and PgError for errors that pass or
// end the process (cancellation, lack of memory, lock timeouts): then nothing is known about sync
// or row.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pg/catalog/sync_row.h"
#include "pg/document/row_batch.h"
#include "pg/guard.h"

namespace polyglot::pg {

class RowReader {
 public:
  /// Copies what it needs of `sync`. Cheap: plans are made at first use, in the worker's own
  /// memory, and made anew when the source's definition changed.
  explicit RowReader(const SyncRow& sync);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  /// Takes what a changed definition may say anew without that its plans are.
  void Configure(const char* options);

  /// The document id of packed key values; like the next three it locks nothing. false + *error
  /// when they cannot be read as the key's types.
  bool IdOfKey(std::string_view packed_key, std::string* id, PgError* error);
  /// The packed key of a document id. false: no row can have this id, or it is a hashed one. An id
  /// that comes back may still be another than that of the key's row (1.0 for 1.00).
  bool KeyOfId(std::string_view id, std::string* packed_key);
  /// The key as the views show it, in the encoding of the database: {"id": 42}, integers as such,
  /// everything else as text.
  bool KeyJson(std::string_view packed_key, std::string* json, PgError* error);
  /// Text of a routing value as captured (a packed key of that one column) under the pinned
  /// settings. Empty for NULL, and then as for an empty text there is no routing. ERROR 42804: the
  /// column has another type now; of class 22: the value has no text in UTF-8, no document has it.
  bool RoutingOfValue(std::string_view packed_value, std::string* routing, PgError* error);

  /// To be called before rows are read, outside of subtransactions: locks everything that they
  /// stand in until the end of the transaction, and then replaces the active snapshot, since to an
  /// older one a table that was rewritten meanwhile is empty. Never waits: whoever changes a table,
  /// for hours perhaps, must not hold up what is read from others. false: not now.
  ///
  /// What else is read, by views, sub-selects and functions, is known once rows have been read.
  /// Where it is not known yet, reading waits for some milliseconds, then it says kLocked. From
  /// the first call on a reader is in a worker: reads also end early when they take long.
  bool TryLockRows();
  /// What was not to be had, as SQL writes it; empty: it is not known.
  const std::string& locked_table() const;
  /// Reads the rows of these keys (packed). A key without a row is simply not in `out`, unless
  /// `truncated`: that ends after the row with which there are more than `max_bytes` of them.
  /// Appends to *out. kSyncFailed: *error says why the whole sync cannot be read (missing column,
  /// row-level security, no privilege …).
  /// `ids`, those of the keys' documents: a key that was recorded before the type of one of its
  /// columns changed is made anew from its id, and a failure bears it. Where no key of these types
  /// has the id, there is no such row.
  ReadStatus ReadKeys(const std::vector<std::string_view>& packed_keys, std::size_t max_bytes,
                      RowBatch* out, PgError* error,
                      const std::vector<std::string_view>* ids = nullptr);
  /// Next `limit` rows in key order after `after` (a packed key; empty: from the start).
  ReadStatus ReadPage(std::string_view after, int limit, std::size_t max_bytes, RowBatch* out,
                      PgError* error);
  /// pg_class.reltuples of the tree, at least 0.
  std::int64_t EstimateRows();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Derived mapping of a relation's columns (JSON object of `mappings`), merged with `user_mapping`
/// (nullptr: none). `columns` empty: all. Result palloc'd.
char* DeriveMapping(Oid source, int column_count, char** columns, const char* user_mapping,
                    bool has_document_expression);

}  // namespace polyglot::pg
