#pragma once
// Operations enter delivery here: counted, held against the bound of their versions, and noted by
// whoever watches their ids.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Submits an operation of this sync; counts its tickets.
void SubmitOperation(WorkerContext* context, SyncRuntime* sync, core::Operation&& operation);

/// An operation with this version is about to be submitted.
void NoteVersion(SyncRuntime* sync, std::uint64_t version);

/// An operation on this document is about to be submitted.
void NoteOperation(SyncRuntime* sync, const std::string& id);

}  // namespace polyglot::pg
