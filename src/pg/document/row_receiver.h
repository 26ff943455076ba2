#pragma once
// Takes rows from the executor as they come and appends them to a batch: ids, keys, documents.

#include <cstddef>

#include "pg/document/key_parameters.h"
#include "pg/document/read_plan.h"
#include "pg/document/row_batch.h"
#include "pg/prelude.h"

namespace polyglot::pg {

struct RowReceiver {
  DestReceiver base;  // first: the executor knows only this
  ReadPlan* plan;
  RowBatch* out;
  const KeyRange* range;     // only rows that it wants; nullptr: all
  bool keys_only;            // the result has key columns and nothing else
  std::size_t stop_bytes;    // end after the row that makes out->bytes longer than this
  std::size_t max_document;  // a row whose document would be longer is a failure of its own
  TimestampTz stop_at;       // end after the row that is received then; 0: never
  MemoryContext row_memory;  // reset after each row
  std::size_t wasted;        // bytes of documents that were given up: they took time, too
  bool truncated;
  bool out_of_memory;  // std::bad_alloc was caught: the rows in *out are not complete
};

/// Makes the receiver; row memory is a child of CurrentMemoryContext.
void InitReceiver(RowReceiver* receiver, ReadPlan* plan, RowBatch* out, bool keys_only,
                  std::size_t stop_bytes, std::size_t max_document);

/// Appends the document id of key values; as PgSha256 and ValueText it may ereport.
void AppendIdOfValues(const KeyPlan& plan, const Datum* values, std::string* out);

}  // namespace polyglot::pg
