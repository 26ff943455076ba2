"""Tables with so many partitions that plans are made for those alone that a read concerns."""

import pytest

COUNT = 45  # more than a plan is kept for

BY_RANGE = "CREATE TABLE m (id integer PRIMARY KEY, v text) PARTITION BY RANGE (id);" + "".join(
    f"CREATE TABLE m_{n} PARTITION OF m FOR VALUES FROM ({n * 10}) TO ({n * 10 + 10});" for n in range(COUNT))
TWO_COLUMNS = "CREATE TABLE m (id integer, part text, v text, PRIMARY KEY (id, part)) PARTITION BY "
BY_LIST = TWO_COLUMNS + "LIST (part);" + "".join(
    f"CREATE TABLE m_{n} PARTITION OF m FOR VALUES IN ('p{n}');" for n in range(COUNT - 1)) + \
    "CREATE TABLE m_rest PARTITION OF m DEFAULT;"
BY_HASH = TWO_COLUMNS + "HASH (id, part);" + "".join(
    f"CREATE TABLE m_{n} PARTITION OF m FOR VALUES WITH (MODULUS {COUNT}, REMAINDER {n});"
    for n in range(COUNT))
AT_TWO_LEVELS = TWO_COLUMNS + "RANGE (id);" + "".join(
    f"CREATE TABLE m_{n} PARTITION OF m FOR VALUES FROM ({n * 20}) TO ({n * 20 + 20})"
    " PARTITION BY LIST (part);" +
    "".join(f"CREATE TABLE m_{n}_{part} PARTITION OF m_{n} FOR VALUES IN ('p{part}', 'p{part + 4}');"
            for part in range(4)) for n in range(20))

TREES = {"range": (BY_RANGE, ["id"]), "list": (BY_LIST, ["id", "part"]), "hash": (BY_HASH, ["id", "part"]),
         "two levels": (AT_TWO_LEVELS, ["id", "part"])}


@pytest.fixture(params=TREES)
def tree(db, request):
    """A synced table of 400 rows; `key` and `columns`, how a row is written."""
    schema, db.key = TREES[request.param]
    db.execute(schema)
    db.rows = "i, 'row ' || i" if db.key == ["id"] else "i, 'p' || i % 8, 'row ' || i"
    db.execute(f"INSERT INTO m SELECT {db.rows} FROM generate_series(0, 399, 2) i")
    db.create_sync("m")
    db.wait()
    return db


def test_rows_of_many_partitions_are_found(tree):
    tree.execute(f"INSERT INTO m SELECT {tree.rows} FROM generate_series(1, 399, 2) i;"
                 "UPDATE m SET v = 'changed' WHERE id % 3 = 0; DELETE FROM m WHERE id % 7 = 0")
    tree.assert_equal("m", key=tree.key)
    tree.execute("DELETE FROM m WHERE id < 350")  # more than one read takes, and no row among them
    tree.assert_equal("m", key=tree.key)
    tree.execute("SELECT polyglot.rebuild_sync('m')")
    tree.assert_equal("m", key=tree.key)


def test_a_row_that_moves_to_another_partition_is_not_deleted(tree):
    tree.execute("UPDATE m SET id = id + 1 WHERE id % 10 = 8")
    tree.assert_equal("m", key=tree.key)
    if "part" in tree.key:
        tree.execute("BEGIN; UPDATE m SET part = 'p7' WHERE id < 100;"
                     "UPDATE m SET part = 'p1' WHERE id < 50; COMMIT")
        tree.assert_equal("m", key=tree.key)
    tree.execute("BEGIN; DELETE FROM m WHERE id = 200; INSERT INTO m VALUES"
                 f" (200, {'' if tree.key == ['id'] else chr(39) + 'p0' + chr(39) + ','} 'again'); COMMIT")
    tree.assert_equal("m", key=tree.key)


def test_a_locked_partition_holds_up_no_other_sync(tree):
    tree.execute("CREATE TABLE z (id integer PRIMARY KEY)")
    tree.create_sync("z")
    tree.wait()
    leaf = tree.value("SELECT tableoid::regclass::text FROM m WHERE id = 100")
    with tree.connect(autocommit=False) as holder:
        tree.execute("UPDATE m SET v = 'changed' WHERE id = 100")
        holder.execute(f"LOCK TABLE {leaf} IN ACCESS EXCLUSIVE MODE")
        holder.execute("UPDATE m SET v = 'twice' WHERE id = 100")
        for number in range(5):
            tree.execute("INSERT INTO z VALUES (%s)", (number,))
            assert tree.value("SELECT polyglot.wait_for_sync('z', '20s')"), tree.status()
        holder.commit()
    tree.assert_equal("m", key=tree.key)
    tree.assert_equal("z")
