"""A row whose document is too large costs one dead letter: not the others, not the worker, not the memory."""

import json

import psycopg
import pytest

import processes

TOO_LARGE = "postgresql_error_54000"
LARGE = {  # a little more than 1 MB as JSON, though most of them are less as values
    "text": ("text", "repeat('x', 1048577)"),
    "escapes": ("text", "repeat(chr(1), 174763)"),
    "newlines": ("varchar", r"repeat(E'\n', 524288)"),
    "bytea": ("bytea", "decode(repeat('00', 786433), 'hex')"),
    "json": ("json", "('[' || repeat('1,', 524288) || '1]')::json"),
    "jsonb": ("jsonb", "to_jsonb(array_fill(0, '{524289}'))"),
    "nulls": ("integer[]", "array_fill(NULL::integer, '{209716}')"),
    "booleans": ("boolean[]", "array_fill(false, '{174763}')"),
    "numbers": ("numeric[]", "array_fill(1234567, '{131073}')"),
    "matrix": ("text[]", r"array_fill(E'\n\n\n\n'::text, '{400, 400}')"),
    "of_json": ("json[]", "array_fill('{\"a\": 1}'::json, '{131073}')"),
    "of_composites": ("pair[]", "array_fill('(1,)'::pair, '{70000}')"),
    "composite": ("pair", "(1, repeat('x', 1048577))::pair"),
    "multirange": ("int4multirange",
                   "(SELECT range_agg(int4range(3 * g, 3 * g + 1)) FROM generate_series(1, 60000) g)"),
    "range": ("textrange", "textrange('a', repeat('b', 1048577))"),
    "xml": ("xml", "xmlelement(name v, repeat('x', 1048577))"),
    "search": ("tsvector", "(SELECT array_to_tsvector(array_agg('word' || g))"
                           " FROM generate_series(1, 90000) g)"),
}


@pytest.fixture
def kinds(db):
    db.execute("CREATE TYPE pair AS (n integer, v text); CREATE TYPE textrange AS RANGE (subtype = text)")
    columns = ", ".join(f"c_{name} {kind}" for name, (kind, _) in LARGE.items())
    db.execute(f"CREATE TABLE t (id text PRIMARY KEY, {columns});"
               "INSERT INTO t SELECT 'good ' || i FROM generate_series(1, 50) i")
    for name, (_, value) in LARGE.items():
        db.execute(f"INSERT INTO t (id, c_{name}) VALUES ('{name}', {value})")
    return db


def letters(db):
    return {document: (kind, reason) for _, document, _, _, kind, reason in db.dead_letters()}


def assert_only_those_are_refused(db):
    found = letters(db)
    assert set(found) == set(LARGE)
    assert {kind for kind, _ in found.values()} == {TOO_LARGE}
    assert all(reason == "document too large: more than 1048576 bytes (max_document_bytes)"
               for _, reason in found.values())
    assert set(db.documents("t")) == {f"good {i}" for i in range(1, 51)}


@pytest.mark.slow
def test_each_type_is_stopped_at_the_limit(kinds):
    """In a backfill, by single changes and by repairs; under a higher limit all are delivered."""
    kinds.create_sync("t", options={"max_document_bytes": "1MB"})
    kinds.wait()
    worker = kinds.wait_for_worker()
    assert_only_those_are_refused(kinds)
    kinds.execute("UPDATE t SET id = id")
    kinds.wait()
    assert_only_those_are_refused(kinds)
    with pytest.raises(psycopg.Error, match="document too large") as refusal:
        kinds.value("SELECT polyglot.preview_document('t', 'escapes')")
    assert refusal.value.sqlstate == "54000" and "max_document_bytes" in refusal.value.diag.message_hint
    lines = {check: detail for check, _, detail in
             kinds.query("SELECT * FROM polyglot.inspect('t', 'jsonb')")}
    assert "document too large" in lines["row"] + lines["dead letter"]
    found = kinds.query("SELECT document_id, problem, detail FROM polyglot.verify_sync('t')")
    assert {(name, problem) for name, problem, _ in found} == {(name, "missing") for name in LARGE}
    assert all("document too large" in detail for _, _, detail in found)
    kinds.value("SELECT polyglot.repair_sync('t')")
    assert_only_those_are_refused(kinds)
    assert kinds.wait_for_worker() == worker
    kinds.execute("""SELECT polyglot.alter_sync('t', options => '{"max_document_bytes": 20000000}')""")
    assert kinds.value("SELECT polyglot.requeue('t')") == len(LARGE)
    kinds.wait()
    assert not {name for name, (kind, _) in letters(kinds).items() if kind == TOO_LARGE}
    assert {"text", "escapes", "bytea", "json", "booleans"} < set(kinds.documents("t"))


