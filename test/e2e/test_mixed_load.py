"""90 seconds of everything at once, while every process dies in turn."""

import os
import time

import pytest

from conftest import Database
from mixed_writers import SCHEMA, SYNCS, MixedWriters, finish_prepared

DURATION = float(os.environ.get("POLYGLOT_MIXED_SECONDS", "95"))


@pytest.fixture
def shop(pg, own_search):
    database = Database(pg, own_search)
    database.execute(SCHEMA)
    for table, (arguments, _) in SYNCS.items():
        database.create_sync(table, **arguments)
    database.wait()
    yield database
    if own_search.pid is None:
        own_search.start()
    database.drop()


def kill_a_worker(db):
    db.pg.kill(db.wait_for_worker())
    db.pg.wait_until_up()


@pytest.mark.slow
def test_index_equals_table_after_90_seconds_of_mixed_load_and_every_kind_of_death(shop, own_search):
    writers = MixedWriters(shop)
    begin = time.monotonic()
    events = [(10, lambda: shop.execute("SELECT pg_terminate_backend(%d)" % shop.wait_for_worker())),
              (20, own_search.kill),
              (33, lambda: kill_a_worker(shop)),
              (50, own_search.start),
              (70, lambda: shop.pg.restart("immediate"))]
    try:
        for second, event in events:
            time.sleep(max(0, begin + second * DURATION / 95 - time.monotonic()))
            event()
        time.sleep(max(0, begin + DURATION - time.monotonic()))
    finally:
        writers.stop()
    finish_prepared(shop)
    print(f"{sum(writers.committed)} committed, {writers.lost_connections} connections lost,"
          f" slowest transaction {writers.slowest:.2f} s")
    assert writers.errors == []
    assert sum(writers.committed) >= 5000
    shop.wait(timeout="180s")
    for table, (_, comparison) in SYNCS.items():
        shop.assert_equal(table, wait=False, **comparison)
    assert shop.dead_letters() == []
