"""kill -9 at every step of a rebuild: it goes on where it was, and no search ever finds less."""

import pytest

import processes
from conftest import Database
from faulty_build import faulty_cluster
from generations import Searcher, Writer, generation, never_fewer, only_index, wait_for_generation

# In the order in which a rebuild comes by: src/pg/worker/rebuild*.cpp and what they use.
POINTS = ["begun", "index made", "prepare", "remember", "relax", "progress stored", "backfill ended",
          "fill", "restore", "drain", "refresh", "count", "switch", "asked to switch", "alias moved",
          "switched", "done", "hand-over", "handed over", "index deleted"]


@pytest.fixture(scope="module")
def pg():
    yield from faulty_cluster("steps", {"polyglot_sync.worker_restart_delay": "1s"})


@pytest.fixture
def t(pg, search):
    db = Database(pg, search)
    db.execute("ALTER SERVER search OPTIONS (ADD request_timeout '10s');"
               "CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i")
    db.create_sync("t")
    db.wait(timeout="180s")
    yield db
    if pg.pid is None:
        pg.start()
    db.drop()


def die_at(db, point):
    marker = db.pg.data / "fault_point"
    marker.write_text(point)
    processes.own(db.pg.data)
    db.pg.killed += 1
    return marker


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_at(t, point):
    marker = die_at(t, point)
    with Searcher(t, wrong=never_fewer()), \
            Writer(t, "INSERT INTO t VALUES (100000 + %(n)s, 'live') ON CONFLICT DO NOTHING"):
        t.execute("SELECT polyglot.rebuild_sync('t')")
        processes.wait_for(lambda: not marker.exists(), f"the worker's death at: {point}", 180)
        t.pg.wait_until_up()
        wait_for_generation(t, 2)
    t.execute("DELETE FROM t WHERE id % 3 = 0")
    t.assert_equal("t")
    only_index(t, 2)
    assert generation(t) == 2


@pytest.mark.parametrize("point", ["index made", "progress stored", "asked to switch", "alias moved",
                                   "hand-over"])
def test_a_sync_that_is_dropped_after_the_death(t, point):
    """Whatever the rebuild had come to, one index is left, and the alias points to it."""
    marker = die_at(t, point)
    t.execute("SELECT polyglot.rebuild_sync('t')")
    processes.wait_for(lambda: not marker.exists(), f"the worker's death at: {point}", 180)
    t.pg.wait_until_up()
    t.execute("SELECT polyglot.drop_sync('t')")
    processes.wait_for(lambda: not t.query("SELECT FROM polyglot.dropped_index"), "nothing to drop", 120)
    left = t.search.client().indices.get_alias(index=t.prefix + "*")
    assert len(left) == 1 and [list(entry["aliases"]) for entry in left.values()] == [[t.index("t")]]
