"""A worker's private memory grows neither with what has failed nor with what waits."""

import pytest

import many_rows
import memory
import processes
from conftest import Database

MEGABYTE = 1 << 20


@pytest.fixture
def own(pg, own_search):
    if own_search.pid is None:
        own_search.start()
    database = Database(pg, own_search)
    yield database
    if own_search.pid is None:
        own_search.start()
    database.drop()


def memory_after_restart(db):
    """The most RssAnon, in kB, of a new worker that has come to rest and delivered a change."""
    old = db.wait_for_worker()
    db.execute("SELECT pg_terminate_backend(%s)", (old,))
    processes.wait_for(lambda: [pid for pid in db.worker_pids() if pid != old], "a new worker")
    with memory.Sampler(db.pg) as sampler:
        db.wait_for_state("t", "streaming")
        db.execute("UPDATE t SET n = n + 1 WHERE id = 3")
        db.wait()
    return max(sampler.largest, memory.rss_anon(db.wait_for_worker()))


def test_dead_letters_cost_no_memory_after_a_restart(own):
    """Of three rows one is good: refused for two reasons, they do not say that the mapping is wrong."""
    own.execute("CREATE TABLE t (id integer PRIMARY KEY, n integer, v text);"
                "INSERT INTO t SELECT i, i, '1' FROM generate_series(1, 3000) i")
    own.create_sync("t", document="CASE WHEN v = 'unknown' THEN jsonb_build_object('n', n, 'w', v)"
                                  " ELSE jsonb_build_object('n', n, 'v', v) END",
                    mapping={"dynamic": "strict", "properties": {"n": {"type": "integer"},
                                                                 "v": {"type": "integer"}}})
    own.wait()
    without = memory_after_restart(own)
    own.execute("INSERT INTO t SELECT i, i, (ARRAY['2', 'wrong', 'unknown'])[1 + i % 3]"
                " FROM generate_series(3001, 153000) i")
    own.wait(timeout="600s")
    assert own.status("t")["dead_letters"] == 100_000
    assert own.status("t")["state"] == "streaming"
    loaded = memory_after_restart(own)
    print(f"RssAnon of a restarted worker: {without} kB without dead letters, {loaded} kB with 100,000")
    assert loaded - without <= 4 * 1024
    assert len(own.documents("t")) == 53_000


def queue_bytes(db):
    return db.value("SELECT sum(pg_relation_size(t)) FROM polyglot.queue,"
                    " LATERAL (VALUES (table_a), (table_b)) AS v(t) WHERE server <> 0")


def test_a_million_changes_while_the_server_is_away(own, own_search):
    rows = 1_000_000
    own.execute("CREATE TABLE m (id integer PRIMARY KEY, v integer);"  # v = 0: every update is a change
                f"INSERT INTO m SELECT i, 0 FROM generate_series(1, {rows}) i")
    own.create_sync("m", backfill=False, settings={"index.refresh_interval": "10s"})
    own.wait()
    before = memory.rss_anon(own.wait_for_worker())
    own_search.kill()
    with memory.Sampler(own.pg) as sampler:
        own.execute("UPDATE m SET v = 1 + id % 9973")
        own.wait_for_state("m", "disconnected")
        processes.wait_for(lambda: own.status("m")["parked"] >= rows, lambda: own.status("m"), 600)
        own.execute("UPDATE m SET v = v + 1 WHERE id % 100 = 1; DELETE FROM m WHERE id % 100 = 2")
        processes.wait_for(lambda: queue_bytes(own) < MEGABYTE, lambda: f"{queue_bytes(own)} B queued",
                           300)
        assert own.status("m")["parked"] == rows
        parked = own.value("SELECT pg_total_relation_size('polyglot.parked_key')")
        away = sampler.largest
        own_search.start()
        own.wait(timeout="1200s")
    print(f"RssAnon of the worker: {before} kB before, at most {away} kB while the server was away,"
          f" {sampler.largest} kB when it came back; parked keys: {parked / MEGABYTE:.0f} MB on disk")
    assert sampler.largest - before <= 64 * 1024
    assert parked <= 400 * rows
    assert many_rows.differences(own, "m", rows, "id, v",
                                 lambda number, value: {"id": number, "v": value}) == []
    assert own.status("m")["parked"] == 0
    assert own.dead_letters() == []
    assert "events dropped" not in own.pg.log()


def test_what_waits_long_does_not_keep_all_scans_since(pg, search):
    """An open discard keeps one outcome unsettled; a position names every transaction that was open."""
    db = Database(pg, search)
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'bad');"
               "CREATE TABLE busy (id integer PRIMARY KEY, n integer); INSERT INTO busy VALUES (1, 0)")
    db.create_sync("t", mapping={"properties": {"v": {"type": "integer"}}})
    db.create_sync("busy")
    db.wait()
    open_ones = [db.connect(autocommit=False) for _ in range(40)]
    for session in open_ones:
        session.execute("SELECT pg_current_xact_id()")
    discard = open_ones[0]
    discard.execute("SELECT polyglot.discard('t')")
    db.execute("UPDATE t SET v = 'worse'")

    def commits(count):
        with db.connect() as session:
            for number in range(count):
                session.execute("UPDATE busy SET n = %s", (number,))
        assert db.value("SELECT polyglot.wait_for_sync('busy', '60s')")
        return memory.rss_anon(db.wait_for_worker())
    before = commits(4000)
    grown = commits(25_000) - before
    print(f"25,000 commits beside an outcome that waits: {grown} kB more")
    assert grown < 2048
    for session in open_ones:
        session.close()
    db.wait()
    assert len(db.dead_letters()) == 1
    db.drop()


def test_the_outbox_is_read_without_keeping_parked_keys_in_memory(pg, search):
    rows = 100_000
    db = Database(pg, search)
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.create_sync("t")
    db.wait()
    db.execute("SELECT polyglot.pause_sync('t');"
               f"INSERT INTO t SELECT i, 'v' FROM generate_series(1, {rows}) i")
    processes.wait_for(lambda: db.status("t")["parked"] == rows, lambda: db.status("t"), 300)
    with db.connect() as session:
        session.execute("SELECT count(*) FROM polyglot.status")
        before = memory.most_resident(session.info.backend_pid)
        (found,) = session.execute("SELECT count(*) FROM polyglot.outbox"
                                   " WHERE operation = 'parked'").fetchone()
        grown = memory.most_resident(session.info.backend_pid) - before
    print(f"polyglot.outbox with {rows} parked keys: {grown} kB more")
    assert found == rows
    assert grown < 48 * 1024  # with the buffers that it looks at
    db.drop()
