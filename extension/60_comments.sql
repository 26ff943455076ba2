-- Columns of the extension's own tables. Those of the views stand beside them (40_views.sql).

COMMENT ON COLUMN polyglot.instance.number IS
  'random number that queue rows bear: those with another one are another instance''s';
COMMENT ON COLUMN polyglot.instance.system_identifier IS
  'system identifier of the PostgreSQL cluster in which the extension was created';
COMMENT ON COLUMN polyglot.instance.database IS
  'OID of the database in which the extension was created';
COMMENT ON COLUMN polyglot.instance.workers_enabled IS
  'false from stop_workers to start_workers: no worker runs';
COMMENT ON COLUMN polyglot.instance.created_at IS 'when the extension was created';

COMMENT ON COLUMN polyglot.sync_definition.id IS
  'number of the sync, by which other tables know it';
COMMENT ON COLUMN polyglot.sync_definition.name IS 'unique in the database, may change';
COMMENT ON COLUMN polyglot.sync_definition.source IS
  'table or view whose rows are the documents; of a published sync its table of documents';
COMMENT ON COLUMN polyglot.sync_definition.server IS
  'name of the foreign server: an OID could not be dumped';
COMMENT ON COLUMN polyglot.sync_definition.index IS
  'alias that applications search, or the index itself';
COMMENT ON COLUMN polyglot.sync_definition.capture IS
  'outbox: changes are captured by triggers; none: reconcile alone keeps the index in step';
COMMENT ON COLUMN polyglot.sync_definition.key IS
  'columns that form the document id, in this order';
COMMENT ON COLUMN polyglot.sync_definition.columns IS 'columns of the document; NULL: all';
COMMENT ON COLUMN polyglot.sync_definition.filter IS
  'SQL condition over the row; NULL: every row has a document';
COMMENT ON COLUMN polyglot.sync_definition.document IS
  'SQL expression over the row that gives a JSON object; NULL: the columns';
COMMENT ON COLUMN polyglot.sync_definition.routing IS
  'column whose text is the routing of the document; NULL: none';
COMMENT ON COLUMN polyglot.sync_definition.mapping IS
  'merged over the mapping that is derived from the columns; NULL: nothing';
COMMENT ON COLUMN polyglot.sync_definition.settings IS
  'settings of the index; NULL: the defaults of the search server';
COMMENT ON COLUMN polyglot.sync_definition.manage_index IS
  'false: somebody else creates and configures the index';
COMMENT ON COLUMN polyglot.sync_definition.backfill IS
  'false: rows that were there before the sync were not copied';
COMMENT ON COLUMN polyglot.sync_definition.options IS
  'reconcile, backfill_rate, max_document_bytes, replace_index, publishers; NULL: none is set';
COMMENT ON COLUMN polyglot.sync_definition.paused IS
  'true from pause_sync to resume_sync: changes are parked';
COMMENT ON COLUMN polyglot.sync_definition.created_at IS 'when create_sync was called';
COMMENT ON COLUMN polyglot.sync_definition.counters_since IS
  'when reset_counters was last called; NULL: never';

COMMENT ON COLUMN polyglot.sync_state.sync_id IS
  'number of the sync; of a generation that is being built one of its own';
COMMENT ON COLUMN polyglot.sync_state.server IS 'OID of the foreign server';
COMMENT ON COLUMN polyglot.sync_state.queue IS
  'number of the server''s pair of queue tables in polyglot.queue';
COMMENT ON COLUMN polyglot.sync_state.system_identifier IS
  'PostgreSQL cluster that the state is true in; another one here: it was copied or upgraded';
COMMENT ON COLUMN polyglot.sync_state.database IS
  'OID of the database that the state is true in; another one here: it was copied';
COMMENT ON COLUMN polyglot.sync_state.generation IS
  'number in the name of the index; 0: not made yet, or not managed';
COMMENT ON COLUMN polyglot.sync_state.physical_index IS
  'name of the index itself, made or planned; NULL: none yet';
COMMENT ON COLUMN polyglot.sync_state.index_uuid IS
  'uuid of the index, which tells it from a later one of the same name; NULL: not known yet';
COMMENT ON COLUMN polyglot.sync_state.alias_pending IS
  'true: the alias moves to the index when the first backfill has ended';
COMMENT ON COLUMN polyglot.sync_state.epoch IS
  'life of the database, counted up by promotions and restores: version = epoch * 2^52 + position';
