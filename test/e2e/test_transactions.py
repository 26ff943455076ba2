"""What is committed arrives, what is rolled back does not."""

import pytest


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.create_sync("t")
    db.wait()
    return db


def test_rolled_back_savepoints_are_forgotten(t):
    before = t.status("t")["delivered"]
    with t.connect(autocommit=False) as session:
        session.execute("INSERT INTO t VALUES (1, 'kept')")
        session.execute("SAVEPOINT a; INSERT INTO t VALUES (2, 'lost')")
        session.execute("SAVEPOINT b; INSERT INTO t VALUES (3, 'lost'); RELEASE b")
        session.execute("ROLLBACK TO a; INSERT INTO t VALUES (4, 'kept'); RELEASE a")
    t.assert_equal("t")
    assert sorted(t.documents("t")) == ["1", "4"]
    assert t.status("t")["delivered"] - before == 2


def test_the_same_key_inside_and_outside_of_a_savepoint(t):
    with t.connect(autocommit=False) as session:
        session.execute("INSERT INTO t VALUES (1, 'a')")
        session.execute("SAVEPOINT a; UPDATE t SET v = 'b' WHERE id = 1; ROLLBACK TO a")
        session.execute("SAVEPOINT c; UPDATE t SET v = 'c' WHERE id = 1; RELEASE c")
    t.assert_equal("t")


def test_exception_blocks_of_plpgsql(t):
    t.execute("""DO $$ BEGIN
  FOR i IN 1..300 LOOP
    BEGIN
      INSERT INTO t VALUES (i, 'x');
      IF i % 3 = 0 THEN RAISE 'no'; END IF;
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
  END LOOP; END $$""")
    t.assert_equal("t")
    assert len(t.documents("t")) == 200


def test_large_subtransactions_rolled_back(t):
    with t.connect(autocommit=False) as session:
        session.execute("INSERT INTO t SELECT i, 'outer' FROM generate_series(1, 20000) i")
        session.execute("SAVEPOINT a")
        session.execute("INSERT INTO t SELECT i, 'inner' FROM generate_series(20001, 60000) i")
        session.execute("ROLLBACK TO a")
        session.execute("UPDATE t SET v = 'last' WHERE id <= 10")
    t.assert_equal("t")


def test_prepared_transactions_count_when_they_are_committed(t):
    t.execute("BEGIN; INSERT INTO t VALUES (1, 'two phases'); PREPARE TRANSACTION 'p1'")
    t.execute("BEGIN; INSERT INTO t VALUES (2, 'never'); PREPARE TRANSACTION 'p2'")
    t.execute("INSERT INTO t VALUES (3, 'meanwhile')")
    t.wait()
    assert sorted(t.documents("t")) == ["3"]
    t.execute("COMMIT PREPARED 'p1'")
    t.execute("ROLLBACK PREPARED 'p2'")
    t.assert_equal("t")
    assert sorted(t.documents("t")) == ["1", "3"]


def test_prepared_transactions_survive_a_crash(t):
    t.execute("BEGIN; INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50000) i;"
              "PREPARE TRANSACTION 'p3'")
    t.execute("INSERT INTO t VALUES (60000, 'after')")
    t.wait()
    t.pg.restart("immediate")
    t.execute("COMMIT PREPARED 'p3'")
    t.assert_equal("t")


def test_a_late_committer_is_not_overtaken(t):
    """Events that commit long after newer ones were delivered arrive all the same."""
    with t.connect(autocommit=False) as late:
        late.execute("INSERT INTO t VALUES (1, 'late')")
        t.execute("INSERT INTO t SELECT i, 'early' FROM generate_series(2, 2000) i")
        t.wait()
    t.assert_equal("t")


def test_an_asynchronous_commit_is_delivered_only_once_it_is_safe(t):
    with t.connect() as session:
        session.execute("SET synchronous_commit = off")
        for number in range(200):
            session.execute("INSERT INTO t VALUES (%s, 'async')", (number,))
        t.wait()
    t.pg.restart("immediate")
    t.assert_equal("t")


def test_serializable_writers(t):
    with t.connect(autocommit=False) as session:
        session.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        session.execute("INSERT INTO t SELECT i, 's' FROM generate_series(1, 1000) i")
        session.execute("UPDATE t SET v = 'z' WHERE id < 100")
    t.assert_equal("t")
