"""Kill any process at any moment: everything goes on, nothing is lost."""

import threading
import time

import psycopg
import pytest

import processes


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 2000) i")
    db.create_sync("t")
    db.wait()
    return db


@pytest.fixture
def busy(t):
    """A writer in the background that survives the loss of its connection."""
    ended = threading.Event()

    def write():
        number = 0
        while not ended.is_set():
            try:
                with t.connect() as session:
                    while not ended.is_set():
                        number += 1
                        session.execute("INSERT INTO t VALUES (%s, %s) ON CONFLICT (id) DO UPDATE"
                                        " SET v = excluded.v", (number % 4000, f"v{number}"))
                        if number % 10 == 0:
                            session.execute("DELETE FROM t WHERE id = %s", (number % 4000 - 5,))
            except psycopg.OperationalError:
                ended.wait(0.1)
    writer = threading.Thread(target=write)
    writer.start()
    yield t
    ended.set()
    writer.join()
    t.assert_equal("t")


def new_worker(db, old):
    return processes.wait_for(lambda: [pid for pid in db.worker_pids() if pid != old],
                              "a new worker")[0]


def test_a_terminated_worker_comes_back(busy):
    old = busy.wait_for_worker()
    busy.execute("SELECT pg_sleep(1); SELECT pg_terminate_backend(%d)" % old)
    new_worker(busy, old)


def test_a_killed_worker_comes_back(busy):
    """kill -9: PostgreSQL restarts every process and recovers."""
    old = busy.wait_for_worker()
    busy.pg.kill(old)
    busy.pg.wait_until_up()
    new_worker(busy, old)


def test_a_terminated_launcher_comes_back(busy):
    (old,) = busy.pg.server_processes("polyglot_sync launcher")
    busy.execute("SELECT pg_terminate_backend(%d)" % old)
    processes.wait_for(lambda: [pid for pid in busy.pg.server_processes("polyglot_sync launcher")
                                if pid != old], "a new launcher", 120)


def test_a_killed_backend_in_mid_transaction(busy):
    with pytest.raises(psycopg.OperationalError):
        with busy.connect(autocommit=False) as session:
            session.execute("INSERT INTO t SELECT i, 'never' FROM generate_series(50000, 90000) i")
            busy.pg.kill(session.info.backend_pid)
            session.execute("SELECT 1")
    busy.pg.wait_until_up()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_postgresql(busy, mode):
    busy.execute("INSERT INTO t SELECT i, 'bulk' FROM generate_series(10000, 30000) i")
    busy.pg.restart(mode)
    busy.execute("DELETE FROM t WHERE id BETWEEN 10000 AND 20000")


def test_three_crashes_in_a_row(busy):
    for number in range(3):
        busy.execute("UPDATE t SET v = %s WHERE id < 500", (f"crash {number}",))
        busy.pg.restart("immediate")


def test_crashes_that_undo_asynchronous_commits(busy):
    """What a crash takes back must not have been sent: neither by its event nor by a newer re-read."""
    busy.execute(f'ALTER DATABASE "{busy.name}" SET synchronous_commit = off')
    busy.pg.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    for number in range(3):
        busy.pg.restart("immediate")
        processes.wait_for(lambda: busy.status("t")["delivered"] > 200, "deliveries between crashes")
        busy.execute("UPDATE t SET v = v || '+' WHERE id < 100")
    busy.pg.restart("immediate")
    busy.pg.execute("ALTER SYSTEM RESET wal_writer_delay")
    busy.pg.reload()


def test_a_shutdown_is_prompt_with_work_in_hand(t):
    t.execute("INSERT INTO t SELECT i, 'bulk' FROM generate_series(10000, 60000) i")
    begin = time.monotonic()
    t.pg.stop("fast")
    assert time.monotonic() - begin < 10
    t.pg.start()
    t.assert_equal("t")