COMMENT ON COLUMN polyglot.sync_state.timeline IS
  'timeline that the last worker wrote on; 0: no worker has seen the sync yet';
COMMENT ON COLUMN polyglot.sync_state.version_bound IS
  'position that no version of the last worker goes beyond; 0: no worker has seen the sync yet';
COMMENT ON COLUMN polyglot.sync_state.failed_reason IS 'why the sync is failed; NULL: it is not';
COMMENT ON COLUMN polyglot.sync_state.failed_hint IS
  'what to do about failed_reason; NULL: nothing that is known';
COMMENT ON COLUMN polyglot.sync_state.failed_detail IS
  'an error that may quote values of rows: for their owner only; NULL: none';
COMMENT ON COLUMN polyglot.sync_state.phase IS
  'backfill: rows are copied; resync: the same again, in place; stream: changes only';
COMMENT ON COLUMN polyglot.sync_state.resync_version IS
  'version at which a resync deletes what it finds in the index; 0: no resync';
COMMENT ON COLUMN polyglot.sync_state.resync_reason IS
  'why rows are copied again in place; NULL: no resync';
COMMENT ON COLUMN polyglot.sync_state.backfill_key IS
  'packed key of the last row whose document was acknowledged; NULL: from the start';
COMMENT ON COLUMN polyglot.sync_state.backfill_rows IS 'rows that the backfill has copied';
COMMENT ON COLUMN polyglot.sync_state.backfill_total IS
  'rows to copy, as PostgreSQL estimates them';
COMMENT ON COLUMN polyglot.sync_state.baseline_version IS
  'no document of the sync has a lower version: an older one was put back or left over';
COMMENT ON COLUMN polyglot.sync_state.last_generation IS
  'of the live generation: the highest generation that a name was given to';
COMMENT ON COLUMN polyglot.sync_state.outdated_since IS
  'of the live generation: since when it does not show what the table holds; NULL: it does';
COMMENT ON COLUMN polyglot.sync_state.frozen IS
  'of the live generation: true: nothing is delivered to it any more';
COMMENT ON COLUMN polyglot.sync_state.builds IS
  'number of the sync that this generation is being built for; NULL: it is the live one';
COMMENT ON COLUMN polyglot.sync_state.rebuild_reason IS
  'of a generation that is being built: why; NULL: it is the live one';
COMMENT ON COLUMN polyglot.sync_state.fewest_documents IS
  'of a generation that is being built: documents that its index must have at least';
COMMENT ON COLUMN polyglot.sync_state.most_documents IS
  'of a generation that is being built: documents that its index may have at most';
COMMENT ON COLUMN polyglot.sync_state.restore_settings IS
  'of a generation that is being built: settings that its index gets back, in JSON; NULL: none';
COMMENT ON COLUMN polyglot.sync_state.adopt IS
  'true after adopt_sync: whoever wrote into the index, it is ours from now on';
COMMENT ON COLUMN polyglot.sync_state.repair_reason IS
  'why somebody else may have written into the index: it must be compared with the table; NULL: no need';
COMMENT ON COLUMN polyglot.sync_state.repair_since IS 'when repair_reason came or went';
COMMENT ON COLUMN polyglot.sync_state.last_error IS
  'last error that was no failure, for status after a restart, without values of rows; NULL: none';
COMMENT ON COLUMN polyglot.sync_state.last_error_at IS
  'when the last error was met; NULL: none was';
COMMENT ON COLUMN polyglot.sync_state.departed IS
  'OIDs of tables that have left the tree of the source without a word of an event trigger';

COMMENT ON COLUMN polyglot.rebuild_request.sync_id IS 'number of the sync';
COMMENT ON COLUMN polyglot.rebuild_request.number IS 'later requests have higher ones';
COMMENT ON COLUMN polyglot.rebuild_request.reason IS 'what made the new generation necessary';
COMMENT ON COLUMN polyglot.rebuild_request.outdated IS
  'true: the live generation does not show what the table holds';
COMMENT ON COLUMN polyglot.rebuild_request.frozen IS
  'true: nothing may be delivered to the live generation any more';
COMMENT ON COLUMN polyglot.rebuild_request.requested_at IS 'when the request was made';

