"""polyglot.inspect tells why a row is, or is not, in its index, and what to do next."""

import threading

import psycopg
import pytest

import processes

LINES = ["verdict", "sync", "row", "filter", "queue", "parked", "dead letter", "document",
         "comparison"]


def inspect(db, *key, sync="t", session=None, user="postgres"):
    """check_name → (result, detail); always the same lines."""
    words = "".join(", %s::text" if isinstance(value, str) and len(key) > 1 else ", %s"
                    for value in key)
    statement = f"SELECT * FROM polyglot.inspect(%s{words})"
    rows = (session.execute(statement, (sync, *key)).fetchall() if session
            else db.query(statement, (sync, *key), user))
    assert [row[0] for row in rows] == LINES
    assert all(result and detail for _, result, detail in rows), rows
    return {check: (result, detail) for check, result, detail in rows}


def results(db, *key, **arguments):
    return {check: result for check, (result, _) in inspect(db, *key, **arguments).items()}


def wait_for_verdict(db, verdict, *key, **arguments):
    processes.wait_for(lambda: results(db, *key, **arguments)["verdict"] == verdict,
                       lambda: f"verdict {verdict}: {inspect(db, *key, **arguments)}")
    return inspect(db, *key, **arguments)


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text, live boolean DEFAULT true);"
               "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 100) i")
    db.create_sync("t", filter="live")
    db.wait()
    return db


def test_a_row_that_is_in_step(t):
    lines = inspect(t, 42)
    assert lines["verdict"][0] == "in step"
    assert {check: result for check, (result, _) in lines.items()} == {
        "verdict": "in step", "sync": "streaming", "row": "found", "filter": "passes",
        "queue": "empty", "parked": "no", "dead letter": "no", "document": "found",
        "comparison": "equal"}
    version = t.search.client().get(index=t.index("t"), id="42")["_version"]
    assert f"version {version} (epoch 1," in lines["document"][1]
    assert f"GET /{t.index('t')}-000001/_doc/42" in lines["document"][1]
    t.execute("UPDATE t SET v = 'young' WHERE id = 42")
    t.wait()
    assert "about " in inspect(t, 42)["document"][1]


def test_a_row_that_does_not_exist_and_one_that_the_filter_leaves_out(t):
    t.execute("DELETE FROM t WHERE id = 1; UPDATE t SET live = false WHERE id = 2")
    t.wait()
    gone, hidden = results(t, 1), results(t, 2)
    assert [gone[c] for c in ("verdict", "row", "filter", "document", "comparison")] == \
        ["in step", "not found", "not asked", "not found", "equal"]
    assert [hidden[c] for c in ("verdict", "row", "filter", "document", "comparison")] == \
        ["in step", "found", "leaves it out", "not found", "equal"]
    assert "filter" in inspect(t, 2)["verdict"][1]


def test_damage_that_nothing_explains_and_the_way_out_of_it(t):
    client, index = t.search.client(), t.index("t")
    client.delete(index=index, id="17")
    client.index(index=index, id="18", body={"id": 18, "v": "vandal", "live": True})
    client.index(index=index, id="4711", body={"id": 4711, "v": "nobody", "live": True})
    for key, problem in ((17, "missing"), (18, "different"), (4711, "orphan")):
        lines = inspect(t, key)
        assert (lines["verdict"][0], lines["comparison"][0]) == ("out of step", problem)
        statement = f"SELECT polyglot.enqueue('t', '{{\"id\":{key}}}'::jsonb)"
        assert statement in lines["comparison"][1]
        t.execute(statement)  # what it says helps
        wait_for_verdict(t, "in step", key)
    assert t.differences("t", where="live") == []
    client.index(index=index, id="4711", body={"id": 4711}, version=2**61, version_type="external")
    assert "delete the document, then SELECT" in inspect(t, 4711)["comparison"][1]


def test_a_change_that_is_not_committed(t):
    with t.connect(autocommit=False) as session:
        session.execute("INSERT INTO t VALUES (1000, 'mine')")
        lines = inspect(t, 1000, session=session)
        assert (lines["verdict"][0], lines["row"][0]) == ("not committed", "not committed")
        assert "COMMIT" in lines["row"][1]
        assert results(t, 1000)["row"] == "not found"
        session.commit()
    wait_for_verdict(t, "in step", 1000)


