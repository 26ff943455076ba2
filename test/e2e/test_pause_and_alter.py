"""Pause, resume and change a sync: the index always ends up right."""

import pytest


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, name text, price numeric(8,2), shop text"
               " NOT NULL DEFAULT 'a');"
               "INSERT INTO t SELECT i, 'row ' || i, i, 's' || i % 3 FROM generate_series(1, 500) i")
    db.create_sync("t")
    db.wait()
    return db


def test_changes_made_while_paused_arrive_after_resume(t):
    t.execute("SELECT polyglot.pause_sync('t')")
    t.wait_for_state("t", "paused")
    before = t.documents("t")
    t.execute("UPDATE t SET name = 'paused' WHERE id <= 100; DELETE FROM t WHERE id > 450;"
              "INSERT INTO t VALUES (1000, 'new', 1)")
    assert t.value("SELECT polyglot.wait_for_sync('t', '1s')") is False
    assert t.documents("t") == before
    t.execute("SELECT polyglot.resume_sync('t')")
    t.assert_equal("t")


def test_a_paused_sync_does_not_hold_up_others(t):
    t.execute("CREATE TABLE u (id integer PRIMARY KEY)")
    t.create_sync("u")
    t.execute("SELECT polyglot.pause_sync('t')")
    t.wait_for_state("t", "paused")
    t.execute("UPDATE t SET name = 'x'; INSERT INTO u VALUES (1)")
    t.wait("u")
    t.assert_equal("u", wait=False)


@pytest.mark.slow
def test_paused_keys_survive_a_restart(t):
    t.execute("SELECT polyglot.pause_sync('t')")
    t.wait_for_state("t", "paused")
    for number in range(5):
        t.execute("UPDATE t SET name = %s WHERE id <= 50", (f"pass {number}",))
    t.pg.restart("immediate")
    t.execute("DELETE FROM t WHERE id = 1; SELECT polyglot.resume_sync('t')")
    t.assert_equal("t")


def test_a_long_pause_keeps_one_row_for_each_key(t):
    t.execute("SELECT polyglot.pause_sync('t')")
    t.wait_for_state("t", "paused")
    for number in range(30):
        t.execute("UPDATE t SET name = %s WHERE id <= 50", (f"pass {number}",))
    t.execute("SELECT pg_sleep(3)")
    assert t.status("t")["parked"] == 50
    assert t.value("SELECT count(*) FROM polyglot.outbox WHERE NOT processed") >= 50
    t.execute("SELECT polyglot.resume_sync('t')")
    t.assert_equal("t")
    assert t.status("t")["parked"] == 0


def test_truncate_while_paused(t):
    t.execute("SELECT polyglot.pause_sync('t')")
    t.wait_for_state("t", "paused")
    t.execute("UPDATE t SET name = 'x'; TRUNCATE t; INSERT INTO t VALUES (7, 'seven', 7)")
    t.execute("SELECT polyglot.resume_sync('t')")
    t.assert_equal("t")


def test_alter_columns(t):
    t.execute("SELECT polyglot.alter_sync('t', columns => '{id,name}')")
    t.execute("UPDATE t SET price = 0 WHERE id < 10")
    t.assert_equal("t", columns=["id", "name"])
    t.execute("SELECT polyglot.alter_sync('t', reset => '{columns}')")
    t.assert_equal("t")


def test_alter_filter(t):
    t.execute("SELECT polyglot.alter_sync('t', filter => 'price > 250')")
    t.assert_equal("t", where="price > 250")
    t.execute("UPDATE t SET price = 1 WHERE id = 400; UPDATE t SET price = 999 WHERE id = 1")
    t.assert_equal("t", where="price > 250")
    t.execute("SELECT polyglot.alter_sync('t', reset => '{filter}')")
    t.assert_equal("t")


def test_alter_document(t):
    t.execute("SELECT polyglot.alter_sync('t', document =>"
              " $$jsonb_build_object('label', upper(name), 'cents', (price * 100)::bigint)$$)")
    expected = {name: {"label": f"ROW {name}", "cents": int(name) * 100}
                for name in map(str, range(1, 501))}
    t.wait()
    assert t.documents("t") == expected
    t.execute("SELECT polyglot.alter_sync('t', reset => '{document}')")
    t.assert_equal("t")


def test_alter_routing(t):
    t.execute("SELECT polyglot.alter_sync('t', routing => 'shop')")
    t.execute("UPDATE t SET shop = 'moved' WHERE id < 20")
    t.assert_equal("t", routing="shop")


def test_rename_a_sync(t):
    t.execute("SELECT polyglot.alter_sync('t', new_name => 'goods'); UPDATE t SET name = 'x'")
    t.assert_equal("t")
    assert [row["sync"] for row in t.status()] == ["goods"]


def test_rows_enter_and_leave_with_the_filter(db):
    db.execute("CREATE TABLE f (id integer PRIMARY KEY, live boolean, v text)")
    db.create_sync("f", filter="live AND v IS NOT NULL")
    db.execute("INSERT INTO f SELECT i, i % 2 = 0, 'x' FROM generate_series(1, 100) i")
    db.assert_equal("f", where="live AND v IS NOT NULL")
    db.execute("UPDATE f SET live = NOT live WHERE id <= 30; UPDATE f SET v = NULL WHERE id > 90;"
               "UPDATE f SET live = NULL WHERE id = 50")
    db.assert_equal("f", where="live AND v IS NOT NULL")


def test_changed_table_definitions(t):
    t.execute("ALTER TABLE t ADD COLUMN extra integer DEFAULT 7; UPDATE t SET extra = 8 WHERE id = 1")
    t.wait()
    assert t.documents("t")["1"]["extra"] == 8
    t.execute("ALTER TABLE t DROP COLUMN price; UPDATE t SET name = 'y' WHERE id = 2")
    t.wait()
    assert "price" not in t.documents("t")["2"]
