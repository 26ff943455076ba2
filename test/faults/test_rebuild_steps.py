"""kill -9 at every step of a rebuild: it goes on where it was, and no search ever finds less."""

import re

import psycopg
import pytest

import processes
from conftest import Database
from faulty_build import ROOT, faulty_cluster
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
    pg.restart()  # after each crash of the same postmaster a worker reads one thing at a time for longer
    db = Database(pg, search)
    db.execute("ALTER SERVER search OPTIONS (ADD request_timeout '10s');"
               "CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i")
    db.create_sync("t")
    db.wait(timeout="180s")
    yield db
    pg.wait_until_up()
    db.drop()


DEATH = "was terminated by signal 9"


def die_at(db, point):
    """The next worker that comes to this point dies there. Returns what waits until it has died, and
    PostgreSQL is up again."""
    marker, before = db.pg.data / "fault_point", db.pg.log().count(DEATH)
    marker.write_text(point)
    processes.own(db.pg.data)
    db.pg.killed += 1

    def wait():
        processes.wait_for(lambda: db.pg.log().count(DEATH) > before, f"the worker's death at: {point}", 180)
        assert not marker.exists()
        db.pg.wait_until_up()
    return wait


def tell(db, statement):
    """The worker may die before the answer has come."""
    try:
        db.execute(statement)
    except psycopg.OperationalError:
        pass


def test_every_point_is_in_the_list():
    """Of the sources: the names of the points, and the steps, each of which is one."""
    found = set()
    for file in (ROOT / "src/pg/worker").glob("*.cpp"):
        text = file.read_text()
        found |= set(re.findall(r'FaultPoint\("([^"]+)"\)', text))
        if file.name == "rebuild.cpp":
            (names,) = re.findall(r"const char\* names\[\] = \{([^}]*)\}", text)
            found |= set(re.findall(r'"([^"]+)"', names))
    assert found == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_at(t, point):
    wait_for_death = die_at(t, point)
    with Searcher(t, wrong=never_fewer()), \
            Writer(t, "INSERT INTO t VALUES (100000 + %(n)s, 'live') ON CONFLICT DO NOTHING"):
        tell(t, "SELECT polyglot.rebuild_sync('t')")
        wait_for_death()
        wait_for_generation(t, 2)
    t.execute("DELETE FROM t WHERE id % 3 = 0")
    t.assert_equal("t")
    only_index(t, 2)
    assert generation(t) == 2


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_after_a_truncate_at(t, point):
    """Searches find the old content or the new one, each as a whole, whenever the worker died."""
    wait_for_death = die_at(t, point)
    with Searcher(t, wrong=lambda count: count not in (20000, 15000) and f"{count} documents") as searcher:
        tell(t, "TRUNCATE t; INSERT INTO t SELECT i, 'new' FROM generate_series(15001, 30000) i")
        wait_for_death()
        wait_for_generation(t, 2)
        processes.wait_for(lambda: searcher.counts[-1] == 15000 or searcher.problem, "the new content")
    t.assert_equal("t")
    only_index(t, 2)


@pytest.mark.parametrize("point", ["index made", "progress stored", "asked to switch", "alias moved",
                                   "hand-over"])
def test_a_sync_that_is_dropped_after_the_death(t, point):
    """Whatever the rebuild had come to, one index is left, and the alias points to it."""
    wait_for_death = die_at(t, point)
    tell(t, "SELECT polyglot.rebuild_sync('t')")
    wait_for_death()
    t.execute("SELECT polyglot.drop_sync('t')")
    processes.wait_for(lambda: not t.query("SELECT FROM polyglot.dropped_index"), "nothing to drop", 120)
    left = t.search.client().indices.get_alias(index=t.prefix + "*")
    assert len(left) == 1 and [list(entry["aliases"]) for entry in left.values()] == [[t.index("t")]]
