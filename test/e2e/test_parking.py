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
    processes.wait_for(lambda: queue_bytes(own) < 4 << 20, lambda: f"{queue_bytes(own)} bytes queued", 120)
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


def test_a_blocked_index_stays_blocked_and_others_go_on(db):
    make_table(db, "t", 500)
    make_table(db, "u", 500)
    client = db.search.client()
    client.indices.put_settings(index=db.index("t"), settings=BLOCK)
    db.execute("UPDATE t SET v = 'blocked'; DELETE FROM t WHERE id > 400")
    db.wait_for_state("t", "blocked")
    log = len(db.pg.log())
    for number in range(20):
        db.execute("UPDATE u SET v = %s; UPDATE t SET v = %s WHERE id < 50", (number, number))
        db.wait("u", "20s")
        assert db.status("t")["state"] == "blocked"
    # A probe that is refused changes nothing, and is not worth a line.
    db.execute("SELECT polyglot.run_sync('t', '3s')")
    assert db.status("t")["state"] == "blocked"
    assert 'sync "t" is' not in db.pg.log()[log:]
    assert db.status("t")["parked"] == 500
    assert db.value("SELECT polyglot.wait_for_sync('t', '1s')") is False
    client.indices.put_settings(index=db.index("t"), settings={"index.blocks.write": None})
    db.execute("SELECT polyglot.run_sync('t')")
    db.wait_for_state("t", "streaming")
    db.assert_equal("t")
    db.assert_equal("u")
