"""Partitioned tables: statements on the root and on leaves, rows that move, trees that change."""

import psycopg
import pytest

import generations

SCHEMA = """
CREATE TABLE m (id integer, region text, v integer, PRIMARY KEY (id, region))
  PARTITION BY LIST (region);
CREATE TABLE m_eu PARTITION OF m FOR VALUES IN ('eu') PARTITION BY RANGE (id);
CREATE TABLE m_eu_low PARTITION OF m_eu FOR VALUES FROM (MINVALUE) TO (1000);
CREATE TABLE m_eu_high PARTITION OF m_eu FOR VALUES FROM (1000) TO (MAXVALUE);
CREATE TABLE m_us PARTITION OF m FOR VALUES IN ('us');
INSERT INTO m SELECT i, CASE i % 2 WHEN 0 THEN 'eu' ELSE 'us' END, i FROM generate_series(1, 2000) i
"""
KEY = ["id", "region"]


@pytest.fixture
def tree(db):
    db.execute(SCHEMA)
    db.create_sync("m")
    db.wait()
    return db


def test_statements_on_root_and_leaves(tree):
    tree.execute("INSERT INTO m VALUES (5001, 'eu', 1); INSERT INTO m_us VALUES (5002, 'us', 2);"
                 "UPDATE m SET v = -v WHERE id < 100; UPDATE m_eu_high SET v = 0;"
                 "DELETE FROM m WHERE id BETWEEN 100 AND 110; DELETE FROM m_us WHERE id < 50")
    tree.assert_equal("m", key=KEY)


def test_rows_that_move_between_partitions(tree):
    tree.execute("UPDATE m SET region = 'us' WHERE region = 'eu' AND id < 100")
    tree.execute("UPDATE m SET id = id + 5000 WHERE region = 'eu' AND id < 500")
    tree.assert_equal("m", key=KEY)


def test_a_new_partition_is_captured(tree):
    tree.execute("CREATE TABLE m_as PARTITION OF m FOR VALUES IN ('as')")
    tree.execute("INSERT INTO m VALUES (1, 'as', 1); INSERT INTO m_as VALUES (2, 'as', 2)")
    tree.assert_equal("m", key=KEY)


def test_an_attached_table_arrives_with_its_rows(tree):
    tree.execute("CREATE TABLE m_af (LIKE m INCLUDING ALL);"
                 "INSERT INTO m_af SELECT i, 'af', i FROM generate_series(1, 300) i;"
                 "ALTER TABLE m ATTACH PARTITION m_af FOR VALUES IN ('af')")
    tree.execute("INSERT INTO m_af VALUES (1000, 'af', 0)")
    tree.assert_equal("m", key=KEY)


def test_a_detached_partition_leaves_the_index(tree):
    tree.execute("ALTER TABLE m DETACH PARTITION m_us")
    tree.assert_equal("m", key=KEY)
    tree.execute("INSERT INTO m_us VALUES (9999, 'us', 0); DELETE FROM m_us WHERE id = 1")
    tree.assert_equal("m", key=KEY)
    assert "9999,us" not in tree.documents("m")


def test_a_dropped_partition_leaves_the_index(tree):
    tree.execute("DROP TABLE m_us")
    tree.assert_equal("m", key=KEY)


def test_truncate_of_a_leaf(tree):
    tree.execute("TRUNCATE m_us")
    tree.assert_equal("m", key=KEY)
    tree.execute("TRUNCATE m_eu; INSERT INTO m VALUES (1, 'eu', 1)")
    tree.assert_equal("m", key=KEY)


def test_a_leaf_can_have_a_sync_of_its_own(tree):
    tree.create_sync("m_us", name="us_only")
    tree.execute("UPDATE m SET v = 7 WHERE id < 30")
    tree.assert_equal("m", key=KEY)
    tree.assert_equal("m_us", "us_only", key=KEY)
    tree.execute("SELECT polyglot.drop_sync('m')")
    tree.execute("UPDATE m SET v = 8 WHERE id < 30")
    tree.assert_equal("m_us", "us_only", key=KEY)


def test_a_synced_leaf_can_be_detached_and_attached(tree):
    tree.create_sync("m_us", name="us_only")
    tree.wait()
    tree.execute("ALTER TABLE m DETACH PARTITION m_us; INSERT INTO m_us VALUES (7001, 'us', 1)")
    tree.assert_equal("m_us", "us_only", key=KEY)
    tree.assert_equal("m", key=KEY)
    tree.execute("ALTER TABLE m ATTACH PARTITION m_us FOR VALUES IN ('us');"
                 "INSERT INTO m VALUES (7002, 'us', 1)")
    tree.assert_equal("m_us", "us_only", key=KEY)
    tree.assert_equal("m", key=KEY)


def test_a_partition_whose_concurrent_detachment_waits_leaves_the_index(tree):
    """It has left the table with the first of two transactions; a reader may keep the second for hours."""
    with tree.connect(autocommit=False) as reader, tree.connect() as session:
        reader.execute("SELECT count(*) FROM m")
        session.execute("SET statement_timeout = '1s'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.execute("ALTER TABLE m DETACH PARTITION m_us CONCURRENTLY")
        tree.pg.reload()  # has a worker look at once what it looks at every minute
        generations.wait_for_generation(tree, 2, "m")
        tree.assert_equal("m", key=KEY)
        tree.pg.reload()
    tree.execute("INSERT INTO m VALUES (4000, 'eu', 1)")
    tree.assert_equal("m", key=KEY)
    assert tree.value("SELECT generation FROM polyglot.syncs") == 2  # it is noticed once
    tree.execute("ALTER TABLE m DETACH PARTITION m_us FINALIZE")
    tree.assert_equal("m", key=KEY)
