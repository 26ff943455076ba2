#pragma once
// Where the extension's own tables are, and what a scan of polyglot.sync_definition tells without
// SPI.

#include <initializer_list>

#include "pg/prelude.h"

namespace polyglot::pg {

/// Is the extension there and usable in this database? Locks nothing.
bool ExtensionExists();
/// Of the extension, whatever has become of its tables; InvalidOid: it is not installed.
Oid OurExtension();
/// Oid of a table or index of ours, also while our schema has another name; InvalidOid when
/// missing.
Oid OurRelation(const char* name);
/// The same, but ERROR 42P01 when it is missing although the extension is there.
Oid OurRelationOrError(const char* name);
/// Is the relation the source of a sync that runs in this database? Reads what is committed now.
bool IsSource(Oid relation);
/// The sources that definitions name, each once, those of restored definitions too.
List* NamedSources();
/// Of those, the sources of definitions whose filter or document contains this word.
List* SourcesOfExpressionsWith(const char* word);
/// polyglot.sync_definition's rows of this source, as they are committed now.
SysScanDesc ScanDefinitionsOf(Relation definitions, Oid source);
/// Owner of the extension: as whom our own tables are read and written.
Oid ExtensionOwner();

}  // namespace polyglot::pg
