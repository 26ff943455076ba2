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
    assert (letter[1], letter[3]) == ("no number", 0) and letter[5].endswith('"é"')
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
