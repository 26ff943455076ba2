#pragma once
// Which locks reading the rows of one sync needs, and how a worker gets them: never by waiting,
// whoever holds them, and before the snapshot of the read is taken.

#include <string>
#include <vector>

#include "pg/guard.h"
#include "pg/prelude.h"

namespace polyglot::pg {

class ReadLocks {
 public:
  /// Locks the source's tree and what is known to be read beside it until the end of the
  /// transaction, without waiting, and replaces the active snapshot: to an older one a table that
  /// was rewritten meanwhile is empty. false: not now. May throw PgError.
  /// `tree` false: those below the source are locked, with kLockPatience, as they are read.
  bool TryLock(Oid source, bool tree);
  /// One partition and its indexes, in the same way; the rest of what is read was locked before.
  bool TryLockPart(Oid part);
  /// Is a worker reading? Then locks that are not known beforehand are waited for kLockPatience.
  bool impatient() const { return impatient_; }
  /// What a read needs is known: plans, and functions that they call, have been run.
  bool known() const { return known_; }
  /// It is not any more, or never was.
  void Forget() { known_ = false; }

  /// Before and after a read that was not known: what it has locked. true: there is something that
  /// an older snapshot may show as empty, the read must be done once more. May throw PgError.
  void BeginLearning();
  bool Learn(Oid source);
  /// What is read from now on is as it is under the locks that are held by now.
  static void RenewSnapshot();

  /// An error of a read that means that a lock was not to be had; notes which one.
  bool NoteRefused(const PgError& error);
  /// As SQL writes it; empty: it is not known.
  const std::string& refused_table() const { return refused_table_; }

 private:
  void Name(Oid relation);

  std::vector<Oid> others_;  // outside of the source's tree, indexes too
  bool impatient_ = false, known_ = false;
  Oid refused_ = InvalidOid;  // waited for in vain: asked for first the next time
  std::string refused_table_;
  List* before_ = nullptr;  // of this transaction
};

}  // namespace polyglot::pg
