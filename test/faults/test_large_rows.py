"""Rows of many megabytes: what a worker takes of memory, and who waits for them."""

import time

import pytest

import memory
import processes
from conftest import Database

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
