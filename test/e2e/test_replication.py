"""Replicated writes are captured; our own tables stay out of replication."""

import pytest

import processes
from conftest import Database


def test_writes_with_replica_role_are_captured(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.create_sync("t")
    with db.connect() as session:
        session.execute("SET session_replication_role = replica")
        session.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(1, 100) i")
        session.execute("DELETE FROM t WHERE id < 10; UPDATE t SET v = 'y' WHERE id > 90")
    db.assert_equal("t")
    with db.connect() as session:
        session.execute("SET session_replication_role = replica")
        session.execute("TRUNCATE t; INSERT INTO t VALUES (1, 'alone')")
    db.assert_equal("t")


def test_a_session_with_replica_role_manages_syncs(db):
    """Our tables discard replicated rows, not what such a session asks for."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')")
    with db.connect() as session:
        session.execute("SET session_replication_role = replica")
        session.execute("SELECT polyglot.create_sync('t', 'search', index => %s)", (db.index("t"),))
        session.execute("SELECT polyglot.create_sync(NULL, 'search', 'events', index => %s)",
                        (db.index("events"),))
        session.execute("""SELECT polyglot.publish('events', '1', '{"n": 1}')""")
        session.execute("ALTER TABLE t ADD COLUMN w integer DEFAULT 7")
        assert session.execute("SHOW session_replication_role").fetchone()[0] == "replica"
    db.assert_equal("t")
    db.wait("events")
    assert db.search.client().get(index=db.index("events"), id="1")["_source"] == {"n": 1}
    with db.connect() as session:
        session.execute("SET session_replication_role = replica")
        session.execute("SELECT polyglot.drop_sync('t')")
    assert [row["sync"] for row in db.status()] == ["events"]


@pytest.fixture
def pair(pg, new_cluster, search):
    """Databases `shop` on two clusters: the publisher's and the subscriber's."""
    publisher, subscriber = pg, new_cluster()
    first = Database(publisher, search, "shop")
    second = Database(subscriber, search, "shop")
    second.execute("DROP SERVER search CASCADE")
    second.prefix += "subscriber_"
    second.create_server()
    yield first, second
    if subscriber.value("SELECT count(*) FROM pg_subscription"):
        second.execute("ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE);"
                       "DROP SUBSCRIPTION s")
    first.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                  " WHERE NOT active")
    second.drop()
    first.drop()


def subscribe(first, second):
    second.execute(f"CREATE SUBSCRIPTION s CONNECTION '{first.pg.dsn(first.name)}' PUBLICATION p")


def wait_for_rows(db, table, rows):
    processes.wait_for(lambda: db.value(f"SELECT count(*) FROM {table}") == rows,
                       f"{rows} rows in {table}")


def test_a_subscription_feeds_the_subscribers_index(pair):
    first, second = pair
    for db in pair:
        db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    first.execute("INSERT INTO t SELECT i, 'initial' FROM generate_series(1, 1000) i;"
                  "CREATE PUBLICATION p FOR TABLE t")
    second.create_sync("t")
    subscribe(first, second)
    wait_for_rows(second, "t", 1000)
    first.execute("UPDATE t SET v = 'changed' WHERE id < 100; DELETE FROM t WHERE id > 900")
    wait_for_rows(second, "t", 900)
    second.assert_equal("t")
    first.execute("TRUNCATE t; INSERT INTO t VALUES (1, 'alone')")
    wait_for_rows(second, "t", 1)
    processes.wait_for(lambda: second.value("SELECT v FROM t") == "alone", "the new row")
    second.assert_equal("t")


def test_all_tables_published_with_syncs_and_a_backlog_on_both_sides(pair):
    """The publisher's queue rotates while the subscriber's queue holds what is not delivered."""
    first, second = pair
    for db in pair:
        db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    second.execute("CREATE TABLE own (id integer PRIMARY KEY, v text)")
    first.create_sync("t")
    second.create_sync("t")
    second.create_sync("own")
    first.execute("CREATE TABLE own (id integer PRIMARY KEY, v text);"
                  "CREATE PUBLICATION p FOR ALL TABLES")
    subscribe(first, second)
    processes.wait_for(lambda: second.value(
        "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"), "the initial copy", 120)
    for db in pair:
        db.wait()
    second.execute("SELECT polyglot.stop_workers()")
    second.execute("INSERT INTO own SELECT i, 'backlog' FROM generate_series(1, 5000) i")
    tables = [oid for row in first.query("SELECT table_a, table_b FROM polyglot.queue")
              for oid in row]

    def files():
        return [first.value("SELECT pg_relation_filenode(%s::oid)", (oid,)) for oid in tables]
    before, passes = files(), 0
    while files() == before and passes < 40:
        passes += 1
        first.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(1, 20000) i"
                      " ON CONFLICT (id) DO UPDATE SET v = excluded.v || t.v")
        first.wait()
    assert files() != before, "the publisher's queue did not rotate"
    first.execute("DELETE FROM t WHERE id > 10")
    wait_for_rows(second, "t", 10)
    second.execute("SELECT polyglot.start_workers()")
    second.assert_equal("own")
    second.assert_equal("t")
    first.assert_equal("t")
    assert [row["sync"] for row in second.status()] == ["own", "t"]
