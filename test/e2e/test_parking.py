"""While a server or an index takes no writes, changes fold into one row for each key."""

import pytest

import processes
from conftest import Database

BLOCK = {"index.blocks.write": True}


@pytest.fixture
def own(pg, own_search):
    if own_search.pid is None:
        own_search.start()
    database = Database(pg, own_search)
    yield database
    if own_search.pid is None:
        own_search.start()
    database.drop()


def make_table(database, name, rows):
    database.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, v text);"
                     f"INSERT INTO {name} SELECT i, 'row' FROM generate_series(1, {rows}) i")
    database.create_sync(name)
    database.wait()


def queue_bytes(database):
    return database.value("SELECT sum(pg_relation_size(t)) FROM polyglot.queue,"
                          " LATERAL (VALUES (table_a), (table_b)) AS v(t) WHERE server <> 0")


def wait_for_error(database, text, there=True):
    processes.wait_for(lambda: (text in (database.status("t")["last_error"] or "")) == there,
                       lambda: database.status("t"), 120)


def worker_memory(database):
    return database.value("SELECT private_memory FROM polyglot.workers WHERE pid = %s",
                          (database.wait_for_worker(),))


def test_changes_fold_while_the_server_is_away(own, own_search):
    make_table(own, "t", 5000)
    before = worker_memory(own)
    own_search.kill()
    for number in range(40):
        own.execute("UPDATE t SET v = %s", (f"away {number}",))
    own.execute("DELETE FROM t WHERE id > 4900")
    own.wait_for_state("t", "disconnected")
    processes.wait_for(lambda: own.status("t")["parked"] > 0, "parked keys", 120)
    processes.wait_for(lambda: queue_bytes(own) < 4 << 20, lambda: f"{queue_bytes(own)} queued", 120)
    status = own.status("t")
    assert status["state"] == "disconnected"
    assert 0 < status["parked"] <= 5000
    assert status["lag"].total_seconds() > 3
    assert own.value("SELECT count(*) FROM polyglot.parked_key") == status["parked"]
    assert own.value("SELECT polyglot.wait_for_sync('t', '1s')") is False
    own_search.start()
    own.wait(timeout="150s")
    own.assert_equal("t", wait=False)
    assert own.status("t")["parked"] == 0
    assert worker_memory(own) - before <= 64 << 20


def test_beyond_max_queue_size_events_are_dropped_and_the_index_is_filled_anew(own, own_search):
    own.execute("ALTER SERVER search OPTIONS (ADD max_queue_size '4MB')")
    make_table(own, "t", 60000)
    own_search.kill()
    log = len(own.pg.log())
    own.execute("UPDATE t SET v = 'away'; DELETE FROM t WHERE id % 10 = 0")
    wait_for_error(own, "events dropped: max_queue_size (4 MB)")
    processes.wait_for(lambda: own.status("t")["parked"] == 0, "no parked keys")
    own.execute("UPDATE t SET v = 'after' WHERE id < 1000; DELETE FROM t WHERE id < 100")
    assert own.status("t")["lag"].total_seconds() > 0
    assert own.value("SELECT polyglot.wait_for_sync('t', '1s')") is False
    own_search.start()
    own.wait(timeout="200s")
    own.assert_equal("t", wait=False)
    told = [line for line in own.pg.log()[log:].splitlines()
            if "worker LOG" in line and "events dropped: max_queue_size" in line]
    assert len(told) == 2, told  # dropped; brought in step
    wait_for_error(own, "events dropped", there=False)


def test_who_keeps_the_queue_from_being_emptied_is_named(own):
    make_table(own, "t", 5000)
    with own.connect(autocommit=False) as session:
        session.execute("UPDATE t SET v = 'prepared' WHERE id = 1")
        session.execute("PREPARE TRANSACTION 'pinning'")
    for number in range(20):
        own.execute(f"UPDATE t SET v = '{number}' WHERE id > 1")
    named = 'prepared transaction "pinning" holds it'
    wait_for_error(own, named)
    own.execute("ROLLBACK PREPARED 'pinning'")
    wait_for_error(own, named, there=False)
    own.assert_equal("t")


