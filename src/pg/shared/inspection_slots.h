#pragma once
// How polyglot.inspect asks a worker about one document: a few slots of shared memory, each taken
// by a session for the time that it waits. Only the worker talks to the search server.

#include "pg/prelude.h"
#include "pg/shared/shared_state.h"

namespace polyglot::pg {

/// Asks and waits, some seconds at most. false: nobody has answered. May ereport (cancelled).
bool AskAboutDocument(int32 sync, const char* key, int key_length, IndexAnswer* answer);

/// The worker: takes the request of slot `slot` over. false: there is none of this sync.
bool TakeInspection(int slot, int32 sync, uint64* number, char* key, int* key_length);
/// The sync that is asked for in a slot of this database; 0: none.
int32 AskedSync(int slot);
/// Who waits is to be woken by the caller.
void GiveAnswer(int slot, uint64 number, const IndexAnswer& answer);

}  // namespace polyglot::pg
