#include "pg/capture/own_objects.h"

#include "pg/catalog/own_relations.h"
#include "pg/catalog/sync_row.h"
#include "pg/definition/published_source.h"

namespace polyglot::pg {

namespace {

bool ChangesColumns(const AlterTableStmt* statement) {
  ListCell* cell;
  foreach (cell, statement->cmds) {
    switch (lfirst_node(AlterTableCmd, cell)->subtype) {
      case AT_DropColumn:
      case AT_AlterColumnType:
      case AT_DropConstraint:
      case AT_DropInherit:
        return true;
      default:
        break;
    }
  }
  return false;
}

bool MovesObject(const Node* statement) {
  return IsA(statement, RenameStmt) || IsA(statement, AlterObjectSchemaStmt);
}

bool TakesMemberOut(const Node* statement) {
  return IsA(statement, AlterExtensionContentsStmt) &&
         reinterpret_cast<const AlterExtensionContentsStmt*>(statement)->action < 0;
}

bool IsOurs(Oid class_id, Oid object_id) {
  const Oid extension = OurExtension();
  if (!OidIsValid(extension)) return false;
  if (class_id == ExtensionRelationId) return object_id == extension;
  return getExtensionOfObject(class_id, object_id) == extension;
}

// The tables of published syncs are no members, so that they are dumped.
bool HoldsPublished(Oid class_id, Oid object_id) {
  return class_id == RelationRelationId && IsPublishedTable(object_id);
}

}  // namespace

void RefuseOurs(Oid class_id, Oid object_id, const Node* statement) {
  // Our own scripts may.
  if (creating_extension && CurrentExtensionObject == OurExtension()) return;
  const bool moved = MovesObject(statement);
  const bool refused =
      TakesMemberOut(statement) ? class_id == ExtensionRelationId && IsOurs(class_id, object_id)
      : IsA(statement, AlterTableStmt)
          ? ChangesColumns(reinterpret_cast<const AlterTableStmt*>(statement)) &&
                IsOurs(class_id, object_id)
          : moved && (IsOurs(class_id, object_id) || HoldsPublished(class_id, object_id));
  if (!refused) return;
  ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                  errmsg("cannot alter objects of extension polyglot_sync"),
                  errdetail("It finds its schema, tables, columns and functions by their names."),
                  errhint("Only DROP EXTENSION and ALTER EXTENSION ... UPDATE change them.")));
}

}  // namespace polyglot::pg
