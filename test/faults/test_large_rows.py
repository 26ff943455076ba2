"""Rows of many megabytes: what a worker takes of memory, and who waits for them."""

import time

import pytest

import memory
import processes
from conftest import Database
from search_server import SearchServer

MEGABYTE = 1 << 20


@pytest.fixture
def two(pg, search):
    db = Database(pg, search)
    db.execute("CREATE TABLE f (id integer PRIMARY KEY, a text, b bytea);"
               "CREATE TABLE ok (id integer PRIMARY KEY)")
    db.create_sync("f")
    db.create_sync("ok")
    db.wait()
    yield db
    db.drop()


ROWS = {
    "beyond a gigabyte as JSON": "INSERT INTO f VALUES (1, repeat(chr(1), 186646528))",
    "newlines": r"INSERT INTO f VALUES (1, repeat(E'\n', 540000000))",
    "bytes": "INSERT INTO f (id, b) SELECT 1, convert_to(repeat('x', 800000000), 'UTF8')",
    "many": "INSERT INTO f SELECT g, repeat(chr(1), 60000000) FROM generate_series(1, 7) g",
}


@pytest.mark.parametrize("statement", ROWS.values(), ids=list(ROWS))
def test_a_huge_row_is_a_dead_letter_within_bounds(two, statement):
    worker = two.wait_for_worker()
    with memory.Sampler(two.pg) as sampler:
        two.execute(statement)
        begun = time.monotonic()
        two.execute("INSERT INTO ok VALUES (1)")
        two.wait("ok")
        other = time.monotonic() - begun
        two.wait("f", timeout="120s")
    rows = two.value("SELECT count(*) FROM f")
    print(f"RssAnon {sampler.largest} kB, the other sync waited {other:.1f} s")
    assert len(two.dead_letters()) == rows
    assert {letter[4] for letter in two.dead_letters()} == {"postgresql_error_54000"}
    assert two.wait_for_worker() == worker
    assert sampler.largest < 500 * 1024 and other < 20


def test_large_documents_one_after_another(two):
    """Seven rows of 12 MB, each longer than a bulk request."""
    worker = two.wait_for_worker()
    with memory.Sampler(two.pg) as sampler:
        two.execute("INSERT INTO f SELECT g, repeat(md5(g::text), 375000) FROM generate_series(1, 7) g")
        two.execute("INSERT INTO ok VALUES (1)")
        two.wait("ok")
        two.wait("f", timeout="300s")
    print(f"RssAnon {sampler.largest} kB")
    assert len(two.documents("f")) + len(two.dead_letters()) == 7
    assert two.wait_for_worker() == worker
    assert sampler.largest < 500 * 1024


LIMIT = "indexing_pressure.memory.limit"


@pytest.fixture
def tight(pg):
    """Syncs of `f` and `ok` on a server that takes 3 MB at once."""
    server = SearchServer(config={LIMIT: "3mb"}).start()
    db = Database(pg, server)
    for table in ("f", "ok"):
        db.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, a text)")
        db.create_sync(table)
    db.wait()
    yield db
    db.drop()
    server.kill()


def letter_after(db, change, timeout=240):
    """Makes `change` again and again until f has a dead letter."""
    begun = time.monotonic()
    while not db.dead_letters():
        assert time.monotonic() - begun < timeout, db.status("f")
        change()
        time.sleep(1)  # the pace of the changes
    return db.dead_letters()[0], time.monotonic() - begun


@pytest.mark.parametrize("busy", [True, False], ids=["others are taken", "there are no others"])
def test_a_document_that_never_fits_the_servers_memory_is_given_up(tight, busy):
    tight.execute("INSERT INTO f SELECT 1, repeat(md5('x'), 160000)")

    def other():
        if not busy:
            return
        tight.execute("INSERT INTO ok SELECT coalesce(max(id), 0) + 1 FROM ok")
        tight.wait("ok", timeout="20s")
    letter, took = letter_after(tight, other)
    assert 55 < took
    sync, document, operation, status, kind, reason = letter
    assert (sync, document, status) == ("f", "1", 429) and "rejected_execution_exception" in kind
    assert "document of 4 MB" in reason and LIMIT in reason and "max_document_bytes" in reason
    tight.wait("f")
    server = tight.search
    server.kill()
    for file in (server.folder / "config").glob("*search.yml"):
        file.write_text(file.read_text().replace(f"{LIMIT}: 3mb", f"{LIMIT}: 30mb"))
    server.start()
    assert tight.value("SELECT polyglot.requeue('f')") == 1
    tight.wait("f")
    assert tight.dead_letters() == [] and set(tight.documents("f")) == {"1"}
