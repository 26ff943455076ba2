"""Rebuild, verification and repair of a million rows; TRUNCATE and COPY of many.

Each prints what it has measured.
"""

import random
import time

import pytest

import many_rows
import memory
import processes
from conftest import Database
from generations import Searcher, generation, only_index, wait_for_generation
from pgbench import Load

ROWS = 1_000_000
LASTING = 900_000  # these stay, and their `n` only grows; the others may be deleted
DAMAGES = 1000

WRITES = {
    "\\set id random(1, 900000)\nUPDATE m SET n = n + 1 WHERE id = :id;\n": 3,
    "INSERT INTO m VALUES (nextval('newcomer'), 'new', 1);\n": 1,
    "DELETE FROM m WHERE id = (SELECT nextval('doomed'));\n": 1,
}


@pytest.fixture(scope="module")
def m(pg, search):
    """A million small rows and their index."""
    db = Database(pg, search)
    db.execute("CREATE TABLE m (id integer PRIMARY KEY, kind text NOT NULL, n integer NOT NULL);"
               f"CREATE SEQUENCE newcomer START {ROWS + 1}; CREATE SEQUENCE doomed START {LASTING + 1}"
               f" MAXVALUE {ROWS} CYCLE;"
               f"INSERT INTO m SELECT i, CASE WHEN i <= {LASTING} THEN 'lasting' ELSE 'doomed' END,"
               f" 1 + i % 97 FROM generate_series(1, {ROWS}) i; ANALYZE m")
    db.create_sync("m", mapping={"properties": {"kind": {"type": "keyword"}}})
    db.wait(timeout="1200s")
    yield db
    db.drop()


def document(number, value):
    kind = "lasting" if number <= LASTING else "doomed" if number <= ROWS else "new"
    return {"id": number, "kind": kind, "n": value}


def assert_equal(db):
    db.wait(timeout="600s")
    largest = db.value("SELECT max(id) FROM m")
    assert many_rows.differences(db, "m", largest, "id, n", document) == []


class KindSearcher(Searcher):
    """Sees documents and sum of `n` for each kind, all in one search."""

    def look(self):
        found = self.client.search(index=self.index, body={
            "size": 0, "track_total_hits": False,
            "aggs": {"kinds": {"terms": {"field": "kind"}, "aggs": {"n": {"sum": {"field": "n"}}}}}})
        return {bucket["key"]: (bucket["doc_count"], int(bucket["n"]["value"]))
                for bucket in found["aggregations"]["kinds"]["buckets"]}


class Expectation:
    """What a search may see: never fewer or older documents than one before, never again a document
    that was seen to be gone."""

    def __init__(self):
        self.last = {}

    def __call__(self, seen):
        last, self.last = self.last, seen
        if seen["lasting"][0] != LASTING:
            return f"{seen['lasting'][0]} of the lasting documents"
        if seen["lasting"][1] < last.get("lasting", (0, 0))[1]:
            return "older documents than before"
        if seen.get("new", (0, 0))[0] < last.get("new", (0, 0))[0]:
            return "fewer new documents than before"
        if "doomed" in last and seen.get("doomed", (0, 0))[0] > last["doomed"][0]:
            return "deleted documents are there again"
        return None


class PromisedSearcher(KindSearcher):
    """Also knows how many new documents a search must find since wait_for_sync said so."""

    promised = 0

    def look(self):
        promised = self.promised
        found = super().look()
        assert found.get("new", (0, 0))[0] >= promised, f"fewer than the {promised} waited for"
        return found


def longest_wait(db, searcher, until):
    """Writes go on, and are waited for again and again; the longest wait in seconds."""
    longest = 0.0
    while not until():
        rows = db.value("SELECT count(*) FROM m WHERE id > %s", (ROWS,))
        began = time.monotonic()
        assert db.value("SELECT polyglot.wait_for_sync('m', '120s', true)"), db.status("m")
        searcher.promised = rows
        longest = max(longest, time.monotonic() - began)
    return longest


def test_rebuild_under_load_without_a_gap(m):
    before = memory.rss_anon(m.wait_for_worker())
    with Load(m, WRITES, "m", rate=500) as load, memory.Sampler(m.pg) as sampler, \
            PromisedSearcher(m, wrong=Expectation(), name="m") as searcher, \
            KindSearcher(m, wrong=Expectation(), name="m") as second:
        began = time.monotonic()
        m.execute("SELECT polyglot.rebuild_sync('m')")
        longest = longest_wait(m, searcher, lambda: generation(m, "m") == 2)
        seconds = time.monotonic() - began
        rate = load.rate()
        wait_for_generation(m, 2, "m")
        only_index(m, 2, "m")
        searches = len(searcher.counts) + len(second.counts)
    assert_equal(m)
    print(f"rebuild of {ROWS} rows: {seconds:.0f} s, {ROWS / seconds:.0f} rows/s, under {rate:.0f}"
          f" writes/s; {searches} searches; longest wait_for_sync {longest:.1f} s; RssAnon of the"
          f" worker {before} kB before, at most {sampler.largest} kB")
    assert rate >= 450
    assert sampler.largest - before <= 64 * 1024


