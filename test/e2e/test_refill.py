"""When much of a large table has changed while its index took no writes, a new index is filled."""

import pytest

import processes
from generations import generation, only_index, wait_for_generation

BLOCK = "index.blocks.write"
REASON = "more than a fifth of its rows changed while it could not write"


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text) WITH (autovacuum_enabled = false);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 60000) i; ANALYZE t;"
               "CREATE TABLE slow (seconds float);"
               "CREATE FUNCTION slowly(integer) RETURNS boolean STABLE LANGUAGE plpgsql AS"
               " 'BEGIN PERFORM pg_sleep(seconds) FROM public.slow; RETURN true; END'")
    db.create_sync("t", filter="public.slowly(id)")
    db.wait()
    return db


def block(db, blocked):
    db.search.client().indices.put_settings(index=db.index("t-000001"), body={BLOCK: blocked})


def change_while_blocked(db, statement, parked):
    block(db, True)
    db.execute(statement)
    processes.wait_for(lambda: db.status("t")["parked"] == parked, lambda: f"{parked}: {db.status('t')}")
    assert db.status("t")["state"] == "blocked"


def unblock(db):
    block(db, None)
    db.execute("SELECT polyglot.run_sync('t')")


@pytest.mark.slow
def test_a_new_index_is_filled_when_much_has_changed_meanwhile(t):
    change_while_blocked(t, "UPDATE t SET v = 'changed'; DELETE FROM t WHERE id % 10 = 0", 60000)
    t.execute("INSERT INTO slow VALUES (0.002)")
    log = len(t.pg.log())
    unblock(t)
    t.wait_for_state("t", "rebuilding")
    assert f'sync "t" is rebuilt as "{t.index("t-000002")}": {REASON}' in t.pg.log()[log:]
    # Meanwhile: live changes are seen, the others not; and nobody is told otherwise.
    t.execute("INSERT INTO t VALUES (70001, 'live')")
    client = t.search.client()
    processes.wait_for(lambda: client.exists(index=t.index("t"), id="70001"), "a live change")
    processes.wait_for(lambda: REASON in (t.status("t")["problem"] or ""), lambda: t.status("t"))
    assert t.status("t")["parked"] > 50000
    assert t.status("t")["lag"].total_seconds() > 1
    assert t.value("SELECT polyglot.wait_for_sync('t', '1s')") is False
    assert t.value("SELECT pg_terminate_backend(pid) FROM polyglot.workers")
    t.wait_for_state("t", "rebuilding")
    t.execute("DELETE FROM slow")
    wait_for_generation(t, 2)
    t.assert_equal("t")
    only_index(t, 2)
    status = t.status("t")
    assert status["parked"] == 0 and status["problem"] is None
    assert t.value("SELECT count(*) FROM polyglot.parked_key") == 0


@pytest.mark.slow
def test_a_small_part_of_a_table_or_a_few_rows_are_read_one_by_one(t):
    change_while_blocked(t, "UPDATE t SET v = 'few' WHERE id <= 40000", 40000)
    unblock(t)
    t.wait_for_state("t", "streaming")
    t.assert_equal("t")
    t.execute("UPDATE pg_class SET reltuples = 1000000 WHERE oid = 't'::regclass")  # a larger one
    change_while_blocked(t, "UPDATE t SET v = 'part'", 60000)
    unblock(t)
    t.wait_for_state("t", "streaming")
    t.assert_equal("t")
    assert generation(t) == 1


@pytest.mark.slow
def test_parked_keys_are_read_when_nothing_comes_of_the_new_index(t):
    """Somebody has an index of its name."""
    client = t.search.client()
    client.indices.create(index=t.index("t-000002"))
    change_while_blocked(t, "UPDATE t SET v = 'changed'", 60000)
    log = len(t.pg.log())
    unblock(t)
    t.wait(timeout="120s")
    t.assert_equal("t", wait=False)
    assert REASON in t.pg.log()[log:]
    t.wait_for_state("t", "streaming")
    assert generation(t) == 1
    assert t.status("t")["problem"] is None
    assert client.indices.exists(index=t.index("t-000002"))
