"""Routing: a document is where its routing says, and nowhere else."""

import pytest


@pytest.fixture
def r(db):
    db.execute("CREATE TABLE r (id integer PRIMARY KEY, tenant text, v integer);"
               "INSERT INTO r SELECT i, 'tenant ' || i % 11, i FROM generate_series(1, 300) i")
    db.create_sync("r", routing="tenant", settings={"number_of_shards": 5})
    db.wait()
    return db


def test_documents_carry_their_routing(r):
    r.assert_equal("r", routing="tenant")


def test_a_changed_routing_moves_the_document(r):
    r.execute("UPDATE r SET tenant = 'moved' WHERE id % 3 = 0")
    r.assert_equal("r", routing="tenant")


def test_a_routing_changed_back_and_forth(r):
    for number in range(10):
        r.execute("UPDATE r SET tenant = %s WHERE id <= 50", (f"round {number % 3}",))
    r.assert_equal("r", routing="tenant")


def test_deletes_go_to_the_right_shard(r):
    r.execute("UPDATE r SET tenant = 'z' WHERE id < 20; DELETE FROM r WHERE id < 40;"
              "INSERT INTO r VALUES (5, 'elsewhere', 0)")
    r.assert_equal("r", routing="tenant")


def test_moved_while_paused(r):
    r.execute("SELECT polyglot.pause_sync('r')")
    r.wait_for_state("r", "paused")
    r.execute("UPDATE r SET tenant = 'one' WHERE id <= 30")
    r.execute("UPDATE r SET tenant = 'two' WHERE id <= 20; DELETE FROM r WHERE id <= 10")
    r.execute("SELECT polyglot.resume_sync('r')")
    r.assert_equal("r", routing="tenant")


def test_moved_with_a_restart_in_between(r):
    r.execute("SELECT polyglot.stop_workers(); UPDATE r SET tenant = 'one' WHERE id <= 30")
    r.execute("UPDATE r SET tenant = 'two' WHERE id <= 20")
    r.pg.restart("immediate")
    r.execute("SELECT polyglot.start_workers(); DELETE FROM r WHERE id <= 5")
    r.assert_equal("r", routing="tenant")
