"""TRUNCATE empties the index without losing what was written around it."""

import threading

import pytest

import processes

FILL = "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 3000) i"


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.execute(FILL)
    db.create_sync("t")
    db.wait()
    return db


def test_truncate_empties_the_index(t):
    t.execute("TRUNCATE t")
    t.assert_equal("t")
    assert t.documents("t") == {}


def test_truncate_and_reload_in_one_transaction(t):
    with t.connect(autocommit=False) as session:
        session.execute("INSERT INTO t VALUES (9001, 'before')")
        session.execute("TRUNCATE t")
        session.execute("INSERT INTO t SELECT i, 'new' FROM generate_series(2000, 4000) i")
    t.assert_equal("t")


def test_truncate_twice(t):
    t.execute("TRUNCATE t")
    t.execute("INSERT INTO t VALUES (1, 'between')")
    t.execute("TRUNCATE t")
    t.execute("INSERT INTO t VALUES (2, 'after')")
    t.assert_equal("t")


def test_truncate_rolled_back(t):
    with t.connect(autocommit=False) as session:
        session.execute("TRUNCATE t")
        session.rollback()
    with t.connect(autocommit=False) as session:
        session.execute("SAVEPOINT a; TRUNCATE t; ROLLBACK TO a; UPDATE t SET v = 'x' WHERE id = 1")
    t.assert_equal("t")


def test_truncate_cascades(t):
    t.execute("CREATE TABLE child (id integer PRIMARY KEY, t integer REFERENCES t);"
              "INSERT INTO child VALUES (1, 1)")
    t.create_sync("child")
    t.wait()
    t.execute("TRUNCATE t CASCADE")
    t.assert_equal("t")
    t.assert_equal("child")


def test_truncate_while_others_write(t):
    ended, written = threading.Event(), [0]

    def write():
        with t.connect() as session:
            while not ended.is_set():
                written[0] += 1
                session.execute("INSERT INTO t VALUES (%s, 'live') ON CONFLICT (id)"
                                " DO UPDATE SET v = 'again'", (written[0] % 5000,))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(4):
            t.execute("TRUNCATE t")
            goal = written[0] + 500
            processes.wait_for(lambda: written[0] >= goal, "more writes")
    finally:
        ended.set()
        writer.join()
    t.assert_equal("t")


def test_truncate_with_routing_deletes_under_every_routing(db):
    db.execute("CREATE TABLE r (id integer PRIMARY KEY, shop text NOT NULL);"
               "INSERT INTO r SELECT i, 'shop ' || i % 7 FROM generate_series(1, 500) i")
    db.create_sync("r", routing="shop", settings={"number_of_shards": 3})
    db.assert_equal("r", routing="shop")
    db.execute("TRUNCATE r; INSERT INTO r VALUES (1, 'other')")
    db.assert_equal("r", routing="shop")


def test_truncate_then_the_workers_death(t):
    t.execute("TRUNCATE t")
    t.execute("INSERT INTO t SELECT i, 'second life' FROM generate_series(1, 20000) i")
    t.pg.kill(t.wait_for_worker())
    t.pg.wait_until_up()
    t.assert_equal("t")