def test_a_blocked_index_stays_blocked_and_others_go_on(own):
    make_table(own, "t", 500)
    make_table(own, "u", 500)
    client = own.search.client()
    client.indices.put_settings(index=own.index("t"), body=BLOCK)
    own.execute("UPDATE t SET v = 'blocked'; DELETE FROM t WHERE id > 400")
    own.wait_for_state("t", "blocked")
    log = len(own.pg.log())
    for number in range(20):
        own.execute(f"UPDATE u SET v = '{number}'; UPDATE t SET v = '{number}' WHERE id < 50")
        own.wait("u", "20s")
        assert own.status("t")["state"] == "blocked"
    # A probe that is refused changes nothing, and is not worth a line.
    own.execute("SELECT polyglot.run_sync('t', '3s')")
    assert own.status("t")["state"] == "blocked"
    assert 'LOG:  polyglot_sync: sync "t" is' not in own.pg.log()[log:]
    assert own.status("t")["parked"] == 500
    assert own.value("SELECT polyglot.wait_for_sync('t', '1s')") is False
    client.indices.put_settings(index=own.index("t"), body={"index.blocks.write": None})
    own.execute("SELECT polyglot.run_sync('t')")
    own.wait_for_state("t", "streaming")
    own.assert_equal("t")
    own.assert_equal("u")


@pytest.mark.slow
def test_beyond_max_queue_size_nobody_waits_for_an_open_transaction(own, own_search):
    """Events are dropped under the locks of the queue, which writers need: the row of a sync that somebody
    is dropping must not be waited for."""
    own.execute("ALTER SERVER search OPTIONS (ADD max_queue_size '3MB')")
    make_table(own, "t", 60000)
    own.execute("SELECT polyglot.create_sync('t', 'search', name => 'u', columns => '{id}')")
    own.wait()
    own_search.kill()
    own.wait_for_state("u", "disconnected", 120)
    with own.connect(autocommit=False) as session, own.connect() as writer:
        session.execute("SELECT polyglot.drop_sync('u')")
        own.execute("UPDATE t SET v = 'away'")
        named = 'an open transaction changes sync "u"'
        wait_for_error(own, named)
        writer.execute("SET statement_timeout = '30s'")
        for number in range(10):
            writer.execute("UPDATE t SET v = 'written' WHERE id = %s", (number,))
        session.commit()
    wait_for_error(own, "events dropped: max_queue_size (3 MB)")
    own_search.start()
    own.wait(timeout="200s")
    own.assert_equal("t", wait=False)


def test_a_routing_that_no_index_of_ours_would_take(own):
    """As long as servers take one: parked, refused, compared and moved like any other."""
    own.execute("CREATE FUNCTION long(n integer) RETURNS text LANGUAGE sql IMMUTABLE AS"
                " $$SELECT string_agg(md5((n + i)::text), '') FROM generate_series(1, 100) i$$;"
                "CREATE TABLE t (id integer PRIMARY KEY, r text, v text);"
                "INSERT INTO t SELECT i, long(i), '1' FROM generate_series(1, 20) i")
    own.create_sync("t", routing="r", mapping={"properties": {"v": {"type": "integer"}}})
    own.wait()
    own.execute("SELECT polyglot.pause_sync('t')")
    own.wait_for_state("t", "paused")
    own.execute("UPDATE t SET v = '2'; UPDATE t SET r = long(1000) WHERE id = 1;"
                "UPDATE t SET r = '~short' WHERE id = 2")
    processes.wait_for(lambda: own.status("t")["parked"] == 22, lambda: own.status("t"))
    own.execute("SELECT polyglot.resume_sync('t')")
    own.assert_equal("t", routing="r")
    assert own.status("t")["parked"] == 0
    own.execute("UPDATE t SET v = 'no number' WHERE id = 5")
    own.wait()
    assert [letter[1] for letter in own.dead_letters()] == ["5"]
    own.execute("UPDATE t SET v = '5' WHERE id = 5")
    own.wait()
    assert own.dead_letters() == []
    (routing,), = own.query("SELECT r FROM t WHERE id = 7")
    own.search.client().delete(index=own.index("t"), id="7", routing=routing, refresh=True)
    own.execute("SELECT polyglot.verify_sync('t')")
    assert own.query("SELECT document_id, routing, problem FROM polyglot.differences") == [
        ("7", routing, "missing")]
    own.execute("SELECT polyglot.repair_sync('t')")
    own.assert_equal("t", routing="r")
