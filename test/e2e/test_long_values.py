"""Keys and routing values that are longer than a queue row starts with: no rebuild, and no sync stops."""

import pytest

import processes


def generation(db, sync="t"):
    return db.value("SELECT max(generation) FROM polyglot.sync_state s JOIN polyglot.sync_definition d"
                    " ON d.id = coalesce(s.builds, s.sync_id) WHERE d.name = %s", (sync,))


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id text PRIMARY KEY, v text); INSERT INTO t VALUES ('short', '1')")
    db.create_sync("t")
    db.wait()
    return db


@pytest.mark.parametrize("length", [3000, 9000, 70000, 200000])
def test_a_key_that_a_b_tree_takes_compressed(t, length):
    t.execute(f"INSERT INTO t VALUES (repeat('y', {length}), '1'), (repeat('z', {length}), '1')")
    t.execute(f"UPDATE t SET v = '2' WHERE id = repeat('y', {length});"
              f"DELETE FROM t WHERE id = repeat('z', {length})")
    t.assert_equal("t")
    assert t.query("SELECT * FROM polyglot.verify_sync('t')") == []
    assert (generation(t), t.dead_letters()) == (1, [])
    t.execute("SELECT polyglot.pause_sync('t')")
    t.execute("UPDATE t SET v = '3'")
    processes.wait_for(lambda: t.status("t")["parked"] == 2, "parked keys")
    assert t.value("SELECT max(length(key ->> 'id')) FROM polyglot.outbox") == length
    t.execute("SELECT polyglot.resume_sync('t')")
    t.assert_equal("t")
    t.execute("SELECT polyglot.rebuild_sync('t')")
    t.assert_equal("t")


def test_a_key_that_no_index_could_hold_starts_nothing(t):
    t.execute("CREATE ROLE writer LOGIN; GRANT INSERT ON t TO writer")
    key = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 600) n)"
    try:
        for statement in (f"SELECT polyglot.enqueue('t', {key})",
                          f"SELECT polyglot.enqueue('t', jsonb_build_object('id', {key}))"):
            with pytest.raises(Exception) as raised:
                t.execute(statement, user="writer")
            assert raised.value.sqlstate == "54000"
        t.execute("SELECT polyglot.enqueue('t', repeat('x', 9000))", user="writer")
        t.wait()
    finally:
        t.execute("DROP OWNED BY writer; DROP ROLE writer")
    assert (generation(t), set(t.documents("t"))) == (1, {"short"})


def test_enqueue_for_one_sync_starts_nothing_for_another_with_another_key(t):
    t.execute("CREATE TABLE u (id integer PRIMARY KEY, code text NOT NULL UNIQUE);"
              "INSERT INTO u VALUES (1, 'one')")
    t.create_sync("u")
    t.create_sync("u", name="by_code", index=t.index("by_code"), key=["code"])
    t.wait()
    t.execute("SELECT polyglot.enqueue('u', 1), polyglot.enqueue('by_code', 'one')")
    t.wait()
    assert (generation(t, "u"), generation(t, "by_code")) == (1, 1)


def test_a_routing_that_is_too_long_costs_its_row_only(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, r text NOT NULL);"
               "CREATE FUNCTION long(n integer) RETURNS text LANGUAGE sql AS"
               " $$SELECT string_agg(md5((i * n)::text), '') FROM generate_series(1, 400) i$$;"
               "INSERT INTO t VALUES (1, 'short'), (2, repeat('r', 9000)), (3, long(3))")
    db.create_sync("t", routing="r")
    db.wait()
    for number in range(3):
        db.execute(f"INSERT INTO t VALUES ({number + 10}, long({number}));"
                   "UPDATE t SET r = long(id + 1) WHERE id = 3; DELETE FROM t WHERE id = 10")
    db.wait()
    assert {letter[1] for letter in db.dead_letters()} >= {"3", "11", "12"}
    assert set(db.documents("t")) == {"1", "2"}
    assert generation(db) == 1
    db.execute("UPDATE t SET r = 'now short' WHERE id IN (3, 11, 12)")
    db.assert_equal("t", routing="r")
    assert {letter[1] for letter in db.dead_letters()} <= {"10"}
