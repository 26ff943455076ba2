"""A transaction that changes definitions is visible before anybody is told of it: for a moment, which these
tests make long."""

import contextlib
import threading

import pytest

import processes
from conftest import Database
from faulty_build import faulty_cluster


@pytest.fixture(scope="module")
def pg():
    yield from faulty_cluster("definitions", {"polyglot_sync.worker_restart_delay": "1s"})


@pytest.fixture
def db(pg, search):
    database = Database(pg, search)
    # A worker that knows of other syncs, and reads the queue.
    database.execute("CREATE TABLE busy (id integer PRIMARY KEY, v text); INSERT INTO busy VALUES (1, 'row');"
                     "CREATE TABLE t (id integer PRIMARY KEY, v text)")
    database.create_sync("busy")
    database.wait()
    yield database
    (pg.data / "fault_pause").unlink(missing_ok=True)
    database.drop()


@contextlib.contextmanager
def visible_but_not_told(db, *statements):
    """Inside, the transaction of these statements has committed, and its callbacks have not run."""
    def run():
        with db.connect(autocommit=False) as session:
            for statement in statements:
                session.execute(statement)
            (db.pg.data / "fault_pause").write_text("definitions committed")
            session.commit()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        processes.wait_for(lambda: db.value("SELECT count(*) FROM polyglot.syncs WHERE sync = 't'"),
                           "the commit is visible")
        yield
    finally:
        (db.pg.data / "fault_pause").unlink()
        thread.join()


def scan_twice(db):
    """Whatever is visible now has been read when it returns."""
    for number in range(2):
        db.execute("UPDATE busy SET v = %s", (str(number),))
        db.wait("busy", "60s")


CREATE = "SELECT polyglot.create_sync('t', 'search', backfill => false)"
ROWS = "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 10) i"


@pytest.mark.parametrize("statements", [
    [CREATE, ROWS],
    [CREATE, "SAVEPOINT s", ROWS, "RELEASE s", "SAVEPOINT u", "DELETE FROM t", "ROLLBACK TO u"],
    [ROWS, CREATE, "SELECT polyglot.enqueue('t', i) FROM generate_series(1, 10) i"],
    ["DROP TABLE t", "CREATE TABLE t (id integer PRIMARY KEY, v text)", CREATE, ROWS],
    [ROWS, CREATE, "SELECT polyglot.rebuild_sync('t')"],
    [ROWS, CREATE, "TRUNCATE t", ROWS],
    [ROWS, "SELECT polyglot.create_sync('t', 'search')", "UPDATE t SET v = 'changed'"],
], ids=["rows", "savepoints", "enqueued", "new table", "rebuild", "truncated", "backfill"])
def test_what_the_transaction_that_creates_a_sync_writes_reaches_it(db, statements):
    with visible_but_not_told(db, *statements):
        scan_twice(db)
    db.wait()
    db.assert_equal("t", wait=False)


def test_a_second_sync_of_a_table_gets_what_its_own_transaction_writes(db):
    db.create_sync("t", name="first", index=db.index("first"))
    with visible_but_not_told(db, CREATE, ROWS):
        scan_twice(db)
    db.wait()
    db.assert_equal("t", wait=False)
    db.assert_equal("t", "first", wait=False)


def test_a_sync_that_is_dropped_and_created_again_gets_what_its_own_transaction_writes(db):
    db.create_sync("t")
    db.wait()
    before = db.value("SELECT id FROM polyglot.sync_definition WHERE name = 't'")
    with visible_but_not_told(db, "SELECT polyglot.drop_sync('t', drop_index => true)", CREATE, ROWS):
        processes.wait_for(
            lambda: db.value("SELECT id FROM polyglot.sync_definition WHERE name = 't'") != before,
            "the new one is visible")
        scan_twice(db)
    db.wait()
    db.assert_equal("t", wait=False)


def test_a_commit_that_fails_leaves_nothing_behind_that_workers_wait_for(db):
    """Deferred constraints are checked first, other things after; and sessions may be ended at any time."""
    db.execute("CREATE TABLE u (id integer PRIMARY KEY REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    with db.connect(autocommit=False) as session:
        session.execute("SELECT polyglot.create_sync('t', 'search')")
        session.execute("INSERT INTO u VALUES (1)")
        with pytest.raises(Exception, match="u_id_fkey"):
            session.commit()
    session = db.connect(autocommit=False)
    session.execute("SELECT polyglot.create_sync('t', 'search')")
    db.execute("SELECT pg_terminate_backend(%s, 60000)", (session.info.backend_pid,))
    session.close()
    db.create_sync("t", backfill=False)
    db.execute(ROWS)
    db.assert_equal("t")
