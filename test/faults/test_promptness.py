"""An endpoint that accepts and never answers holds nobody up: each end takes less than a second."""

import time

import pytest

import processes
from conftest import Database
from fault_proxy import FaultProxy


@pytest.fixture
def hanging(pg, search):
    """A database whose worker waits for an answer that never comes."""
    if pg.pid is None:
        pg.start()
    with FaultProxy(search.port) as proxy:
        database = Database(pg, search, server=False)
        database.create_server(url=proxy.url, request_timeout="5min")
        database.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                         "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 100) i")
        database.create_sync("t")
        database.wait()
        proxy.black_hole()
        proxy.reset_connections()
        database.execute("UPDATE t SET v = 'never answered'")
        processes.wait_for(lambda: proxy.swallowed > 0, "a request that is not answered")
        yield database
        proxy.heal()
        if pg.pid is None:
            pg.start()
        proxy.reset_connections()
        database.assert_equal("t")
        database.drop()


def assert_prompt(what, action):
    begin = time.monotonic()
    action()
    seconds = time.monotonic() - begin
    print(f"{what}: {seconds:.3f} s")
    assert seconds < 5


def test_drop_database_does_not_hang(hanging):
    """pg_net#78: a worker that ignored the barrier of DROP DATABASE hung it for ever."""
    hanging.pg.execute("CREATE DATABASE other")
    hanging.pg.execute("CHECKPOINT")  # DROP DATABASE makes one: its time is not ours
    assert_prompt("DROP DATABASE of another database",
                  lambda: hanging.pg.execute("DROP DATABASE other"))


def test_terminating_a_worker_does_not_wait_for_its_request(hanging):
    pid = hanging.wait_for_worker()

    def terminate():
        hanging.execute("SELECT pg_terminate_backend(%s)", (pid,))
        processes.wait_for(lambda: not processes.is_alive(pid), "the worker's end", interval=0.005)
    assert_prompt("terminate of the worker", terminate)


def test_a_fast_shutdown_does_not_wait_for_a_request(hanging):
    hanging.execute("CHECKPOINT")
    assert_prompt("fast shutdown", lambda: hanging.pg.stop("fast"))