def damage(client, index):
    """Does it and returns document id → problem."""
    rng = random.Random(7)
    quarter = DAMAGES // 4
    chosen = rng.sample(range(1, LASTING + 1), 3 * quarter)
    deleted, altered, old = chosen[:quarter], chosen[quarter:2 * quarter], chosen[2 * quarter:]
    orphans = rng.sample(range(5 * ROWS, 50 * ROWS), quarter)
    client.indices.put_settings(index=index, body={"index.gc_deletes": "0s"})
    lines = [{"delete": {"_id": str(number)}} for number in deleted + old]
    for number in altered + orphans:
        lines += [{"index": {"_id": str(number)}}, document(number, -5)]
    assert not client.bulk(index=index, body=lines)["errors"]
    put_back(client, index, old)
    return {**{str(number): "missing" for number in deleted},
            **{str(number): "different" for number in altered},
            **{str(number): "stale" for number in old},
            **{str(number): "orphan" for number in orphans}}


def put_back(client, index, numbers):
    """Older versions, as soon as the server has forgotten the deletes."""
    left = list(numbers)

    def all_back():
        client.indices.refresh(index=index)
        lines = []
        for number in left:
            lines += [{"index": {"_id": str(number), "version": 5, "version_type": "external"}},
                      document(number, -6)]
        items = client.bulk(index=index, body=lines)["items"]
        left[:] = [int(item["index"]["_id"]) for item in items if item["index"]["status"] == 409]
        return not left
    processes.wait_for(all_back, "the tombstones have gone")


def test_a_thousand_damages_are_found_exactly_and_repaired(m):
    m.wait(timeout="600s")
    before = memory.rss_anon(m.wait_for_worker())
    expected = damage(m.search.client(), m.index("m"))
    assert len(expected) == DAMAGES
    with memory.Sampler(m.pg) as sampler:
        rows = m.query("SELECT document_id, problem FROM polyglot.verify_sync('m')")
        compared, seconds = m.query(
            "SELECT compared, extract(epoch FROM finished_at - started_at)::float"
            " FROM polyglot.verifications WHERE sync = 'm' ORDER BY started_at DESC LIMIT 1")[0]
        verifying = sampler.largest
        assert len(rows) == DAMAGES and dict(rows) == expected
        assert m.value("SELECT polyglot.repair_sync('m')") == DAMAGES
        assert m.query("SELECT * FROM polyglot.verify_sync('m')") == []
    assert_equal(m)
    print(f"verify of {compared} rows: {seconds:.0f} s, {compared / seconds:.0f} rows/s; RssAnon of the"
          f" worker {before} kB before, at most {verifying} kB, {sampler.largest} kB until after the"
          " repair")
    assert compared >= LASTING
    assert sampler.largest <= 64 * 1024


def test_truncate_and_copy_in_one_transaction(pg, search):
    old, new = 200_000, 250_000
    db = Database(pg, search)
    db.execute("CREATE TABLE m (id integer PRIMARY KEY, kind text NOT NULL, n integer NOT NULL);"
               f"INSERT INTO m SELECT i, 'old', 1 FROM generate_series(1, {old}) i")
    db.create_sync("m", mapping={"properties": {"kind": {"type": "keyword"}}})
    db.wait(timeout="600s")
    contents = {"old": (old, old)}, {"new": (new, 2 * new)}
    with KindSearcher(db, wrong=lambda seen: seen not in contents and "neither old nor new",
                      name="m") as searcher:
        began = time.monotonic()
        with db.connect(autocommit=False) as session:
            session.execute("UPDATE m SET n = 7 WHERE id % 100 = 0; TRUNCATE m")
            with session.cursor().copy("COPY m FROM STDIN") as copy:
                for number in range(new):
                    copy.write_row((old // 2 + number, "new", 2))
        loaded = time.monotonic()
        db.wait("m", timeout="600s")
        ended = time.monotonic()
        processes.wait_for(lambda: searcher.counts[-1] == contents[1], "a search of the new content")
    assert searcher.counts[0] == contents[0]
    changes = sum(a != b for a, b in zip(searcher.counts, searcher.counts[1:]))
    assert changes == 1
    assert many_rows.differences(db, "m", old // 2 + new, "id, n", lambda number, value:
                                 {"id": number, "kind": "new", "n": value}) == []
    print(f"TRUNCATE and COPY of {new} rows in one transaction: {loaded - began:.1f} s, {ended - loaded:.1f}"
          f" s until they were found; {len(searcher.counts)} searches, all of them of the old or the new"
          " content")
    db.drop()
