"""Tables with so many partitions that plans are made for those alone that a read concerns."""

import pytest

import processes

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
    assert tree.value("SELECT count(*) FROM polyglot.verify_sync('m')") == 0


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


def make_odd(db):
    """Partitions of another shape and one that refuses; some empty ones."""
    db.execute(BY_RANGE)
    db.execute("CREATE TABLE odd (gone integer, v text, id integer NOT NULL); ALTER TABLE odd DROP gone;"
               "ALTER TABLE m ATTACH PARTITION odd FOR VALUES FROM (1000) TO (2000);"
               "INSERT INTO m SELECT i, 'row ' || i FROM generate_series(0, 99) i;"
               "INSERT INTO m SELECT i, 'odd ' || i FROM generate_series(1000, 1200) i")


@pytest.mark.parametrize("arguments, expected", [
    ({"filter": "m.id > 50 AND v <> ''"}, 250),
    ({"document": "jsonb_build_object('id', id, 'v', m.v)"}, 301),
    ({"document": "to_jsonb(m)"}, 301),
    ({"document": "jsonb_build_object('id', public.m.id, 'v', v)"}, 301),
])
def test_documents_of_partitions_are_those_of_their_table(db, arguments, expected):
    make_odd(db)
    db.create_sync("m", **arguments)
    db.wait()
    found = db.documents("m")
    assert len(found) == expected
    assert found["1100"] == {"id": 1100, "v": "odd 1100"} and found["77"] == {"id": 77, "v": "row 77"}
    assert db.value("SELECT count(*) FROM polyglot.verify_sync('m')") == 0


def test_a_partition_of_another_owner_is_read_with_its_tables_rights(db):
    make_odd(db)
    db.execute("CREATE ROLE somebody; ALTER TABLE odd OWNER TO somebody;"
               "REVOKE ALL ON odd FROM postgres; CREATE ROLE plain;"
               "ALTER TABLE m OWNER TO plain; GRANT USAGE ON FOREIGN SERVER search TO plain;"
               + "".join(f"ALTER TABLE m_{n} OWNER TO plain;" for n in range(COUNT)))
    try:
        db.create_sync("m")
        db.assert_equal("m")
    finally:
        db.execute("DROP OWNED BY plain, somebody CASCADE; DROP ROLE plain, somebody")


def test_a_row_that_cannot_be_read_leaves_the_others_of_its_partition(db):
    make_odd(db)
    db.create_sync("m", document="jsonb_build_object('id', id, 'v', v, 'w', 1 / (id - 1100))")
    db.wait()
    assert [letter[1] for letter in db.dead_letters()] == ["1100"]
    assert set(db.documents("m")) == {str(i) for i in [*range(100), *range(1000, 1201)] if i != 1100}


def test_a_backfill_goes_on_in_the_partition_where_it_was(db):
    make_odd(db)
    db.create_sync("m", options={"backfill_rate": 100})
    processes.wait_for(lambda: db.status("m")["backfill_rows"] > 100, lambda: db.status("m"))
    processes.wait_for(lambda: db.value("SELECT backfill_rows > 100 FROM polyglot.sync_state"), "progress")
    db.execute("SELECT pg_terminate_backend(pid, 60000) FROM polyglot.workers")
    processes.wait_for(lambda: (db.status("m")["backfill_rows"] or 0) > 100, lambda: db.status("m"))
    db.execute("""SELECT polyglot.alter_sync('m', options => '{"backfill_rate": 100000}')""")
    db.assert_equal("m")
    assert db.status("m")["backfill_rows"] == 301


def test_partitions_may_become_many_while_they_are_read(db):
    db.execute("CREATE TABLE m (id integer PRIMARY KEY, v text) PARTITION BY RANGE (id);"
               "CREATE TABLE m_0 PARTITION OF m FOR VALUES FROM (0) TO (500);"
               "INSERT INTO m SELECT i, 'row' FROM generate_series(0, 399) i")
    db.create_sync("m", options={"backfill_rate": 100})
    processes.wait_for(lambda: db.value("SELECT backfill_rows > 100 FROM polyglot.sync_state"), "progress")
    db.execute("".join(f"CREATE TABLE m_{n} PARTITION OF m FOR VALUES FROM ({n * 500}) TO ({n * 500 + 500});"
                       for n in range(1, COUNT)) + "INSERT INTO m VALUES (600, 'later')")
    db.execute("SELECT pg_terminate_backend(pid, 60000) FROM polyglot.workers")
    db.execute("""SELECT polyglot.alter_sync('m', options => '{"backfill_rate": 100000}')""")
    db.assert_equal("m")
