#pragma once
// What create_sync and alter_sync refuse (the rules of a source, its key, its columns, an index
// name and the options), each with SQLSTATE and hint.

#include "pg/definition/name_list.h"
#include "pg/prelude.h"
#include "pg/server/server_options.h"

namespace polyglot::pg {

/// Kind, persistence, schema and owner of the source, before any lock on it: 42809, 0A000, 42501.
/// `captured`: false with capture => 'none'.
void CheckSource(Oid source, bool captured);
/// The same for every relation of the tree, under locks.
void CheckTree(Oid source, bool captured);

/// The key: the given columns, or those of the primary key. ERROR 42703 unknown column, 55000 no
/// usable unique index, 0A000 a type that cannot be a key.
NameList ChooseKey(Oid source, const NameList& wanted);
/// Why these columns are no usable key (any more); nullptr: they are.
const char* KeyProblem(Oid source, const NameList& key);

/// Do these columns exist, and may their names be field names? `list` empty: all columns.
/// `names_are_fields`: false when a document expression makes the fields.
void CheckColumns(Oid source, const NameList& list, bool names_are_fields);
void CheckRouting(Oid source, const char* routing);

/// 0A000 when no document can be made of texts of this database.
void CheckEncoding();
/// 22023 unless a search server would take the name (with room for the generation's suffix); 42939
/// for our own.
void CheckIndexName(const char* index, bool managed);
/// 42501 when the server's option confine forbids the name.
void CheckConfined(const ServerOptions* options, const char* server, const char* index);
/// 55000 when a sync of the server has a name that its options forbid. Needs SPI.
void CheckServerConfines(Oid server);
/// 22023 unless it is a JSON object, and one that may stand below "mappings" or "settings" of an
/// index. `what` names the argument.
void CheckJsonObject(const char* json, const char* what);
/// 22023 for unknown names or wrong values, or when something is missing; 0A000 for what later
/// versions bring.
void CheckOptions(const char* options, bool manage_index, bool captured);
/// ERROR 22023 for options.publishers of a sync that is not a published one.
void CheckPublishers(const char* options, bool published);

}  // namespace polyglot::pg
