"""Locks of tables: nobody who changes a table fails or waits because of the worker, and a table that
is locked for long holds up no other."""

import threading
import time

import psycopg
import pytest

import processes
from generations import wait_for_generation


@pytest.fixture
def two(db):
    db.execute("CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL)")
    db.create_sync("a")
    db.create_sync("b")
    db.execute("INSERT INTO a VALUES (1, 'one'); INSERT INTO b VALUES (1, 'one')")
    db.wait()
    return db


def waits_for_lock(db, table):
    """Somebody waits for a lock of this table."""
    return db.value("SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted", (table,))


@pytest.mark.parametrize("first, second", [("a", "b"), ("b", "a")])
def test_a_migration_of_two_tables_is_not_the_victim_of_a_deadlock(two, first, second):
    """The worker has events of both tables to deal with when one of them is locked."""
    errors = []

    def migrate():
        try:
            with two.connect(autocommit=False) as session:
                session.execute(f"ALTER TABLE {first} ADD COLUMN extra integer")  # waits for the writer
                session.execute("SELECT pg_sleep(2)")  # the worker would have looked for a deadlock by now
                session.execute(f"ALTER TABLE {second} ADD COLUMN extra integer")
        except psycopg.Error as error:
            errors.append(error)
    migration = threading.Thread(target=migrate)
    with two.connect(autocommit=False) as writer:
        writer.execute("INSERT INTO a VALUES (2, 'two'); INSERT INTO b VALUES (2, 'two')")
        migration.start()
        processes.wait_for(lambda: waits_for_lock(two, first), "the migration waits")
    migration.join()
    assert errors == []
    two.assert_equal("a")
    two.assert_equal("b")


def test_a_locked_table_holds_up_no_other(two):
    with two.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE; INSERT INTO b VALUES (2, 'two')")
        with two.connect() as other:
            other.execute("INSERT INTO a VALUES (2, 'two')")
        two.wait("a")
        two.assert_equal("a", wait=False)
    two.assert_equal("b")


def test_a_table_that_is_locked_while_its_changes_wait_holds_up_no_other(two):
    """The lock is there before the worker has read the rows again."""
    locked, end = threading.Event(), threading.Event()

    def hold():
        with two.connect(autocommit=False) as session:
            session.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE")  # waits for the writer
            locked.set()
            end.wait(120)
    holder = threading.Thread(target=hold)
    try:
        with two.connect(autocommit=False) as writer:
            writer.execute("INSERT INTO b SELECT i, 'b' FROM generate_series(2, 3000) i")
            holder.start()
            processes.wait_for(lambda: waits_for_lock(two, "b"), "the holder waits")
        assert locked.wait(60)
        for number in range(2, 20):
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="20s")
        two.assert_equal("a", wait=False)
        assert not two.value("SELECT polyglot.wait_for_sync('b', '1s')")
        assert waits_for_lock(two, "b") == 0
    finally:
        end.set()
        holder.join()
    two.assert_equal("b")


def test_what_waits_for_a_locked_table_leaves_the_pipeline_to_others(two):
    """More keys wait for it than the pipeline holds."""
    two.execute("SELECT polyglot.stop_workers()")
    two.execute("INSERT INTO b SELECT i, 'b' FROM generate_series(2, 30000) i")
    with two.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE")
        two.execute("SELECT polyglot.start_workers()")
        for number in range(2, 20):
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="60s")
        two.assert_equal("a", wait=False)
        processes.wait_for(lambda: two.status("b")["parked"] >= 29999, "all of its keys are parked")
        assert "lock of the table" in two.status("b")["last_error"]
        assert two.status("b")["state"] == "streaming"
    two.assert_equal("b")
    assert two.status("b")["last_error"] is None


def test_a_backfill_of_a_locked_table_holds_up_no_other(two):
    two.execute("CREATE TABLE c (id integer PRIMARY KEY); INSERT INTO c SELECT generate_series(1, 5000)")
    with two.connect(autocommit=False) as holder:
        two.create_sync("c")
        holder.execute("LOCK TABLE c IN ACCESS EXCLUSIVE MODE")
        two.execute("INSERT INTO a VALUES (2, 'two'); SELECT polyglot.rebuild_sync('b')")
        two.wait("a", timeout="20s")
        processes.wait_for(lambda: two.value("SELECT generation FROM polyglot.syncs WHERE sync = 'b'") == 2,
                           "the rebuild of the other")
        holder.commit()
    two.assert_equal("c")


@pytest.mark.parametrize("statement", ["SELECT polyglot.drop_sync('c')", "DROP TABLE c",
                                       "ALTER TABLE c DROP COLUMN id CASCADE"])