COMMENT ON COLUMN polyglot.publisher.sync_id IS 'number of the published sync';
COMMENT ON COLUMN polyglot.publisher.role IS
  'OID of a role that options.publishers named when it was set, whatever its name is by now';

COMMENT ON COLUMN polyglot.queue.id IS
  'number of the pair, which is part of the names of its tables';
COMMENT ON COLUMN polyglot.queue.server IS 'OID of the foreign server; 0: free for the next one';
COMMENT ON COLUMN polyglot.queue.table_a IS 'OID of the first table of the pair';
COMMENT ON COLUMN polyglot.queue.table_b IS 'OID of the second table of the pair';
COMMENT ON COLUMN polyglot.queue.server_name IS
  'name of the foreign server, because pg_upgrade gives it another OID';

COMMENT ON COLUMN polyglot.parked_key.sync_id IS
  'number of the sync, or of a generation that is being built';
COMMENT ON COLUMN polyglot.parked_key.document_id IS 'id of the document that stands for the key';
COMMENT ON COLUMN polyglot.parked_key.routing IS
  'routing of the document, its SHA-256 when it is too long for an index; empty: see has_routing';
COMMENT ON COLUMN polyglot.parked_key.has_routing IS
  'false: the document has no routing; true: it has one, which may be empty';
COMMENT ON COLUMN polyglot.parked_key.long_routing IS
  'the whole routing when it is too long for an index; NULL: it stands in routing';
COMMENT ON COLUMN polyglot.parked_key.key IS
  'values of the key columns in packed form, each with its column and the type that it had';
COMMENT ON COLUMN polyglot.parked_key.stamp IS
  'position drawn when the key was parked, or parked again: only a later operation ends that';
COMMENT ON COLUMN polyglot.parked_key.parked_at IS 'when the key was parked';
COMMENT ON COLUMN polyglot.parked_key.captured_at IS
  'when the first of the changes was captured that the key waits with';

COMMENT ON COLUMN polyglot.dead_letter.sync_id IS
  'number of the sync, or of a generation that is being built';
COMMENT ON COLUMN polyglot.dead_letter.document_id IS 'id of the document that stands for the key';
COMMENT ON COLUMN polyglot.dead_letter.routing IS
  'routing of the document, its SHA-256 when it is too long for an index; empty: see has_routing';
COMMENT ON COLUMN polyglot.dead_letter.has_routing IS
  'false: the document has no routing; true: it has one, which may be empty';
COMMENT ON COLUMN polyglot.dead_letter.long_routing IS
  'the whole routing when it is too long for an index; NULL: it stands in routing';
COMMENT ON COLUMN polyglot.dead_letter.key IS
  'values of the key columns in packed form, each with its column and the type that it had';
COMMENT ON COLUMN polyglot.dead_letter.operation IS 'what was refused: index or delete';
COMMENT ON COLUMN polyglot.dead_letter.version IS
  'version of what was refused: epoch * 2^52 + position';
COMMENT ON COLUMN polyglot.dead_letter.http_status IS
  'status that the server gave to this document; 0: nothing was sent, the row cannot be read';
COMMENT ON COLUMN polyglot.dead_letter.error_type IS
  'kind of the error: in the words of the server, or postgresql_error_ and the SQLSTATE';
COMMENT ON COLUMN polyglot.dead_letter.reason IS
  'what the server or PostgreSQL says, which may quote values of the row';
COMMENT ON COLUMN polyglot.dead_letter.attempts IS 'how often the document was refused in a row';
COMMENT ON COLUMN polyglot.dead_letter.first_failed_at IS 'when it was refused for the first time';
COMMENT ON COLUMN polyglot.dead_letter.last_failed_at IS 'when it was refused last';
COMMENT ON COLUMN polyglot.dead_letter.document IS
  'what was refused, its first 8192 bytes; NULL: there is none';

COMMENT ON COLUMN polyglot.published.sync IS 'name of the published sync';
COMMENT ON COLUMN polyglot.published.id IS 'id that publish was given: the document id';
COMMENT ON COLUMN polyglot.published.routing IS 'routing that publish was given; NULL: none';
COMMENT ON COLUMN polyglot.published.document IS 'document that publish was given';

COMMENT ON COLUMN polyglot.dropped_index.server IS 'OID of the foreign server';
COMMENT ON COLUMN polyglot.dropped_index.physical_index IS
  'name of the index itself, not of its alias';
