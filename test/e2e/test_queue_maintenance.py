"""Whatever is done to the queue's tables, no event is lost."""

import pytest


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 1000) i")
    db.create_sync("t")
    db.wait()
    return db


def queue_tables(db):
    return [name for pair in db.query("SELECT table_a::regclass::text, table_b::regclass::text"
                                      " FROM polyglot.queue") for name in pair]


def roll_back_many(db, rows=60000):
    with db.connect(autocommit=False) as session:
        session.execute("INSERT INTO t SELECT i, 'aborted' FROM generate_series(100001, 100000 + %s) i",
                        (rows,))
        session.rollback()


def restart_worker(db):
    pid = db.wait_for_worker()
    db.execute("SELECT pg_terminate_backend(%s)", (pid,))


def test_vacuum_after_a_large_rollback_then_events_then_a_restart(t):
    """VACUUM gives an aborted transaction's space away: later events land in the middle."""
    roll_back_many(t)
    t.execute("UPDATE t SET v = 'one'")
    t.wait()
    for table in queue_tables(t):
        t.execute(f"VACUUM {table}")
    t.execute("UPDATE t SET v = 'two' WHERE id <= 500")
    restart_worker(t)
    t.execute("UPDATE t SET v = 'three' WHERE id <= 100")
    t.assert_equal("t")


def test_vacuum_while_events_wait(t):
    t.execute("SELECT polyglot.stop_workers()")
    roll_back_many(t)
    t.execute("UPDATE t SET v = 'waiting' WHERE id <= 300")
    for table in queue_tables(t):
        t.execute(f"VACUUM {table}")
    t.execute("DELETE FROM t WHERE id > 900; INSERT INTO t VALUES (2000, 'x')")
    t.execute("SELECT polyglot.start_workers()")
    t.assert_equal("t")


@pytest.mark.parametrize("command", ["VACUUM", "VACUUM (FREEZE, ANALYZE)", "VACUUM FULL"])
def test_maintenance_between_events(t, command):
    for round_number in range(4):
        t.execute("UPDATE t SET v = %s WHERE id %% 4 = 1", (f"round {round_number}",))
        for table in queue_tables(t):
            t.execute(f"{command} {table}")
        roll_back_many(t, 3000)
    t.assert_equal("t")


def test_cluster_of_the_queue(t):
    """CLUSTER needs an index, which nobody should make; it must do no harm even so."""
    table = queue_tables(t)[0]
    t.execute(f"CREATE INDEX odd ON {table} (captured_at)")
    t.execute("UPDATE t SET v = 'a' WHERE id < 300")
    t.execute(f"CLUSTER {table} USING odd")
    t.execute("UPDATE t SET v = 'b' WHERE id > 200")
    t.execute("DROP INDEX polyglot.odd")
    t.assert_equal("t")


def test_cluster_of_the_queue_while_events_wait(t):
    """Events are rows of such an index too: CLUSTER by it would leave out those that are not."""
    tables = queue_tables(t)
    t.execute("SELECT polyglot.stop_workers()")
    t.execute(f"CREATE INDEX odd ON {tables[0]} (captured_at);"
              f"CREATE INDEX odder ON {tables[1]} ((n + 1)) WHERE n > 0")
    t.execute("UPDATE t SET v = 'a' WHERE id < 300")
    t.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(5000, 5999) i")
    t.execute(f"CLUSTER {tables[0]} USING odd")
    assert sum(t.value(f"SELECT count(*) FROM {table}") for table in tables) > 1
    t.execute("UPDATE t SET v = 'b' WHERE id > 200")
    t.execute("SELECT polyglot.start_workers()")
    t.assert_equal("t")
    t.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(10000, 19999) i")
    t.assert_equal("t")
    t.execute("DROP INDEX polyglot.odd, polyglot.odder")
    t.assert_equal("t")


def test_rotation_under_a_held_snapshot(t):
    """A long-open transaction elsewhere hides nothing and stops nothing."""
    with t.connect(autocommit=False) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM t")
        for number in range(15):
            t.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(%s::integer, %s) i",
                      (10000 + number * 4000, 13999 + number * 4000))
        t.assert_equal("t")


def test_the_queue_does_not_grow_for_ever(t):
    for number in range(20):
        t.execute("UPDATE t SET v = %s", (f"pass {number}",))
        t.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(20000, 40000) i;"
                  "DELETE FROM t WHERE id >= 20000")
        t.wait()
    sizes = [t.value("SELECT pg_relation_size(%s::regclass)", (table,))
             for table in queue_tables(t)]
    assert sum(sizes) < 20 * 1024 * 1024, sizes
    t.assert_equal("t")
