-- What a sync would send: executable by everybody, checked inside for SELECT on the source.
CREATE FUNCTION polyglot.preview_document(sync text, VARIADIC key "any") RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_preview_document';
COMMENT ON FUNCTION polyglot.preview_document(text, "any") IS
  'the document that this row would be now; NULL: no such row, or the filter leaves it out';

CREATE FUNCTION polyglot.preview_document(sync text, key text) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_preview_document_text';
COMMENT ON FUNCTION polyglot.preview_document(text, text) IS
  'the document that this row would be now, its key given as text; NULL: no such row, or the filter leaves it out';

-- Triage: why a row is, or is not, in its index. The same rights.
CREATE FUNCTION polyglot.inspect(
  sync text, VARIADIC key "any", OUT check_name text, OUT result text, OUT detail text
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_inspect';
COMMENT ON FUNCTION polyglot.inspect(text, "any") IS
  'everything about one row and its document: where it is, what it waits for, what to do';

CREATE FUNCTION polyglot.inspect(
  sync text, key text, OUT check_name text, OUT result text, OUT detail text
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_inspect_text';
COMMENT ON FUNCTION polyglot.inspect(text, text) IS
  'everything about one row, its key given as text, and its document: where it is, what it waits for, what to do';

CREATE FUNCTION polyglot.preview_mapping(source regclass) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_preview_mapping';
COMMENT ON FUNCTION polyglot.preview_mapping(regclass) IS
  'the index mapping derived from the columns of this table';