def test_an_open_transaction_that_ends_a_sync_holds_up_no_other(two, statement):
    """It has the row of the sync that is being filled."""
    two.execute("CREATE TABLE c (id integer PRIMARY KEY, v text);"
                "INSERT INTO c SELECT i, repeat('x', 300) FROM generate_series(1, 100000) i")
    two.create_sync("c")
    processes.wait_for(lambda: two.status("c")["backfill_rows"], "the first rows")
    with two.connect(autocommit=False) as session:
        session.execute(statement)
        for number in range(2, 12):
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="30s")
            time.sleep(0.5)  # progress is stored every 2 s
        session.rollback()
    two.assert_equal("a")
    two.assert_equal("c")


def test_an_open_transaction_that_ends_a_sync_with_parked_keys_holds_up_no_other(two):
    """It has the rows of the keys, which changes of others want to have, too."""
    two.execute("SELECT polyglot.pause_sync('b')")
    two.wait_for_state("b", "paused")
    two.execute("INSERT INTO b SELECT i, 'parked' FROM generate_series(2, 100) i")
    processes.wait_for(lambda: two.status("b")["parked"] == 99, "parked keys")
    with two.connect(autocommit=False) as writer, two.connect(autocommit=False) as session:
        writer.execute("UPDATE b SET v = 'again'")  # so that the triggers cannot be dropped at once
        session.execute("SELECT polyglot.drop_sync('b')")
        writer.commit()
        two.execute("INSERT INTO a VALUES (2, 'two')")
        two.wait("a", timeout="30s")
        session.rollback()
    processes.wait_for(lambda: two.status("b")["parked"] == 100, "parked keys")
    two.execute("SELECT polyglot.resume_sync('b')")
    two.assert_equal("a")
    two.assert_equal("b")


def test_an_open_drop_of_a_sync_whose_new_index_is_lost_holds_up_no_other(two):
    """It has the rows of both generations when the rebuild begins again."""
    two.execute("INSERT INTO b SELECT i, 'row' FROM generate_series(2, 3000) i")
    two.wait("b")
    two.execute("SELECT polyglot.alter_sync('b', options => '{\"backfill_rate\": 60}')")
    two.execute("SELECT polyglot.rebuild_sync('b')")
    client, new = two.search.client(), two.index("b-000002")
    processes.wait_for(lambda: client.indices.exists(index=new), "the new index")
    with two.connect(autocommit=False) as session:
        session.execute("SELECT polyglot.drop_sync('b')")
        client.indices.delete(index=new)
        for number in range(2, 32):  # indexes are looked at every 10 s
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="30s")
            time.sleep(0.5)
        session.rollback()
    two.execute("SELECT polyglot.alter_sync('b', options => '{}')")
    wait_for_generation(two, 3, "b")
    two.assert_equal("a")
    two.assert_equal("b")


@pytest.fixture
def strict(db):
    """`b` has a dead letter."""
    db.execute("CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL)")
    db.create_sync("a")
    db.create_sync("b", mapping='{"properties": {"v": {"type": "integer"}}}')
    db.execute("INSERT INTO b VALUES (1, 'not a number'), (2, '2')")
    db.wait()
    assert db.value("SELECT count(*) FROM polyglot.dead_letters") == 1
    return db


def test_an_open_discard_holds_up_no_other(strict):
    """The document is refused again while somebody's open transaction deletes its dead letter."""
    with strict.connect(autocommit=False) as session:
        assert session.execute("SELECT polyglot.discard('b')").fetchone()[0] == 1
        strict.execute("UPDATE b SET v = 'still none' WHERE id = 1; INSERT INTO a VALUES (1, 'a')")
        strict.wait("a", timeout="60s")
        processes.wait_for(lambda: "dead letters" in (strict.status("b")["last_error"] or ""),
                           lambda: strict.status("b"))
        strict.execute("INSERT INTO a VALUES (2, 'a'); INSERT INTO b VALUES (3, '3')")
        strict.wait("a", timeout="60s")
        session.commit()
    strict.wait()
    letters = strict.query("SELECT document_id, document::text FROM polyglot.dead_letters")
    assert [(id, "still none" in document) for id, document in letters] == [("1", True)]
    assert strict.status("b")["last_error"] is None or "dead letters" not in strict.status("b")["last_error"]
    strict.execute("UPDATE b SET v = '1' WHERE id = 1")
    strict.assert_equal("b")


def test_an_open_discard_of_an_unreadable_row_holds_up_no_other(db):
    db.execute("CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL)")
    db.create_sync("a")
    db.create_sync("b", document="pg_catalog.jsonb_build_object('n', v::pg_catalog.int4)")
    db.execute("INSERT INTO b VALUES (1, 'none')")
    db.wait()
    with db.connect(autocommit=False) as session:
        assert session.execute("SELECT polyglot.discard('b')").fetchone()[0] == 1
        db.execute("UPDATE b SET v = 'still none' WHERE id = 1; INSERT INTO a VALUES (1, 'a')")
        db.wait("a", timeout="60s")
        session.commit()
    db.wait()
    assert db.value("SELECT reason FROM polyglot.dead_letters") == \
        'invalid input syntax for type integer: "still none"'
