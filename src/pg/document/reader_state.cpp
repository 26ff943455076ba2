#include "pg/document/reader_state.h"

#include <limits>

#include "core/document_id.h"
#include "pg/document/document_limit.h"
#include "pg/document/key_parameters.h"
#include "pg/document/plan_maker.h"
#include "pg/document/row_receiver.h"
#include "pg/prelude.h"
#include "pg/sha256.h"
#include "pg/source/security_context.h"
#include "pg/source/source_tree.h"
#include "pg/source/tree_lock.h"

namespace polyglot::pg {

namespace {

constexpr std::size_t kNoStop = std::numeric_limits<std::size_t>::max();

// Errors of these classes say nothing about a row or a sync: they pass, or end the process.
// `rows`: while some are read, of which one may ask for more than there is.
bool ConcernsProcess(int sqlstate, bool rows) {
  if (rows && IsLackOfResources(sqlstate)) return false;
  switch (ERRCODE_TO_CATEGORY(sqlstate)) {
    case MAKE_SQLSTATE('4', '0', '0', '0', '0'):  // serialization, deadlock
    case MAKE_SQLSTATE('5', '3', '0', '0', '0'):  // memory, disk, connections
    case MAKE_SQLSTATE('5', '7', '0', '0', '0'):  // cancelled, shutting down
    case MAKE_SQLSTATE('5', '8', '0', '0', '0'):  // I/O
    case MAKE_SQLSTATE('2', '5', '0', '0', '0'):  // state of the transaction
      return true;
    default:
      return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE;
  }
}

// Runs f in a subtransaction and the source's security context, with SPI connected. f may throw
// std::bad_alloc and ereport; C++ objects in it must not be alive while it calls PostgreSQL.
// Errors that concern the whole process are thrown (PgError). `impatient`: hardly waits for locks.
template <typename F>
bool RunInside(Oid source, F&& f, PgError* error, bool rows = false, bool impatient = false) {
  auto body = [&] {
    bool out_of_memory = false;
    SecurityContext saved;
    SPI_connect();
    EnterSourceContext(SourceOwner(source), &saved);
    if (impatient) BePatientFor(kLockPatience);
    try {
      f();
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
    // The abort of the subtransaction is what puts everything back.
    if (out_of_memory) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    LeaveSourceContext(saved);
    SPI_finish();
  };
  const bool ok = Call([&] { return InSubtransaction(body, error); });
  if (!ok && ConcernsProcess(error->sqlstate, rows)) throw *error;
  return ok;
}

// What a user can do about the failures that reading a table as its owner is known for.
void AddHint(PgError* error) {
  const bool policy = strstr(error->message, "row-level security") != nullptr;
  if (error->sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE && policy)
    strlcpy(error->hint,
            "Rows hidden by a policy would be deleted from the index. Give the table's owner "
            "BYPASSRLS, or end FORCE ROW LEVEL SECURITY.",
            sizeof error->hint);
}

char* CopyText(const char* source) { return source ? pstrdup(source) : nullptr; }

// Only what reading needs.
SyncRow* CopySync(const SyncRow& source) {
  auto* copy = static_cast<SyncRow*>(palloc0(sizeof(SyncRow)));
  copy->id = source.id;
  copy->name = CopyText(source.name);
  copy->source = source.source;
  copy->key_count = source.key_count;
  for (int i = 0; i < source.key_count; ++i) copy->key[i] = source.key[i];
  copy->column_count = source.column_count;
  if (source.column_count > 0)
    copy->columns = static_cast<char**>(palloc(sizeof(char*) * source.column_count));
  for (int i = 0; i < source.column_count; ++i) copy->columns[i] = CopyText(source.columns[i]);
  copy->filter = CopyText(source.filter);
  copy->document = CopyText(source.document);
  copy->routing = CopyText(source.routing);
  copy->routing_att = source.routing_att;
  return copy;
}

// false: the receiver stopped at its limit. `parameters` nullptr: all NULL, which finds nothing but
// checks everything.
bool Execute(ReadPlan* plan, SPIPlanPtr query, int count, const Datum* parameters,
             RowReceiver* receiver) {
  ParamListInfo list = makeParamList(count);
  auto* source = static_cast<CachedPlanSource*>(linitial(SPI_plan_get_plan_sources(query)));
  for (int i = 0; i < count; ++i) {
    list->params[i].isnull = parameters == nullptr;
    list->params[i].value = parameters == nullptr ? 0 : parameters[i];
    list->params[i].pflags = PARAM_FLAG_CONST;
    list->params[i].ptype = source->param_types[i];
  }
  SPIExecuteOptions options{};
  options.params = list;
  options.read_only = true;  // in the caller's snapshot, not in a newer one
  options.dest = &receiver->base;
  const int result = SPI_execute_plan_extended(query, &options);
  if (result < 0)
    elog(ERROR, "could not read from %s: %s", plan->table, SPI_result_code_string(result));
  if (receiver->out_of_memory)
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  return !receiver->truncated;
}

}  // namespace

bool IsLackOfResources(int sqlstate) {
  return sqlstate == ERRCODE_OUT_OF_MEMORY || sqlstate == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
}

ReaderState::ReaderState(const SyncRow& source) {
  Call([&] {
    max_document = MaxDocumentBytes(source.options);
    memory = AllocSetContextCreate(TopMemoryContext, "polyglot reader", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(memory);
    sync = CopySync(source);
    MemoryContextSwitchTo(caller);
  });
}

ReaderState::~ReaderState() {
  DropPlan();
  DropKeys();
  MemoryContextDelete(memory);
}

void ReaderState::DropPlan() {
  locks.Forget();
  if (keys == plan) keys = nullptr;
  if (plan != nullptr) FreeReadPlan(plan);
  plan = nullptr;
  if (plan_memory_ != nullptr) MemoryContextDelete(plan_memory_);
  plan_memory_ = nullptr;
}

void ReaderState::DropKeys() {
  if (keys == own_keys_) keys = nullptr;
  own_keys_ = nullptr;
  if (keys_memory_ != nullptr) MemoryContextDelete(keys_memory_);
  keys_memory_ = nullptr;
}

void ReaderState::BuildKeys() {
  keys_memory_ = AllocSetContextCreate(memory, "polyglot key plan", ALLOCSET_SMALL_SIZES);
  own_keys_ = static_cast<KeyPlan*>(MemoryContextAllocZero(keys_memory_, sizeof(KeyPlan)));
  MakeKeyPlan(own_keys_, *sync, keys_memory_);
}

// A transaction deals with events of many tables. If it locked one after another, who changes two
// of them might be the victim of a deadlock with it; if it waited for one, all others would wait.
bool ReaderState::EnsureKeys(PgError* error) {
  const TimestampTz now = GetCurrentTransactionStartTimestamp();
  const auto make = [&] {
    if (own_keys_ != nullptr && KeyPlanIsCurrent(*own_keys_, sync->source)) return;
    DropKeys();
    BuildKeys();
  };
  const bool checked = own_keys_ != nullptr && keys_checked_at_ == now;
  if (!checked && !RunInside(sync->source, make, error)) {
    DropKeys();
    return false;
  }
  keys_checked_at_ = now;
  keys = own_keys_;
  return true;
}

void ReaderState::Build() {
  plan_memory_ = AllocSetContextCreate(memory, "polyglot read plan", ALLOCSET_DEFAULT_SIZES);
  plan = static_cast<ReadPlan*>(MemoryContextAllocZero(plan_memory_, sizeof(ReadPlan)));
  MakeReadPlan(plan, *sync, GetUserId(), plan_memory_);
}

bool ReaderState::EnsurePlan(PgError* error) {
  const TimestampTz now = GetCurrentTransactionStartTimestamp();
  if (plan != nullptr && plan->ready && checked_at_ == now) {
    keys = plan;
    return true;
  }
  const bool ok = RunInside(
      sync->source,
      [&] {
        if (plan != nullptr && plan->ready && PlanIsCurrent(plan)) return;
        DropPlan();
        Build();
      },
      error, false, locks.impatient());
  if (ok) {
    checked_at_ = now;
    keys = plan;
  } else {
    DropPlan();
    AddHint(error);
  }
  return ok;
}

// Partitions need no such look: who adds one locks its parent against readers until all others have
// been told.
bool ReaderState::KnowsTree() {
  if (get_rel_relkind(sync->source) != RELKIND_RELATION) return true;
  List* below = RelationsBelow(sync->source);
  if (equal(below, below_)) return true;
  AcceptInvalidationMessages();
  List* told = find_all_inheritors(sync->source, NoLock, nullptr);
  ListCell* cell;
  foreach (cell, below)
    if (!list_member_oid(told, lfirst_oid(cell))) return false;
  DropPlan();
  MemoryContext caller = MemoryContextSwitchTo(memory);
  list_free(below_);
  below_ = list_copy(below);
  MemoryContextSwitchTo(caller);
  return false;
}

bool ReaderState::FindKeyValues(std::string_view packed_key, PgError* error) {
  const std::string_view header(keys->key_header, keys->key_header_length);
  values.clear();
  bool ok = true;
  if (packed_key.substr(0, header.size()) == header) {
    ok = core::SplitValues(packed_key.substr(header.size()), keys->key_count, &values);
  } else {
    ok = core::ParseKey(packed_key, &columns_, &all_values_);
    for (int i = 0; ok && i < keys->key_count; ++i) {
      const KeyColumn& key = keys->key[i];
      const std::string_view* value =
          core::FindValue(columns_, all_values_, {key.attnum, key.stamp});
      ok = value != nullptr;
      if (ok) values.push_back(*value);
    }
  }
  for (const std::string_view value : values) ok = ok && value.data() != nullptr;
  if (ok) return true;
  *error = PgError{};
  error->sqlstate = ERRCODE_INVALID_BINARY_REPRESENTATION;
  CopyMessage(error->message, "the recorded key does not fit the key columns of the table");
  return false;
}

bool ReaderState::IdOfValues(std::string* id, PgError* error) {
  bool plain = true;
  for (int i = 0; plain && i < keys->key_count; ++i) {
    char scratch[40];
    std::string_view text;
    plain = TextNeedsNoGuard(keys->key[i]) && PlainText(keys->key[i], values[i], scratch, &text);
    if (plain) core::AppendKeyText(text, i, keys->key_count, id);
  }
  if (plain) {
    if (!Call([&] { return core::FinishDocumentId(0, PgSha256, id); })) throw std::bad_alloc();
    return true;
  }
  id->clear();
  return RunInside(
      sync->source,
      [&] {
        Datum datums[INDEX_MAX_KEYS];
        for (int i = 0; i < keys->key_count; ++i)
          datums[i] = ValueFromBytes(keys->key[i], values[i]);
        AppendIdOfValues(*keys, datums, id);
      },
      error);
}

bool ReaderState::KeyOfId(std::string_view id, std::string* packed) {
  PgError ignored{};
  std::vector<std::string> texts;
  if (!core::IsHashedId(id) &&
      core::SplitDocumentId(id, static_cast<std::size_t>(keys->key_count), &texts) &&
      KeyOfTexts(texts, packed, &ignored))
    return true;
  packed->clear();  // the beginning of a key is none
  return false;
}

bool ReaderState::KeyOfTexts(const std::vector<std::string>& texts, std::string* packed,
                             PgError* error) {
  return RunInside(
      sync->source,
      [&] {
        packed->assign(keys->key_header, static_cast<std::size_t>(keys->key_header_length));
        for (int i = 0; i < keys->key_count; ++i) {
          const std::string& text = texts[static_cast<std::size_t>(i)];
          const char* server = pg_any_to_server(pstrdup(text.c_str()),
                                                static_cast<int>(strlen(text.c_str())), PG_UTF8);
          char scratch[8];
          core::AppendValue(packed,
                            ValueBytes(keys->key[i], ValueFromText(keys->key[i], server), scratch));
        }
      },
      error);
}

bool ReaderState::TextOfRouting(std::string_view value, std::string* text, PgError* error) {
  char scratch[40];
  std::string_view plain;
  if (TextNeedsNoGuard(keys->routing) && PlainText(keys->routing, value, scratch, &plain)) {
    text->assign(plain);
    return true;
  }
  return RunInside(
      sync->source,
      [&] {
        char inner[40];
        text->assign(ValueText(keys->routing, ValueFromBytes(keys->routing, value), inner));
      },
      error);
}

bool ReaderState::TextOfKey(std::string_view packed_key, std::vector<std::string>* texts,
                            PgError* error) {
  if (!FindKeyValues(packed_key, error)) return false;
  texts->resize(keys->key_count);
  bool plain = true;
  for (int i = 0; plain && i < keys->key_count; ++i) {
    char scratch[40];
    std::string_view text;
    const KeyColumn& key = keys->key[i];
    plain = key.form != KeyForm::kPadded && TextNeedsNoGuard(key) &&
            PlainText(key, values[i], scratch, &text);
    if (plain) (*texts)[i].assign(text);
  }
  if (plain) return true;
  return RunInside(
      sync->source,
      [&] {
        for (int i = 0; i < keys->key_count; ++i) {
          const char* text = ServerText(keys->key[i], ValueFromBytes(keys->key[i], values[i]));
          (*texts)[i].assign(text);
        }
      },
      error);
}

// false: an error, perhaps of a row that nobody has asked for. Nothing was appended then.
bool ReaderState::RunRange(const KeyRange& range, std::size_t stop_bytes, RowBatch* out) {
  const RowBatch::Mark before = out->End();
  PgError ignored{};
  const bool ok = RunInside(
      sync->source,
      [&] {
        RowReceiver receiver;
        Datum parameters[2];
        PrepareRange(plan, *sync);
        InitReceiver(&receiver, plan, out, false, stop_bytes, max_document);
        receiver.stop_at = read_until;
        receiver.range = &range;
        range.Parameters(*plan, parameters);
        out->truncated = !Execute(plan, plan->by_range, 2, parameters, &receiver);
      },
      &ignored, true, locks.impatient());
  if (!ok) out->CutAt(before);
  return ok;
}

bool ReaderState::RunKeys(const std::string_view* key_values, std::size_t count,
                          std::size_t stop_bytes, RowBatch* out, PgError* error,
                          Evaluate evaluate) {
  KeyRange range;
  if (evaluate == Evaluate::kRows && range.Cover(*plan, key_values, count) &&
      RunRange(range, stop_bytes, out))
    return true;
  const bool ok = RunInside(
      sync->source,
      [&] {
        RowReceiver receiver;
        Datum parameters[INDEX_MAX_KEYS];
        if (evaluate == Evaluate::kFilter) PrepareFilter(plan, *sync);
        SPIPlanPtr query = evaluate == Evaluate::kFilter ? plan->filter_by_keys : plan->by_keys;
        InitReceiver(&receiver, plan, out, evaluate != Evaluate::kRows, stop_bytes, max_document);
        receiver.stop_at = read_until;
        if (plan->keys_in_arrays) {
          KeyArrays(*plan, key_values, count, parameters);
          out->truncated = !Execute(plan, query, plan->key_count, parameters, &receiver);
          return;
        }
        if (count == 0) Execute(plan, query, plan->key_count, nullptr, &receiver);
        for (std::size_t i = 0; i < count && !out->truncated; ++i) {
          const std::string_view* one = key_values + i * plan->key_count;
          for (int position = 0; position < plan->key_count; ++position) {
            const int key = plan->order[position].key;
            parameters[position] = ValueFromBytes(plan->key[key], one[key]);
          }
          out->truncated = !Execute(plan, query, plan->key_count, parameters, &receiver);
        }
      },
      error, true, locks.impatient());
  if (!ok) AddHint(error);
  return ok;
}

// The executor does not tell. An expression that fails fails again; what is refused while a
// document is made of its value says itself what it is about.
void ReaderState::NameExpression(const std::string_view* key_values, std::size_t count,
                                 PgError* error) {
  if (IsLackOfResources(error->sqlstate)) return;
  const auto fails = [&](Evaluate evaluate) {
    RowBatch ignored;
    PgError again{};
    return !RunKeys(key_values, count, kNoStop, &ignored, &again, evaluate);
  };
  const char* what = nullptr;
  if (plan->has_filter && fails(Evaluate::kFilter))
    what = "filter";
  else if (plan->has_document && fails(Evaluate::kExpressions))
    what = "document";
  if (what == nullptr) return;
  Call([&] { CopyMessage(error->context, psprintf("%s of sync \"%s\"", what, sync->name)); });
}

bool ReaderState::RunPage(Oid part, const std::string_view* after, int limit, bool keys_only,
                          std::size_t stop_bytes, RowBatch* out, PgError* error) {
  const bool ok = RunInside(
      sync->source,
      [&] {
        RowReceiver receiver;
        Datum parameters[INDEX_MAX_KEYS];
        InitReceiver(&receiver, plan, out, keys_only, stop_bytes, max_document);
        if (!keys_only) receiver.stop_at = read_until;
        const int count = after == nullptr ? 0 : plan->key_count;
        for (int position = 0; position < count; ++position) {
          const int key = plan->order[position].key;
          parameters[position] = ValueFromBytes(plan->key[key], after[key]);
        }
        SPIPlanPtr query = PagePlan(plan, *sync, {limit, part, keys_only, count > 0});
        out->truncated = !Execute(plan, query, count, parameters, &receiver);
      },
      error, true, locks.impatient());
  if (!ok) AddHint(error);
  return ok;
}

}  // namespace polyglot::pg
