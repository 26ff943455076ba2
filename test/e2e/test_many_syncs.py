"""Many syncs of one server of which most have nothing to do: they cost nothing, and each notices what
concerns it."""

import pytest

import processes

TABLES = [f"t{i}" for i in range(12)]


@pytest.fixture
def many(db):
    for table in TABLES:
        db.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v integer);"
                   f"INSERT INTO {table} VALUES (1, 0)")
        db.create_sync(table)
    db.wait()
    return db


def value_of(db, table):
    """What a realtime GET shows, without asking the worker for anything."""
    return db.search.request("GET", f"/{db.index(table)}/_doc/1")["_source"]["v"]


def change(db, table, value):
    db.execute(f"UPDATE {table} SET v = {value}")
    processes.wait_for(lambda: value_of(db, table) == value, f"{table} shows {value}", interval=0.01)


def test_a_sync_at_rest_does_not_miss_its_change(many):
    """One sync is busy for so long that all others rest; then each has one change."""
    for value in range(1, 150):
        change(many, TABLES[0], value)
    for table in TABLES[1:]:
        change(many, table, 7)
    for table in TABLES:
        many.assert_equal(table)


def test_a_sync_at_rest_does_not_keep_those_waiting_who_ask(many):
    """wait_for_sync and verify_sync of syncs that nothing has happened to for a while."""
    for value in range(1, 100):
        change(many, TABLES[0], value)
    for table in TABLES[1:]:
        assert many.query(f"SELECT polyglot.wait_for_sync('{table}', '30s')") == [(True,)]
        assert many.query(f"SELECT count(*) FROM polyglot.verify_sync('{table}')") == [(0,)]


def test_an_index_that_is_lost_among_many_is_missed(many):
    """Whether indexes are still there is asked for many of them at once."""
    indices = many.search.client().indices
    lost = next(iter(indices.get(index=many.index(TABLES[5]))))
    indices.delete(index=lost)
    processes.wait_for(lambda: indices.exists_alias(name=many.index(TABLES[5])), "another index")
    for table in TABLES:
        many.assert_equal(table)