def test_beside_writers_of_the_same_rows_nothing_is_out_of_step(t):
    """Also more sessions at once than there are slots to ask by."""
    ended, seen, failures = threading.Event(), set(), []

    def write():
        with t.connect() as session:
            while not ended.is_set():
                session.execute("UPDATE t SET v = v || '!', live = random() < 0.9 WHERE id < 4")

    def look(number):
        try:
            with t.connect() as session:
                for _ in range(10):
                    seen.add(results(t, number % 3 + 1, session=session)["verdict"])
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=look, args=(number,)) for number in range(12)]
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        ended.set()
        writer.join()
    assert not failures
    wait_for_verdict(t, "in step", 1)
    assert seen <= {"in step", "waiting", "unknown", "not committed"}, seen


def test_a_paused_sync(t):
    t.execute("SELECT polyglot.pause_sync('t'); UPDATE t SET v = 'late' WHERE id = 5")
    lines = processes.wait_for(lambda: (lambda found: found if found["parked"][0] == "yes" else None)(
        inspect(t, 5)), "a parked key")
    assert lines["verdict"][0] == lines["sync"][0] == "paused"
    assert lines["sync"][1] == "SELECT polyglot.resume_sync('t')"
    assert lines["comparison"][0] == "different"  # the index can still be asked
    assert results(t, 6)["verdict"] == "in step"
    t.execute("SELECT polyglot.resume_sync('t')")
    wait_for_verdict(t, "in step", 5)


def test_a_failed_sync(db):
    db.execute("CREATE ROLE plain; CREATE TABLE f (id integer PRIMARY KEY);"
               "ALTER TABLE f OWNER TO plain; INSERT INTO f VALUES (1)")
    try:
        db.create_sync("f")
        db.wait()
        db.execute("ALTER TABLE f ENABLE ROW LEVEL SECURITY; ALTER TABLE f FORCE ROW LEVEL SECURITY")
        db.execute("INSERT INTO f VALUES (2)")
        db.wait_for_state("f", "failed")
        lines = inspect(db, 1, sync="f")
        assert lines["sync"][0] == "failed" and "BYPASSRLS" in lines["sync"][1]
        assert lines["verdict"][0] == lines["row"][0] == "unreadable"
    finally:
        db.execute("DROP OWNED BY plain; DROP ROLE plain")


def test_a_blocked_index(t):
    client, index = t.search.client(), t.index("t") + "-000001"
    client.indices.put_settings(index=index, body={"index.blocks.write": True})
    t.execute("UPDATE t SET v = 'late' WHERE id = 5")
    t.wait_for_state("t", "blocked")
    lines = wait_for_verdict(t, "blocked", 5)
    assert lines["sync"][0] == "blocked" and "polyglot.run_sync()" in lines["sync"][1]
    assert lines["comparison"][0] == "different"
    client.indices.put_settings(index=index, body={"index.blocks.write": None})
    t.execute("SELECT polyglot.run_sync('t')")
    wait_for_verdict(t, "in step", 5)


def test_a_dead_letter_and_who_may_read_it(t):
    t.execute("CREATE TABLE d (id integer PRIMARY KEY, n text)")
    t.create_sync("d", mapping={"properties": {"n": {"type": "integer"}}})
    t.execute("INSERT INTO d VALUES (1, 'secret words')")
    t.wait("d")
    lines = inspect(t, 1, sync="d")
    assert lines["verdict"][0] == "refused" and lines["comparison"][0] == "missing"
    assert "secret words" in lines["dead letter"][1]
    assert "SELECT polyglot.requeue('d')" in lines["dead letter"][1]
    t.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON d TO reader; CREATE ROLE nobody LOGIN")
    try:
        mine = inspect(t, 1, sync="d", user="reader")
        assert mine["verdict"][0] == "refused"
        assert "secret words" not in str(mine) and "parsing_exception" in mine["dead letter"][1]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            inspect(t, 1, sync="d", user="nobody")
    finally:
        t.execute("DROP OWNED BY reader, nobody; DROP ROLE reader, nobody")


