#pragma once
// How polyglot.inspect asks a worker about one document: a few slots of shared memory, each taken
// by a session for the time that it waits. Only the worker talks to the search server.

#include "pg/prelude.h"

namespace polyglot::pg {

inline constexpr int kInspectionSlots = 8;
// A key that was captured fits into a page of the queue.
inline constexpr int kInspectedKey = 8192;
inline constexpr int kInspectionText = 256;

/// What the worker has found out. Texts are UTF-8.
struct IndexAnswer {
  int comparison;                 // core::Comparison
  bool worker_sees_row;           // as committed
  bool found, elsewhere, beyond;  // as in core/status/inspection.h
  bool moving;                    // the row has changed meanwhile: to be asked again
  uint64 version;
  TimestampTz made_at;  // of the version, at the latest; 0: not known
  bool made_exactly;    // else before made_at
  char difference[kInspectionText];
  char trouble[kInspectionText];  // why there is no comparison
};

enum class InspectionStep : uint32 { kFree, kAsked, kTaken, kAnswered };

struct InspectionSlot {
  pg_atomic_uint32 step;  // InspectionStep; read without the lock, changed under it
  // under SharedState::lock:
  uint64 number;         // of the request: an answer to an earlier one is ignored
  TimestampTz taken_at;  // whoever took it may be gone: free for others some time later
  Oid database;
  int32 sync;
  int key_length;
  char key[kInspectedKey];  // packed (core/queue/queue_record.h)
  IndexAnswer answer;
};

/// Asks and waits, some seconds at most. false: nobody has answered. May ereport (cancelled).
bool AskAboutDocument(int32 sync, const char* key, int key_length, IndexAnswer* answer);

/// The worker: takes the request of slot `slot` over. false: there is none of this sync.
bool TakeInspection(int slot, int32 sync, uint64* number, char* key, int* key_length);
/// The sync that is asked for in a slot of this database; 0: none.
int32 AskedSync(int slot);
/// Who waits is to be woken by the caller.
void GiveAnswer(int slot, uint64 number, const IndexAnswer& answer);

}  // namespace polyglot::pg
