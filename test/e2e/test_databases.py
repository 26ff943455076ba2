"""Databases that come to life: copies of a template, ones that let nobody in before."""

import time

import pytest

import processes
from conftest import Database


@pytest.fixture
def shop(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')")
    db.create_sync("t")
    db.wait()
    return db


def wait_for_failed_copy(db):
    """A minute is what the documentation promises, and as patient is who waits here."""
    db.wait_for_state("t", "failed", 90)
    assert "adopt_sync" in db.value("SELECT failed_hint FROM polyglot.sync_state")


def copy_of(shop, name, options=""):
    copy = Database.__new__(Database)
    copy.pg, copy.search, copy.name, copy.prefix = shop.pg, shop.search, name, shop.prefix
    shop.pg.execute(f'CREATE DATABASE "{name}" TEMPLATE "{shop.name}" {options}')
    return copy


def test_a_copy_of_a_template_is_looked_at(shop):
    shop.execute("SELECT polyglot.stop_workers()")
    processes.wait_for(lambda: not shop.worker_pids(), "the worker leaves")
    shop.execute("UPDATE polyglot.instance SET workers_enabled = true")
    shop.pg.execute(f'ALTER DATABASE "{shop.name}" IS_TEMPLATE true')
    copy = copy_of(shop, f"{shop.name}_copy")
    try:
        wait_for_failed_copy(copy)
        copy.execute("SELECT polyglot.stop_workers()")
    finally:
        shop.pg.execute(f'DROP DATABASE "{copy.name}" WITH (FORCE)')
        shop.pg.execute(f'ALTER DATABASE "{shop.name}" IS_TEMPLATE false')


def test_a_database_that_lets_processes_in_again_is_looked_at(shop):
    shop.pg.execute(f'ALTER DATABASE "{shop.name}" ALLOW_CONNECTIONS false')
    shop.pg.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (shop.name,))
    processes.wait_for(lambda: shop.pg.value("SELECT count(*) FROM pg_stat_activity WHERE datname = %s",
                                             (shop.name,)) == 0, "nobody is in there")
    shop.pg.reload()
    shop.pg.execute(f'ALTER DATABASE "{shop.name}" ALLOW_CONNECTIONS true')
    shop.wait_for_worker()
    shop.execute("INSERT INTO t VALUES (2, 'two')")
    shop.assert_equal("t")


def test_a_worker_that_finds_nothing_to_do_is_not_started_again_at_once(shop):
    """Its probe finds work where it finds none itself."""
    shop.execute("SELECT polyglot.stop_workers()")
    processes.wait_for(lambda: not shop.worker_pids(), "the worker leaves")
    before = shop.pg.log().count("has nothing left to do")
    shop.execute("DELETE FROM polyglot.queue; SELECT polyglot.start_workers()")
    times = []
    for number in 1, 2, 3:
        processes.wait_for(lambda: shop.pg.log().count("has nothing left to do") >= before + number, "end")
        times.append(time.monotonic())
    assert times[2] - times[1] > 4
