#pragma once
// The border between C++ exceptions and PostgreSQL's longjmp (CONTRIBUTING.md, "C++ in
// PostgreSQL").
//   Call(f):  C++ → PostgreSQL. An ereport(ERROR) below becomes a C++ exception.
//   Enter(f): PostgreSQL → C++. An exception below becomes an ereport(ERROR).

#include <cstring>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "pg/prelude.h"

namespace polyglot::pg {

/// A PostgreSQL error on its way through C++ frames. Plain data: nothing is allocated in flight.
/// Its texts are in the encoding of the database.
struct PgError {
  int sqlstate;
  char message[512];
  char detail[256];
  char hint[256];
  char context[256];  // which expression of which sync, where that is known
};

/// Cut between characters.
template <std::size_t kSize>
void CopyMessage(char (&out)[kSize], const char* text) {
  if (text == nullptr) text = "";
  const int length = static_cast<int>(strlen(text));
  strlcpy(out, text, static_cast<std::size_t>(pg_mbcliplen(text, length, kSize - 1)) + 1);
}

namespace guard_detail {

inline PgError TakeError() {
  PgError error{};
  ErrorData* data = CopyErrorData();
  FlushErrorState();
  error.sqlstate = data->sqlerrcode;
  CopyMessage(error.message, data->message);
  CopyMessage(error.detail, data->detail);
  CopyMessage(error.hint, data->hint);
  FreeErrorData(data);
  return error;
}

[[noreturn]] inline void Raise(const PgError& error) {
  ereport(ERROR, (errcode(error.sqlstate), errmsg_internal("%s", error.message),
                  error.detail[0] ? errdetail_internal("%s", error.detail) : 0,
                  error.hint[0] ? errhint("%s", error.hint) : 0,
                  error.context[0] ? errcontext("%s", error.context) : 0));
  pg_unreachable();
}

}  // namespace guard_detail

/// Calls into PostgreSQL while C++ objects are alive. The callable must own nothing: a longjmp
/// skips destructors between here and the failing call. Throws PgError. FlushErrorState is not an
/// abort: the caller must still end the (sub)transaction.
template <typename F>
auto Call(F&& f) -> decltype(f()) {
  using R = decltype(f());
  static_assert(std::is_void_v<R> || std::is_trivially_copyable_v<R>,
                "only plain data crosses the PostgreSQL border");
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<F>>,
                "capture by reference, or plain data");
  MemoryContext caller = CurrentMemoryContext;
  sigjmp_buf* saved_stack = PG_exception_stack;
  ErrorContextCallback* saved_context = error_context_stack;
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    if constexpr (std::is_void_v<R>) {
      f();
      PG_exception_stack = saved_stack;
      error_context_stack = saved_context;
      return;
    } else {
      R result = f();
      PG_exception_stack = saved_stack;
      error_context_stack = saved_context;
      return result;
    }
  }
  PG_exception_stack = saved_stack;
  error_context_stack = saved_context;
  MemoryContextSwitchTo(caller);
  throw guard_detail::TakeError();
}

/// Runs C++ on behalf of PostgreSQL. Nothing thrown escapes; the error is raised after the handler
/// has ended, with no C++ object left alive.
template <typename F>
auto Enter(F&& f) -> decltype(f()) {
  PgError error{};
  try {
    return f();
  } catch (const PgError& e) {
    error = e;
  } catch (const std::bad_alloc&) {
    error.sqlstate = ERRCODE_OUT_OF_MEMORY;
    strlcpy(error.message, "out of memory", sizeof error.message);
  } catch (const std::exception& e) {
    error.sqlstate = ERRCODE_INTERNAL_ERROR;
    strlcpy(error.message, e.what(), sizeof error.message);
  } catch (...) {
    error.sqlstate = ERRCODE_INTERNAL_ERROR;
    strlcpy(error.message, "unknown C++ exception", sizeof error.message);
  }
  guard_detail::Raise(error);
}

namespace guard_detail {

/// What f keeps in registers must not be part of the function that calls sigsetjmp.
template <typename F>
pg_noinline void CallApart(F& f) {
  f();
}

}  // namespace guard_detail

/// Runs f in a subtransaction. An ERROR below undoes the subtransaction and is handed back in
/// *error (returns false); cancellations and shutdown are raised again. f follows the rules of
/// Call.
template <typename F>
bool InSubtransaction(F&& f, PgError* error) {
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<F>>,
                "capture by reference, or plain data");
  MemoryContext caller = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  sigjmp_buf* saved_stack = PG_exception_stack;
  ErrorContextCallback* saved_context = error_context_stack;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(caller);
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    guard_detail::CallApart(f);
    PG_exception_stack = saved_stack;
    error_context_stack = saved_context;
    ReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(caller);
    CurrentResourceOwner = owner;
    return true;
  }
  PG_exception_stack = saved_stack;
  error_context_stack = saved_context;
  MemoryContextSwitchTo(caller);
  *error = guard_detail::TakeError();
  RollbackAndReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(caller);
  CurrentResourceOwner = owner;
  if (error->sqlstate == ERRCODE_QUERY_CANCELED || error->sqlstate == ERRCODE_ADMIN_SHUTDOWN ||
      error->sqlstate == ERRCODE_CRASH_SHUTDOWN)
    guard_detail::Raise(*error);
  return false;
}

}  // namespace polyglot::pg
