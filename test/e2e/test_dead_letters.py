"""One poisonous document costs one dead letter, and nothing else."""

import psycopg
import pytest

import processes

WRONG_TYPE = {"properties": {"v": {"type": "integer"}}}


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, i::text FROM generate_series(1, 100) i")
    db.create_sync("t", mapping=WRONG_TYPE)
    db.wait()
    return db


def letters(db):
    return sorted(letter[1] for letter in db.dead_letters())


def test_a_document_the_server_refuses_becomes_a_dead_letter(t):
    t.execute("UPDATE t SET v = 'no number' WHERE id = 5; UPDATE t SET v = '77' WHERE id = 6")
    t.wait()
    (letter,) = t.dead_letters()
    sync, document, operation, status, kind, reason = letter
    assert (sync, document, operation, status) == ("t", "5", "index", 400)
    assert kind in ("document_parsing_exception", "mapper_parsing_exception") and "[v]" in reason
    assert t.documents("t")["6"] == {"id": 6, "v": "77"}
    status = t.status("t")
    assert (status["dead_letters"], status["state"]) == (1, "streaming")


def test_many_dead_letters_do_not_stop_the_others(t):
    t.execute("INSERT INTO t SELECT i, CASE WHEN i % 3 = 0 THEN 'bad' ELSE '1' END"
              " FROM generate_series(1001, 4000) i")
    t.wait()
    assert len(letters(t)) == 1000
    t.assert_equal("t", where="v <> 'bad'")


def test_a_corrected_row_removes_its_dead_letter(t):
    t.execute("UPDATE t SET v = 'bad' WHERE id = 5")
    t.wait()
    assert letters(t) == ["5"]
    t.execute("UPDATE t SET v = '5000' WHERE id = 5")
    t.assert_equal("t")
    assert letters(t) == []


def test_requeue_tries_again(t):
    t.execute("UPDATE t SET v = 'bad' WHERE id IN (5, 6)")
    t.wait()
    assert t.value("SELECT polyglot.requeue('t')") == 2
    t.wait()
    assert letters(t) == ["5", "6"]
    assert t.value("SELECT min(attempts) FROM polyglot.dead_letters") == 2
    t.execute("DELETE FROM t WHERE id = 5")
    t.wait()
    assert t.value("SELECT polyglot.requeue('t', '6')") == 1
    t.wait()
    assert letters(t) == ["6"]


def test_discard_forgets(t):
    t.execute("UPDATE t SET v = 'bad' WHERE id <= 10")
    t.wait()
    assert t.value("SELECT polyglot.discard('t', '3')") == 1
    assert t.value("SELECT polyglot.discard('t', max => 4)") == 4
    assert len(letters(t)) == 5
    assert t.value("SELECT polyglot.discard('t')") == 5
    assert letters(t) == []


def test_a_failing_document_expression_costs_one_row(db):
    db.execute("CREATE TABLE q (id integer PRIMARY KEY, n integer);"
               "INSERT INTO q SELECT i, i % 10 FROM generate_series(1, 50) i")
    db.create_sync("q", document="jsonb_build_object('share', 100 / n)")
    db.wait()
    assert letters(db) == ["10", "20", "30", "40", "50"]
    assert len(db.documents("q")) == 45
    db.execute("UPDATE q SET n = 4 WHERE id = 10; UPDATE q SET n = 0 WHERE id = 1")
    db.wait()
    assert letters(db) == ["1", "20", "30", "40", "50"]
    assert db.documents("q")["10"] == {"share": 25}


def test_a_failing_filter_costs_one_row(db):
    db.execute("CREATE TABLE q (id integer PRIMARY KEY, n integer);"
               "INSERT INTO q SELECT i, i % 5 FROM generate_series(1, 20) i")
    db.create_sync("q", filter="10 / n > 0")
    db.wait()
    assert letters(db) == ["10", "15", "20", "5"]
    assert db.status("q")["state"] == "streaming"