def test_expressions_run_as_the_owner_of_the_table(t):
    """An inspecting superuser must not lend his rights to the table's owner."""
    t.execute("CREATE ROLE maker LOGIN; CREATE TABLE secrets (word text);"
              "CREATE TABLE m (id integer PRIMARY KEY); ALTER TABLE m OWNER TO maker;"
              "GRANT USAGE ON FOREIGN SERVER search TO maker; GRANT CREATE ON SCHEMA public TO maker;"
              "INSERT INTO m VALUES (1)")
    try:
        with t.connect("maker") as session:
            session.execute(
                "CREATE FUNCTION spy(integer) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$ BEGIN"
                " RETURN jsonb_build_object('seen', (SELECT count(*) FROM public.secrets)); END $$")
        t.create_sync("m", user="maker", document="public.spy(id)")
        t.wait("m")
        lines = inspect(t, 1, sync="m")
        assert lines["row"][0] == "unreadable" and "permission denied" in lines["row"][1]
    finally:
        t.execute("DROP OWNED BY maker CASCADE; DROP ROLE maker")


def test_routing(db):
    """Documents at another routing are found, also of rows that do not exist."""
    db.execute("CREATE TABLE r (a integer, b text, tenant text, PRIMARY KEY (a, b));"
               "INSERT INTO r VALUES (1, 'x,y', 'one'), (2, 'z', NULL)")
    db.create_sync("r", routing="tenant", settings={"number_of_shards": 5})
    db.wait()
    lines = inspect(db, 1, "x,y", sync="r")
    assert lines["verdict"][0] == "in step"
    assert lines["document"][1].endswith("/_doc/1%2Cx%5C%2Cy?routing=one")
    assert results(db, 2, "z", sync="r")["verdict"] == "in step"
    assert results(db, 3, "z", sync="r")["verdict"] == "in step"
    # As text: a document id, or a JSON object.
    assert results(db, "1,x\\,y", sync="r")["document"] == "found"
    assert results(db, '{"a": 1, "b": "x,y"}', sync="r")["document"] == "found"

    client, index = db.search.client(), db.index("r")
    for number in range(5):  # one of them on another shard than the document itself
        client.index(index=index, id="1,x\\,y", routing=f"w{number}", body={"a": 1}, refresh=True)
    client.index(index=index, id="3,z", routing="w", body={"a": 3}, refresh=True)
    lines = inspect(db, 1, "x,y", sync="r")
    assert lines["verdict"][0] == "out of step" and lines["comparison"][0] == "different"
    assert 'routing "w' in lines["comparison"][1]
    orphan = inspect(db, 3, "z", sync="r")
    assert orphan["comparison"][0] == "orphan" and orphan["row"][0] == "not found"
    # A search shows what was there at the last refresh; what has gone since is not reported.
    client.indices.put_settings(index=index, body={"index.refresh_interval": "-1"})
    client.delete(index=index, id="3,z", routing="w")
    assert results(db, 3, "z", sync="r")["comparison"] == "equal"


def test_published_documents(db):
    db.value("SELECT polyglot.create_sync(NULL, 'search', 'events')")
    db.execute("SELECT polyglot.publish('events', 'a b', '{\"v\": 1}')")
    db.execute("SELECT polyglot.publish('events', 'c', '{\"v\": 1}', 'r')")
    db.wait()
    assert "/_doc/a%20b" in inspect(db, "a b", sync="events")["document"][1]
    assert results(db, "c", sync="events")["verdict"] == "in step"
    assert results(db, "nothing", sync="events")["row"] == "not found"


def test_without_a_worker(t):
    t.execute("SELECT polyglot.stop_workers(); UPDATE t SET v = 'late' WHERE id = 5")
    lines = inspect(t, 5)
    assert lines["verdict"][0] == lines["sync"][0] == "not running"
    assert "polyglot.start_workers()" in lines["sync"][1]
    assert (lines["queue"][0], lines["row"][0]) == ("1 change", "found")
    assert (lines["document"][0], lines["comparison"][0]) == ("unknown", "unknown")
    t.execute("SELECT polyglot.start_workers()")
    wait_for_verdict(t, "in step", 5)


def test_rights_are_those_of_a_reader(t):
    t.execute("CREATE ROLE column_reader LOGIN; GRANT SELECT (id) ON t TO column_reader")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            inspect(t, 1, user="column_reader")
        t.execute("GRANT SELECT ON t TO column_reader")
        assert results(t, 1, user="column_reader")["verdict"] == "in step"
        t.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            inspect(t, 1, user="column_reader")
    finally:
        t.execute("DROP OWNED BY column_reader; DROP ROLE column_reader")
