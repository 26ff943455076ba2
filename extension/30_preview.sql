-- What a sync would send: executable by everybody, checked inside for SELECT on the source.
CREATE FUNCTION polyglot.preview_document(sync text, VARIADIC key "any") RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_preview_document';
COMMENT ON FUNCTION polyglot.preview_document(text, "any") IS
  'the document that this row would be now; NULL: no such row, or the filter leaves it out';

CREATE FUNCTION polyglot.preview_document(sync text, key text) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_preview_document_text';
COMMENT ON FUNCTION polyglot.preview_document(text, text) IS
  'the document that this row would be now, its key given as text; NULL: no such row, or the filter leaves it out';

CREATE FUNCTION polyglot.preview_mapping(source regclass) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'polyglot_preview_mapping';
COMMENT ON FUNCTION polyglot.preview_mapping(regclass) IS
  'the index mapping derived from the columns of this table';
