"""Every kind of statement reaches the index."""

import pytest

TABLE = "CREATE TABLE items (id integer PRIMARY KEY, name text, amount numeric(10,2))"
FILL = "INSERT INTO items SELECT i, 'item ' || i, i FROM generate_series(1, 50) i"


@pytest.fixture
def items(db):
    db.execute(TABLE)
    db.execute(FILL)
    db.create_sync("items")
    db.wait()
    return db


def test_insert(items):
    items.execute("INSERT INTO items VALUES (101, 'a', 1), (102, NULL, NULL)")
    items.execute("INSERT INTO items SELECT i, 'many', 0 FROM generate_series(1000, 9000) i")
    items.assert_equal("items")


def test_update(items):
    items.execute("UPDATE items SET name = 'changed' WHERE id <= 20")
    items.execute("UPDATE items SET amount = NULL WHERE id = 21")
    items.assert_equal("items")


def test_delete(items):
    items.execute("DELETE FROM items WHERE id % 2 = 0")
    items.assert_equal("items")
    items.execute("DELETE FROM items")
    items.assert_equal("items")
    assert items.documents("items") == {}


def test_copy(items):
    with items.connect() as session:
        with session.cursor().copy("COPY items FROM STDIN") as copy:
            for number in range(2000, 7000):
                copy.write_row((number, "copied", "1.5"))
    items.assert_equal("items")


def test_merge(items):
    items.execute("""
MERGE INTO items USING (SELECT generate_series(40, 60) AS id) s ON s.id = items.id
WHEN MATCHED AND s.id < 45 THEN DELETE
WHEN MATCHED THEN UPDATE SET name = 'merged'
WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'new', 0)""")
    items.assert_equal("items")


def test_insert_on_conflict(items):
    items.execute("INSERT INTO items VALUES (1, 'upsert', 7), (201, 'fresh', 8)"
                  " ON CONFLICT (id) DO UPDATE SET name = excluded.name, amount = excluded.amount")
    items.execute("INSERT INTO items VALUES (2, 'ignored', 7) ON CONFLICT DO NOTHING")
    items.assert_equal("items")


def test_cascades_of_foreign_keys(items):
    items.execute("""
CREATE TABLE parts (id integer PRIMARY KEY, item integer REFERENCES items
  ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE notes (id integer PRIMARY KEY, item integer REFERENCES items
  ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO parts SELECT i, i FROM generate_series(1, 50) i;
INSERT INTO notes SELECT i, i FROM generate_series(1, 50) i""")
    items.create_sync("parts")
    items.create_sync("notes")
    items.wait()
    items.execute("DELETE FROM items WHERE id <= 10; UPDATE items SET id = id + 500 WHERE id = 11")
    for table in ("items", "parts", "notes"):
        items.assert_equal(table)


def test_writes_of_a_deferred_constraint_trigger(items):
    """The trigger runs at COMMIT, after everything else of the transaction."""
    items.execute("""
CREATE TABLE orders (id integer PRIMARY KEY);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN UPDATE items SET name = ''late'' WHERE id = NEW.id; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION late()""")
    items.execute("INSERT INTO orders VALUES (7)")
    items.assert_equal("items")
    assert items.documents("items")["7"]["name"] == "late"


def test_changed_keys(items):
    items.execute("UPDATE items SET id = id + 1000 WHERE id <= 10")
    items.execute("UPDATE items SET id = -id WHERE id BETWEEN 11 AND 20")
    items.assert_equal("items")


def test_swapped_keys_in_one_transaction(items):
    with items.connect(autocommit=False) as session:
        session.execute("UPDATE items SET id = 0 WHERE id = 1")
        session.execute("UPDATE items SET id = 1 WHERE id = 2")
        session.execute("UPDATE items SET id = 2 WHERE id = 0")
    items.assert_equal("items")


def test_deleted_and_inserted_again(items):
    with items.connect(autocommit=False) as session:
        session.execute("DELETE FROM items WHERE id = 5")
        session.execute("INSERT INTO items VALUES (5, 'back', 1)")
        session.execute("INSERT INTO items VALUES (77, 'gone', 1)")
        session.execute("DELETE FROM items WHERE id = 77")
    items.assert_equal("items")


def test_a_row_updated_without_change_is_no_event(items):
    before = items.status("items")
    items.execute("UPDATE items SET name = name, amount = amount")
    items.wait()
    after = items.status("items")
    assert (after["delivered"], after["deleted"]) == (before["delivered"], before["deleted"])


def test_functions_rules_and_writable_ctes(items):
    items.execute("""
CREATE VIEW v AS SELECT * FROM items;
CREATE RULE r AS ON DELETE TO v DO INSTEAD UPDATE items SET name = 'ruled' WHERE id = OLD.id;
DELETE FROM v WHERE id = 3;
WITH gone AS (DELETE FROM items WHERE id > 45 RETURNING *)
  INSERT INTO items SELECT id + 100, name, amount FROM gone;
UPDATE v SET amount = 0 WHERE id = 4""")
    items.assert_equal("items")


def test_a_writer_with_another_date_style(db):
    """Keys in the queue are binary: the session's settings change nothing."""
    db.execute("CREATE TABLE days (day date, at timestamptz, v integer, PRIMARY KEY (day, at))")
    db.create_sync("days")
    db.wait()
    with db.connect() as session:
        session.execute("SET DateStyle = 'SQL, DMY'; SET TimeZone = 'America/New_York';"
                        "SET IntervalStyle = 'sql_standard'; SET bytea_output = 'escape';"
                        "SET extra_float_digits = -15; SET lc_monetary = 'C'")
        session.execute("INSERT INTO days VALUES ('03/04/2024', '2024-01-01 00:00:00+00', 1),"
                        " ('04/03/2024', '2024-01-01 00:00:00+00', 2),"
                        " ('05/06/2024', '2024-01-01 00:00:00+00', 3)")
        session.execute("DELETE FROM days WHERE v = 3")
        session.execute("UPDATE days SET v = 9 WHERE v = 1")
    db.assert_equal("days", key=["day", "at"])


def test_float_keys_survive_a_writer_with_few_digits(db):
    db.execute("CREATE TABLE f (k double precision PRIMARY KEY, v integer)")
    db.create_sync("f")
    with db.connect() as session:
        session.execute("SET extra_float_digits = -15")
        session.execute("INSERT INTO f VALUES (0.1, 1), (0.30000000000000004, 2), (0.3, 3)")
        session.execute("DELETE FROM f WHERE v = 3")
    db.assert_equal("f", key=["k"])


def test_a_transaction_larger_than_the_buffer(items):
    with items.connect(autocommit=False) as session:
        session.execute("INSERT INTO items SELECT i, 'bulk', 0 FROM generate_series(10001, 60000) i")
        session.execute("UPDATE items SET name = 'bulk2' WHERE id > 30000")
        session.execute("DELETE FROM items WHERE id > 55000")
    items.assert_equal("items")


def test_a_large_transaction_rolled_back_leaves_nothing(items):
    before = items.status("items")["delivered"]
    with items.connect(autocommit=False) as session:
        session.execute("INSERT INTO items SELECT i, 'bulk', 0 FROM generate_series(10001, 60000) i")
        session.rollback()
    items.execute("UPDATE items SET name = 'after' WHERE id = 1")
    items.assert_equal("items")
    assert items.status("items")["delivered"] - before == 1