def test_nobody_searches_for_the_expression_that_failed(db):
    db.execute("CREATE TABLE q (id integer PRIMARY KEY, n integer, m integer);"
               "INSERT INTO q VALUES (1, 1, 1), (2, 0, 1), (3, 1, 0), (4, 0, 0), (5, 1, 2)")
    db.create_sync("q", filter="10 / n > 0", document="CASE m WHEN 2 THEN NULL ELSE"
                   " jsonb_build_object('share', 10 / m) END")
    db.create_sync("q", name="columns", index=db.prefix + "columns", filter="10 / n > 0")
    db.wait()
    failed = {"2": "filter", "3": "document", "4": "filter"}
    reasons = {(letter[0], letter[1]): letter[5] for letter in db.dead_letters()}
    expected = {("q", row): f'division by zero ({what} of sync "q")' for row, what in failed.items()}
    expected |= {("columns", row): 'division by zero (filter of sync "columns")' for row in "24"}
    expected["q", "5"] = "the document expression yields NULL for this row, not a JSON object"
    assert reasons == expected
    for row, what in failed.items():
        with pytest.raises(psycopg.errors.DivisionByZero) as raised:
            db.query("SELECT polyglot.preview_document('q', %s::text)", (row,))
        assert raised.value.diag.context == f'{what} of sync "q"'
        assert raised.value.diag.statement_position is None
        seen = db.value("SELECT string_agg(detail, ' ') FROM polyglot.inspect('q', %s::text)", (row,))
        assert expected["q", row] in seen
    db.query("SELECT polyglot.verify_sync('q')")
    details = dict(db.query("SELECT document_id, detail FROM polyglot.differences"))
    for row in failed:
        assert details[row].startswith("the row cannot become a document: " + expected["q", row])


def test_a_row_that_fails_while_its_sync_is_paused(db):
    """Its parked key has an outcome, the dead letter, and does not come back for ever."""
    db.execute("CREATE TABLE q (id integer PRIMARY KEY, n integer);"
               "INSERT INTO q SELECT i, 1 FROM generate_series(1, 20) i")
    db.create_sync("q", document="jsonb_build_object('share', 100 / n)")
    db.wait()
    db.execute("SELECT polyglot.stop_workers(); SELECT polyglot.pause_sync('q')")
    for n in (2, 3, 0):
        db.execute("UPDATE q SET n = %s WHERE id <= 3", (n,))
    db.execute("SELECT polyglot.start_workers()")
    processes.wait_for(lambda: db.status("q")["parked"] == 3, lambda: str(db.status("q")))
    db.execute("SELECT polyglot.resume_sync('q')")
    db.wait()
    assert letters(db) == ["1", "2", "3"]
    assert db.value("SELECT max(attempts) FROM polyglot.dead_letters") == 1
    assert db.status("q")["parked"] == 0


def test_a_corrected_row_with_routing_removes_its_dead_letter(db):
    db.execute("CREATE TABLE q (id integer PRIMARY KEY, n integer, shop text NOT NULL);"
               "INSERT INTO q SELECT i, i - 1, 'shop ' || i FROM generate_series(1, 5) i")
    db.create_sync("q", document="jsonb_build_object('share', 100 / n)", routing="shop")
    db.wait()
    assert letters(db) == ["1"]
    db.execute("UPDATE q SET n = 1 WHERE id = 1")
    db.wait()
    assert letters(db) == []
    assert db.documents("q")["1"] == {"share": 100}


def test_wait_for_sync_warns_of_a_dead_letter(t):
    notices = []
    with t.connect() as session:
        session.add_notice_handler(lambda notice: notices.append(notice.severity))
        session.execute("UPDATE t SET v = 'bad' WHERE id = 1")
        session.execute("SELECT polyglot.wait_for_sync('t')")
    assert "WARNING" in notices


def test_dead_letters_survive_a_restart(t):
    t.execute("UPDATE t SET v = 'bad' WHERE id = 1")
    t.wait()
    t.pg.restart("immediate")
    assert letters(t) == ["1"]


def test_a_long_message_of_postgresql_is_cut_between_characters(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, '1');"
               "CREATE TABLE other (id integer PRIMARY KEY); INSERT INTO other VALUES (1)")
    db.create_sync("t", document="jsonb_build_object('n', v::int)")
    db.create_sync("other")
    # Whatever the length of the message before the value: one of them is cut within a character.
    db.execute("INSERT INTO t VALUES (2, repeat('é', 600)), (3, 'x' || repeat('é', 600));"
               "INSERT INTO other VALUES (2)")
    db.wait()
    assert letters(db) == ["2", "3"]
    assert all("éé" in letter[5] for letter in db.dead_letters())
    db.assert_equal("other")