COMMENT ON COLUMN polyglot.dropped_index.owner IS
  'OID of the role whose user mapping the sync had; 0: unknown, that of PUBLIC is used';
COMMENT ON COLUMN polyglot.dropped_index.alias IS 'alias of the sync that the index belonged to';
COMMENT ON COLUMN polyglot.dropped_index.index_uuid IS
  'uuid of the index; lost: unknown; NULL: it was not made, or perhaps by somebody else';
COMMENT ON COLUMN polyglot.dropped_index.unless_aliased IS
  'true: of two generations the one goes that the alias does not point to';
COMMENT ON COLUMN polyglot.dropped_index.not_before IS
  'when it may be deleted: searches that found it by the alias may take until then';
COMMENT ON COLUMN polyglot.dropped_index.dropped_at IS 'when it became superfluous';

COMMENT ON COLUMN polyglot.verification.sync_id IS 'number of the sync';
COMMENT ON COLUMN polyglot.verification.number IS 'later runs of a sync have higher ones';
COMMENT ON COLUMN polyglot.verification.started_at IS 'when the run began, or began anew';
COMMENT ON COLUMN polyglot.verification.finished_at IS
  'when everything was compared; NULL: it is running';
COMMENT ON COLUMN polyglot.verification.sample IS
  'share of rows whose documents are asked for, 0 to 1';
COMMENT ON COLUMN polyglot.verification.repair IS 'true: what differs is delivered again';
COMMENT ON COLUMN polyglot.verification.compared IS 'rows that were compared';
COMMENT ON COLUMN polyglot.verification.missing IS 'rows without a document';
COMMENT ON COLUMN polyglot.verification.orphan IS
  'documents whose row is gone, is left out by the filter, or has another routing';
COMMENT ON COLUMN polyglot.verification.different IS 'documents that differ from their rows';
COMMENT ON COLUMN polyglot.verification.stale IS
  'documents that equal their rows, with a version below baseline_version';
COMMENT ON COLUMN polyglot.verification.note IS
  'what else is worth knowing, as that contents cannot be compared; NULL: nothing';

COMMENT ON COLUMN polyglot.difference.sync_id IS 'number of the sync';
COMMENT ON COLUMN polyglot.difference.number IS 'number of the run in polyglot.verification';
COMMENT ON COLUMN polyglot.difference.document_id IS 'id of the document that stands for the key';
COMMENT ON COLUMN polyglot.difference.routing IS
  'routing of the document, its SHA-256 when it is too long for an index; empty: see has_routing';
COMMENT ON COLUMN polyglot.difference.has_routing IS
  'false: the document has no routing; true: it has one, which may be empty';
COMMENT ON COLUMN polyglot.difference.long_routing IS
  'the whole routing when it is too long for an index; NULL: it stands in routing';
COMMENT ON COLUMN polyglot.difference.packed_key IS
  'values of the key columns in packed form; empty: the document id cannot be read as a key';
COMMENT ON COLUMN polyglot.difference.tries IS 'how often the candidate was looked at in vain';
COMMENT ON COLUMN polyglot.difference.key IS
  'key of the row; NULL: not judged yet, or the document id cannot be read as a key';
COMMENT ON COLUMN polyglot.difference.problem IS
  'missing, orphan, different or stale; NULL: a candidate that is not judged yet';
COMMENT ON COLUMN polyglot.difference.detail IS
  'what is wrong, which may quote values of the row; NULL: not judged yet';
COMMENT ON COLUMN polyglot.difference.repaired IS 'true: delivered again';

COMMENT ON COLUMN polyglot.reading.queue IS 'number of the pair of queue tables whose worker it is';
COMMENT ON COLUMN polyglot.reading.item IS
  'hash of the bytes that are about to be read; NULL: none are';
COMMENT ON COLUMN polyglot.reading.restarts IS
  'how often PostgreSQL had restarted all processes after a crash when that was noted';
COMMENT ON COLUMN polyglot.reading.suspect IS
  'hash of the bytes that were being read at the last crash; NULL: none were';

COMMENT ON COLUMN polyglot.set_aside.queue IS
  'number of the pair of queue tables whose workers died';
COMMENT ON COLUMN polyglot.set_aside.item IS 'hash of the bytes that they died on';
COMMENT ON COLUMN polyglot.set_aside.since IS 'when it was set aside: a day later it is read again';
