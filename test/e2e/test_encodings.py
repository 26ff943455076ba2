"""A database that is not in UTF-8: what is sent is."""

import pytest

import processes


def test_a_latin1_database(new_database):
    db = new_database(options="ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    db.execute("CREATE TABLE t (id text PRIMARY KEY, \"größe\" text, j jsonb);"
               "INSERT INTO t VALUES ('é', 'naïve', '{\"ü\": \"ß\"}'), ('plain', 'ÿ', NULL)")
    db.create_sync("t")
    db.wait()
    db.execute("INSERT INTO t VALUES ('ñ', '¿', '[\"Å\"]'); UPDATE t SET \"größe\" = 'çà' WHERE id = 'é';"
               "DELETE FROM t WHERE id = 'plain'")
    db.wait()
    assert db.documents("t") == {"é": {"id": "é", "größe": "çà", "j": {"ü": "ß"}},
                                 "ñ": {"id": "ñ", "größe": "¿", "j": ["Å"]}}
    assert db.dead_letters() == []


@pytest.fixture
def latin1(new_database):
    db = new_database(options="ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    db.execute("CREATE TABLE t (id text PRIMARY KEY, v text);"
               "INSERT INTO t VALUES ('é', '1'), ('plain', '2')")
    return db


def test_latin1_parked_keys(latin1):
    latin1.create_sync("t")
    latin1.wait()
    latin1.execute("SELECT polyglot.pause_sync('t')")
    latin1.wait_for_state("t", "paused")
    latin1.execute("UPDATE t SET v = 'ü' WHERE id = 'é'; DELETE FROM t WHERE id = 'plain'")
    processes.wait_for(lambda: latin1.status("t")["parked"] == 2, "parked keys")
    assert latin1.query("SELECT event_id LIKE '%%/é', document_id FROM polyglot.outbox"
                        " WHERE operation = 'parked' ORDER BY 2") == [(False, "plain"), (True, "é")]
    latin1.execute("SELECT polyglot.resume_sync('t')")
    latin1.wait()
    assert latin1.documents("t") == {"é": {"id": "é", "v": "ü"}}


def test_latin1_a_message_of_postgresql_and_a_refused_index(latin1):
    """Texts that are in the wrong encoding, or have a character that it has not, stop nothing."""
    latin1.execute("INSERT INTO t VALUES ('no number', 'é')")
    latin1.create_sync("t", document="jsonb_build_object('n', v::int)")
    latin1.wait()
    (letter,) = latin1.dead_letters()
    assert (letter[1], letter[3]) == ("no number", 0) and letter[5].endswith('"é" (document of sync "t")')
    latin1.execute("CREATE TABLE refused (id integer PRIMARY KEY)")
    latin1.create_sync("refused", settings={"index.no_such_ü": 1})
    latin1.wait_for_state("refused", "failed")
    error = latin1.status("refused")["last_error"]
    assert "the server refuses the index: " in error and "unknown setting [index.no_such_ü]" in error
    latin1.execute("UPDATE t SET v = '3' WHERE id = 'plain'")
    latin1.wait("t")
    assert latin1.documents("t")["plain"] == {"n": 3}


def test_latin1_a_document_of_somebody_else_with_another_id(latin1):
    latin1.create_sync("t")
    latin1.wait()
    foreign = "100 % € 漢"
    latin1.search.client().index(index=latin1.index("t"), id=foreign, body={"v": 1}, refresh=True)
    latin1.execute("SELECT FROM polyglot.verify_sync('t')")
    assert latin1.query("SELECT problem, document_id FROM polyglot.differences") == [
        ("orphan", "~utf8:100 %25 %E2%82%AC %E6%BC%A2")]
    latin1.execute("SELECT FROM polyglot.repair_sync('t')")
    processes.wait_for(lambda: set(latin1.documents("t")) == {"é", "plain"}, "the orphan deleted")


@pytest.mark.parametrize("encoding", ["WIN1252", "SQL_ASCII"])
def test_a_key_that_no_utf8_can_be_made_of_costs_its_row_only(new_database, encoding):
    db = new_database(options=f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    db.execute(f'ALTER DATABASE "{db.name}" SET client_encoding = \'UTF8\'')
    db.execute("CREATE TABLE t (id text PRIMARY KEY, r text, v text);"
               "INSERT INTO t VALUES ('plain', 'a', '1'), (E'before\\x81', 'a', '1')")
    for name, more in (("t", {}), ("by_value", {"columns": ["v"]}), ("routed", {"routing": "r"})):
        db.create_sync("t", name=name, index=db.index(name), **more)
    db.wait()
    db.execute("INSERT INTO t VALUES (E'k\\x81', 'a', '1'), ('next', 'a', '1');"
               "INSERT INTO t VALUES ('routing', E'\\x81', '1'); UPDATE t SET v = '2';"
               "DELETE FROM t WHERE id = 'plain'")
    db.wait()
    for row in db.status():
        assert (row["state"], row["last_error"]) == ("streaming", None)
    assert db.value("SELECT max(generation) FROM polyglot.sync_state") == 1
    assert set(db.documents("t")) == {"next"}  # the value is in the document, too
    assert set(db.documents("routed")) == {"next"}
    assert len(db.documents("by_value")) == 4
    letters = db.query("SELECT document_id FROM polyglot.dead_letters WHERE sync = 't'")
    assert sum(name.startswith("~") for name, in letters) == 2
    with db.connect() as session:
        session.execute("SELECT count(*) FROM polyglot.outbox")
        assert session.execute("SELECT count(*) FROM polyglot.verify_sync('by_value')").fetchone() == (0,)
        session.execute("SELECT count(*) FROM polyglot.verify_sync('t')")
        session.execute("SELECT count(*) FROM polyglot.inspect('t', E'k\\x81')")
    db.execute("DELETE FROM t WHERE v = '2' AND id <> 'next'")
    db.wait()
    assert len(db.documents("by_value")) == 1


def test_an_encoding_without_conversion_is_refused_at_once(new_database):
    pg = new_database().pg
    pg.execute("CREATE DATABASE mule ENCODING 'MULE_INTERNAL' LOCALE 'C' TEMPLATE template0")
    script = ["CREATE EXTENSION polyglot_sync", "CREATE TABLE t (id integer PRIMARY KEY)",
              "CREATE SERVER s FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:1')",
              "SELECT polyglot.create_sync('t', 's')"]
    words = [word for line in script for word in ("-c", line)]
    with pytest.raises(RuntimeError, match="ERROR:  0A000: .*MULE_INTERNAL"):
        pg.program("psql", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=1", *words, database="mule")
    pg.execute("DROP DATABASE mule")


def test_latin1_long_texts_come_back_whole(latin1):
    """What is converted in pieces loses nothing where they meet."""
    text = "aé" * 2000  # a letter keeps 8 kB
    latin1.execute("CREATE TABLE long (id integer PRIMARY KEY, r text, v text)")
    latin1.create_sync("long", routing="r", mapping={"properties": {"v": {"type": "integer"}}})
    latin1.execute("INSERT INTO long VALUES (1, 'short', %s), (2, %s, '2')", (text, "é" * 3500))
    latin1.wait()
    (document,), = latin1.query("SELECT document FROM polyglot.dead_letters WHERE document_id = '1'")
    assert text in document
    latin1.execute("SELECT polyglot.pause_sync('long')")
    latin1.wait_for_state("long", "paused")
    latin1.execute("DELETE FROM long WHERE id = 2")
    processes.wait_for(lambda: latin1.status("long")["parked"] == 1, "a parked key")
    latin1.execute("SELECT polyglot.resume_sync('long')")
    latin1.wait()
    assert latin1.documents("long") == {}
