"""Keys that lie close together are read as a range of their index; rows between them that nobody has
changed are neither delivered nor in the way."""

import pytest

import processes


def scans(db, index):
    return db.value("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s", (index,))


def end_worker(db):
    """What it has counted is all there when it has ended."""
    db.execute(f"SELECT pg_terminate_backend({db.wait_for_worker()}, 60000)")
    db.wait_for_worker()


def test_rows_that_were_changed_together_are_not_looked_up_one_by_one(db):
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, v integer);"
               "INSERT INTO t SELECT i, 0 FROM generate_series(1, 5000) i")
    db.create_sync("t")
    db.wait()
    end_worker(db)
    before = scans(db, "t_pkey")
    db.execute("UPDATE t SET v = 1 WHERE id BETWEEN 1001 AND 4000")  # by another plan than the index
    db.wait()
    end_worker(db)
    assert scans(db, "t_pkey") - before < 300
    db.assert_equal("t")


@pytest.mark.parametrize("type", ["smallint", "integer", "bigint", "positive"])
def test_rows_at_both_ends_of_the_type_and_gaps_between_them(db, type):
    bits = {"smallint": 15, "bigint": 63}.get(type, 31)
    db.execute("CREATE DOMAIN positive AS integer;"
               f"CREATE TABLE t (id {type} PRIMARY KEY, v integer)")
    db.create_sync("t")
    db.execute(f"INSERT INTO t SELECT {2 ** bits - 1} - i, 0 FROM generate_series(0, 499) i;"
               f"INSERT INTO t SELECT -{2 ** bits - 1} - 1 + i, 0 FROM generate_series(0, 499) i;")
    db.assert_equal("t")
    # Every sixth row is not changed, every seventh is gone.
    db.execute("UPDATE t SET v = 1 WHERE id % 6 <> 0; DELETE FROM t WHERE id % 7 = 0")
    db.assert_equal("t")
    db.execute("SELECT polyglot.pause_sync('t'); UPDATE t SET v = 2; SELECT polyglot.resume_sync('t')")
    db.assert_equal("t")


def test_an_error_of_a_row_that_nobody_has_changed_is_nobodys(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v integer);"
               "INSERT INTO t SELECT i, 1 FROM generate_series(1, 1000) i")
    db.create_sync("t", filter="10 / v > 0")
    db.wait()
    db.execute("UPDATE t SET v = 0 WHERE id = 500")
    processes.wait_for(lambda: len(db.dead_letters()) == 1, "the dead letter of the row")
    attempts = db.value("SELECT attempts FROM polyglot.dead_letters")
    db.execute("UPDATE t SET v = 2 WHERE id <> 500")
    db.wait()
    assert db.value("SELECT attempts FROM polyglot.dead_letters") == attempts
    client, index = db.search.client(), db.index("t")
    client.indices.refresh(index=index)
    assert client.count(index=index, body={"query": {"term": {"v": 2}}})["count"] == 999


def test_an_index_that_counts_backwards(db):
    """By its operator class "less" is greater."""
    db.execute("""
        CREATE FUNCTION backwards(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
            RETURN btint4cmp($2, $1);
        CREATE OPERATOR CLASS backwards FOR TYPE integer USING btree AS OPERATOR 1 >, OPERATOR 2 >=,
            OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 backwards(integer, integer);
        CREATE TABLE t (id integer NOT NULL, v integer); CREATE UNIQUE INDEX ON t (id backwards);
        INSERT INTO t SELECT i, 0 FROM generate_series(1, 500) i""")
    db.create_sync("t", key=["id"])
    db.wait()
    db.execute("UPDATE t SET v = 1 WHERE id <= 300; DELETE FROM t WHERE id = 200")
    db.assert_equal("t")
