#pragma once
// What reading one sync's rows needs: the source's columns, their encoders, and the kept SPI plans.
// C-like code: plain data in its own memory context, everything may ereport.

#include <string>
#include <string_view>
#include <vector>

#include "pg/catalog/sync_row.h"
#include "pg/document/encoder.h"
#include "pg/document/key_codec.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// How one key column is compared: by the operators of the key's index, whatever the search_path
/// and the type's other operators say.
struct KeyOrder {
  int key;             // which of ReadPlan::key; positions follow the index
  Oid operand;         // type that the operators take, behind polymorphism
  const char* column;  // SQL: the column, cast and collated as in the index
  const char* equal;   // SQL: OPERATOR(schema.=)
  const char* less;
  const char* greater;
  const char* greater_equal;
  const char* less_equal;
};

/// What document ids and routing values are made of. No rows are read for them: no lock is taken.
struct KeyPlan {
  MemoryContext memory;
  int key_count;
  KeyColumn key[INDEX_MAX_KEYS];
  char* key_header;  // of a packed key
  int key_header_length;
  bool has_routing;
  KeyColumn routing;
};

struct ReadPlan : KeyPlan {
  bool ready;  // false: making it failed half-way
  Oid relation, owner;
  Oid key_index;       // InvalidOid: of a view or foreign table without one
  TupleDesc shape;     // the source's definition that this was made for
  const char* table;   // SQL: schema.table
  const char* prefix;  // SQL: what qualifies its columns

  KeyOrder order[INDEX_MAX_KEYS];
  bool has_heirs;       // the same key may stand in several tables
  bool keys_in_arrays;  // false: a key type has no array type, keys are read one by one
  // There are so many partitions that a plan for all of them is made too often, by ANALYZE of any
  // one of them, and takes too long. The key names the partition: rows are read with plans for one
  // read.
  bool prunes;
  bool in_ranges;  // keys are integers in their usual order: what is between two keys is known
  TimestampTz counted_at;  // when that was found

  bool has_filter, has_document;
  int passes_column, body_column;  // of the result, from 0; key columns come first
  int field_count;
  FieldEncoder* fields;   // result column body_column + i holds the source's fields[i].column
  TypeEncoder* document;  // or the expression's type

  // Pages are read partition by partition, each with a plan of its own: part_pages.h.
  bool by_parts;

  SPIPlanPtr by_keys;
  SPIPlanPtr by_range;        // nullptr: nobody has asked for it yet
  SPIPlanPtr filter_by_keys;  // nullptr: nobody has asked for it yet
  SPIPlanPtr pages[4];        // by PageKind, made when they are needed
  int page_limit;             // what those are for
  Oid page_part;
};

/// Which page is read.
struct PageKind {
  int limit;
  Oid part;        // InvalidOid: of the whole source
  bool keys_only;  // no documents
  bool after;      // a key, which is the parameter; else the first one
};

/// Fills a zeroed plan in `memory` from the catalogs as they are. ERROR when a column is missing.
void MakeKeyPlan(KeyPlan* plan, const SyncRow& sync, MemoryContext memory);
/// Is it partitioned into more tables than a plan for all of them is kept for?
bool HasManyPartitions(Oid source);
/// Are the columns still the same?
bool KeyPlanIsCurrent(const KeyPlan& plan, Oid source);

/// Is `plan` still right for the source as it is now? Locks the source (ACCESS SHARE) until the end
/// of the transaction.
bool PlanIsCurrent(const ReadPlan* plan);

/// Are the kept plans as they were when they ran last, or will they be made anew?
bool PlansAreValid(const ReadPlan& plan);
/// Frees the SPI plans (not the memory). Never ereports.
void FreeReadPlan(ReadPlan* plan);

/// Owner of the relation now; ERROR 42P01 when it has gone.
Oid SourceOwner(Oid relation);

/// May a partition be read for itself? Read through its parent it is read with the parent's rights.
enum class PartState { kReadable, kGone, kOther };
PartState RightsOf(const ReadPlan& plan, Oid part);

}  // namespace polyglot::pg