def test_a_document_of_just_the_limit_is_delivered(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.create_sync("t", options={"max_document_bytes": 2000})
    frame = len('{"id":1,"v":""}')
    db.execute("INSERT INTO t VALUES (1, repeat('x', %s)), (2, repeat('x', %s)), (3, repeat(E'\\n', %s)),"
               " (4, repeat(E'\\n', %s))", (2000 - frame, 2001 - frame, (2000 - frame) // 2,
                                            (2000 - frame) // 2 + 1))
    db.wait()
    assert sorted(db.documents("t")) == ["1", "3"]
    assert sorted(letters(db)) == ["2", "4"]


def test_pages_end_where_refused_rows_do(db):
    """Pages of a backfill, of a rebuild and of a comparison hold a thousand rows, refused or not."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, CASE WHEN i BETWEEN 500 AND 2600 THEN repeat('x', 2000) ELSE 'x' END"
               " FROM generate_series(1, 3000) i")
    db.create_sync("t", options={"max_document_bytes": 1024})
    db.wait()
    assert len(db.documents("t")) == 899 and len(letters(db)) == 2101
    db.execute("SELECT polyglot.rebuild_sync('t')")
    db.wait()
    assert len(db.documents("t")) == 899
    assert db.value("SELECT count(*) FROM polyglot.verify_sync('t') WHERE problem = 'missing'") == 2101
    db.execute("UPDATE t SET v = 'small'")
    db.assert_equal("t")
    assert letters(db) == {}


def test_a_page_with_an_unreadable_row_keeps_to_its_bytes(db):
    """Rows next to one that raises an error are read in smaller and smaller parts, and all arrive."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, n integer, v text);"
               "INSERT INTO t SELECT i, i % 60, repeat('x', 300000) FROM generate_series(1, 120) i")
    db.create_sync("t", document="jsonb_build_object('id', id, 'v', v, 'n', 60 / n)",
                   options={"max_document_bytes": "350kB"})
    db.wait()
    assert sorted(letters(db)) == ["120", "60"]
    assert len(db.documents("t")) == 118


def test_what_one_row_asks_too_much_of_is_one_dead_letter(db):
    """Temporary files over the limit, a value over 1 GB: of each row, not of the worker."""
    db.pg.execute("ALTER SYSTEM SET temp_file_limit = '1MB'")
    db.pg.reload()
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, n integer, w integer);"
               "INSERT INTO t VALUES (1, 10, 1), (2, 200000, 1), (3, 10, 1100000000), (4, 10, 1)")
    db.execute("CREATE FUNCTION sorted(n integer) RETURNS bigint IMMUTABLE SET work_mem = '64kB'"
               " LANGUAGE sql AS"
               " 'SELECT count(*) FROM (SELECT DISTINCT md5(g::text) FROM generate_series(1, n) g) s'")
    db.create_sync("t", document="jsonb_build_object('n', public.sorted(n), 'w', length(repeat('x', w)))")
    db.wait()
    found = letters(db)
    assert sorted(found) == ["2", "3"]
    assert found["2"][0] == "postgresql_error_53400"
    assert sorted(db.documents("t")) == ["1", "4"]
    db.pg.execute("ALTER SYSTEM RESET temp_file_limit")
    db.pg.reload()


@pytest.fixture
def refusing(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.create_sync("t", mapping={"properties": {"v": {"type": "integer"}}})
    db.wait()
    return db


def kept(db, document):
    return db.value("SELECT document FROM polyglot.dead_letters WHERE document_id = %s", (document,))


def test_a_dead_letter_keeps_the_beginning_of_its_document(refusing):
    db = refusing
    db.execute("INSERT INTO t VALUES (1, repeat('é', 100000)), (2, 'x' || repeat('é', 100000)), (3, 'short')")
    db.wait()
    for number, shift in (("1", 0), ("2", 1)):
        text = kept(db, number)
        whole = json.dumps({"id": int(number), "v": "x" * shift + "é" * 100000}, ensure_ascii=False,
                           separators=(",", ":"))
        beginning, note = text.split(" ... ")
        assert whole.startswith(beginning) and 8000 < len(beginning.encode()) <= 8192
        assert note == f"({len(whole.encode())} bytes in all)"
    assert json.loads(kept(db, "3")) == {"id": 3, "v": "short"}


def test_a_letter_that_cannot_be_written_is_written_without_its_document(refusing):
    """Whatever the reason: the worker would meet it again after each start."""
    db = refusing
    db.execute("ALTER TABLE polyglot.dead_letter ADD CONSTRAINT no_documents CHECK (document IS NULL)")
    worker = db.wait_for_worker()
    db.execute("INSERT INTO t VALUES (1, 'bad'), (2, '2')")
    db.wait()
    assert sorted(letters(db)) == ["1"] and kept(db, "1") is None
    assert sorted(db.documents("t")) == ["2"]
    assert db.wait_for_worker() == worker


def test_a_document_too_large_is_refused_where_it_is_published(db):
    db.execute("SELECT polyglot.create_sync(NULL, 'search', 'events',"
               """ options => '{"max_document_bytes": 5000}')""")
    publish = "SELECT polyglot.publish('events', %s, jsonb_build_object('v', repeat(%s, %s)))"
    db.execute(publish, ("1", "x", 4992))
    for letter, count in (("x", 4993), ("\n", 2497), ("\x01", 833)):
        with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="document too large"):
            db.execute(publish, ("2", letter, count))
    db.wait("events")
    assert sorted(db.documents("events")) == ["1"] and letters(db) == {}


def test_a_view_with_many_rows_of_one_key_is_previewed_by_one(db):
    db.execute("CREATE VIEW v AS SELECT 1 AS id, repeat('x', 100000) AS w, g FROM generate_series(1, 500) g")
    db.create_sync("v", capture="none", key=["id"], options={"reconcile": "1 hour"})
    assert db.value("SELECT polyglot.preview_document('v', 1) ->> 'id'") == "1"
    processes.wait_for(lambda: db.query("SELECT * FROM polyglot.inspect('v', 1)"), "an answer")
