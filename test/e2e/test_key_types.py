"""The type of a key column changes, whatever the sync is doing: recorded keys are never read as another
type than they were recorded as, and in the end the index equals the table."""

import pytest

import processes

TEXT = "('key' || n || repeat('x', 40))"
# from, its value for row n, to, its value
CHANGES = [
    ("text", TEXT, "jsonb", "jsonb_build_object('k', n, 't', repeat('y', n))"),
    ("text", TEXT, "integer[]", "ARRAY[n, n + 1]"),
    ("text", TEXT, "int4range", "int4range(n, n + 1)"),
    ("text", TEXT, "nummultirange", "nummultirange(numrange(n, n + 1))"),
    ("text", TEXT, "pair[]", "ARRAY[ROW(n, 'x')::pair]"),
    ("text", TEXT, "step", "('s' || n)::step"),
    ("text", "n::text", "varchar(80)", "'v' || n"),
    ("integer", "n", "bigint", "n"),
    ("integer", "n", "text", "n::text"),
    ("integer", "n", "counted", "n"),
    ("counted", "n", "integer", "n"),
    ("step", "('s' || n)::step", "text", "'s' || n"),
    ("jsonb", "jsonb_build_object('k', n)", "text", "'j' || n"),
    ("integer[]", "ARRAY[n, n + 1]", "jsonb", "to_jsonb(n)"),
    ("pair", "ROW(n, 'x')::pair", "wide", "ROW('x', n, NULL)::wide"),
    ("uuid", "md5(n::text)::uuid", "text", "md5(n::text)"),
]
TABLES = [f"k{number}" for number in range(len(CHANGES))]
VIEWS = ["status", "outbox", "dead_letters", "differences", "verifications", "indexes", "servers", "nodes",
         "workers"]


@pytest.fixture
def tables(db):
    """Function that makes a table and a sync for each change."""
    def make(rows=20, **arguments):
        db.execute("CREATE TYPE pair AS (a integer, b text);"
                   "CREATE TYPE wide AS (a text, b integer, c jsonb);"
                   "CREATE DOMAIN counted AS integer CHECK (VALUE > 0);")
        labels = ", ".join(f"'s{n}'" for n in range(1, 1000))
        db.execute(f"CREATE TYPE step AS ENUM ({labels})")
        for table, (before, value, _, _) in zip(TABLES, CHANGES, strict=True):
            db.execute(f"CREATE TABLE {table} (id {before} PRIMARY KEY, n integer, v text);"
                       f"INSERT INTO {table} SELECT {value}, n, 'one'"
                       f" FROM generate_series(1, {rows}) n")
            db.create_sync(table, **arguments)
        return db
    return make


def change_type(session, number):
    _, _, after, value = CHANGES[number]
    session.execute(f"ALTER TABLE {TABLES[number]} ALTER COLUMN id TYPE {after} USING {value}")


def change_all(db):
    with db.connect() as session:
        for number in range(len(CHANGES)):
            change_type(session, number)


def read_all_views(db):
    for view in VIEWS:
        if db.value("SELECT to_regclass(%s)", (f"polyglot.{view}",)):
            db.query(f"SELECT * FROM polyglot.{view}")


def assert_all_equal(db, names=TABLES):
    db.wait(timeout="180s")
    for table in names:
        db.assert_equal(table, wait=False)
    assert {row["state"] for row in db.status()} == {"streaming"}


def test_while_it_streams_in_one_transaction_with_writes(tables):
    db = tables()
    db.wait()
    for number, table in enumerate(TABLES):
        with db.connect(autocommit=False) as session:
            session.execute(f"UPDATE {table} SET v = 'two' WHERE n < 5; DELETE FROM {table} WHERE n = 6")
            change_type(session, number)
            session.execute(f"UPDATE {table} SET v = 'three' WHERE n IN (3, 7);"
                            f"DELETE FROM {table} WHERE n = 8;"
                            f"SELECT polyglot.enqueue('{table}', id::text) FROM {table} WHERE n = 9")
            session.execute("SELECT * FROM polyglot.outbox")
            session.commit()
    read_all_views(db)
    assert_all_equal(db)
    assert db.dead_letters() == []


def test_in_the_first_backfill(tables):
    """The position of the backfill is a key, too."""
    db = tables(rows=300, options={"backfill_rate": 60})
    processes.wait_for(lambda: db.value("SELECT count(backfill_key) FROM polyglot.sync_state")
                       == len(TABLES), "positions of all backfills", 120)
    db.execute("SELECT polyglot.stop_workers()")
    assert db.value("SELECT count(*) FROM polyglot.sync_state WHERE phase = 'backfill'") > 0
    change_all(db)
    read_all_views(db)
    for table in TABLES:
        db.execute("SELECT polyglot.alter_sync(%s, reset => '{options}')", (table,))
    db.execute("SELECT polyglot.start_workers()")
    assert_all_equal(db)


def test_with_parked_keys(tables):
    db = tables()
    db.wait()
    with db.connect() as session:
        for table in TABLES:
            session.execute("SELECT polyglot.pause_sync(%s)", (table,))
            session.execute(f"UPDATE {table} SET v = 'two'; DELETE FROM {table} WHERE n > 15")
    processes.wait_for(lambda: db.value("SELECT count(*) FROM polyglot.parked_key")
                       == 20 * len(TABLES), "parked keys", 120)
    change_all(db)
    read_all_views(db)
    with db.connect() as session:
        session.execute("UPDATE k0 SET v = 'three' WHERE n = 1")
        for table in TABLES:
            session.execute("SELECT polyglot.resume_sync(%s)", (table,))
    assert_all_equal(db)
    assert db.dead_letters() == []


@pytest.mark.slow
def test_with_dead_letters_that_are_requeued_in_the_same_transaction(tables):
    db = tables(mapping={"properties": {"v": {"type": "integer"}}})
    db.wait()
    assert len(db.dead_letters()) == 20 * len(TABLES)
    for number, table in enumerate(TABLES):
        with db.connect(autocommit=False) as session:
            change_type(session, number)
            session.execute("SELECT polyglot.requeue(%s)", (table,))
            session.execute("SELECT * FROM polyglot.dead_letters")
            session.commit()
    read_all_views(db)
    db.wait(timeout="180s")
    db.execute("SELECT polyglot.requeue(NULL)")
    for table in TABLES:
        db.execute(f"UPDATE {table} SET v = '1'")
    assert_all_equal(db)
    assert db.dead_letters() == []


def test_a_letter_whose_key_is_none_any_more_is_left_and_that_is_said(db):
    db.execute("CREATE TABLE k (id text PRIMARY KEY, v text);"
               "INSERT INTO k SELECT 'key' || n, 'x' FROM generate_series(1, 3) n;"
               "INSERT INTO k VALUES ('7', 'x')")
    db.create_sync("k", mapping={"properties": {"v": {"type": "integer"}}})
    db.wait()
    notices = []
    with db.connect(autocommit=False) as session:
        session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        session.execute("ALTER TABLE k ALTER COLUMN id TYPE integer"
                        " USING replace(id, 'key', '')::integer")
        assert session.execute("SELECT polyglot.requeue('k')").fetchone() == (1,)
    assert notices == ['3 dead letters of sync "k" were left as they are']
    db.execute("UPDATE k SET v = '1'")
    db.assert_equal("k")


def test_rows_of_a_type_whose_attributes_changed_while_no_column_had_it(db):
    """The number of the type stays; parked keys are of another form all the same."""
    db.execute("CREATE TYPE pair AS (a integer, b text);"
               "CREATE TABLE k (id pair PRIMARY KEY, n integer, v text);"
               "INSERT INTO k SELECT ROW(n, 'x')::pair, n FROM generate_series(1, 10) n")
    db.create_sync("k")
    db.wait()
    db.execute("SELECT polyglot.pause_sync('k'); UPDATE k SET v = 'two'")
    processes.wait_for(lambda: db.status("k")["parked"] == 10, "parked keys")
    db.execute("ALTER TABLE k ALTER COLUMN id TYPE text USING n::text;"
               "ALTER TYPE pair ALTER ATTRIBUTE a TYPE text;"
               "ALTER TABLE k ALTER COLUMN id TYPE pair USING ROW(id, repeat('y', n))::pair")
    assert {key for key, in db.query("SELECT key FROM polyglot.outbox WHERE sync = 'k'")} == {None}
    db.execute("SELECT polyglot.resume_sync('k')")
    db.assert_equal("k")


def test_a_verification_of_keys_that_violate_their_domain(db):
    """NOT VALID: the constraint holds for new rows only, and our own texts are not new ones."""
    db.execute("CREATE DOMAIN posint AS integer; CREATE TABLE k (id posint PRIMARY KEY);"
               "INSERT INTO k SELECT generate_series(-1500, 1500)")
    db.create_sync("k")
    db.wait()
    db.execute("ALTER DOMAIN posint ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID")
    client = db.search.client()
    client.delete(index=db.index("k"), id="-7", refresh=True)
    client.index(index=db.index("k"), id="-2000", body={"id": -2000}, refresh=True)
    db.wait()
    found = db.query("SELECT problem, document_id FROM polyglot.verify_sync('k') ORDER BY 2")
    assert found == [("orphan", "-2000"), ("missing", "-7")]
    db.execute("SELECT polyglot.enqueue('k', -7), polyglot.repair_sync('k')")
    db.assert_equal("k")


@pytest.mark.slow
def test_a_renamed_label_in_the_first_backfill(db):
    db.execute("CREATE TYPE step AS ENUM (" + ", ".join(f"'s{n}'" for n in range(600)) + ");"
               "CREATE TABLE k (id step PRIMARY KEY, n integer);"
               "INSERT INTO k SELECT ('s' || n)::step, n FROM generate_series(0, 599) n")
    db.create_sync("k", options={"backfill_rate": 100})
    processes.wait_for(lambda: db.value("SELECT count(backfill_key) FROM polyglot.sync_state"), "a position")
    with db.connect() as session:
        for n in range(600):
            session.execute(f"ALTER TYPE step RENAME VALUE 's{n}' TO 't{n}'")
    db.execute("SELECT polyglot.alter_sync('k', reset => '{options}')")
    db.assert_equal("k")
    assert db.status("k")["state"] == "streaming"


def test_no_value_of_a_row_in_what_others_see_of_a_failure(db):
    """Monitors see status, and the log is for whoever runs the server."""
    db.execute("CREATE FUNCTION picky(n integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
               " $$BEGIN RAISE EXCEPTION 'not %', 'a secret'; END$$;"
               "CREATE TABLE k (id integer PRIMARY KEY); INSERT INTO k VALUES (1);"
               "CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
    try:
        log = len(db.pg.log())
        # Raised for every row, so for the sync as a whole: the planner folds the call.
        db.create_sync("k", filter="public.picky(7)")
        db.wait_for_state("k", "failed")
        seen = db.value("SELECT last_error FROM polyglot.status", user="watcher")
        assert "P0001" in seen and "secret" not in seen
        assert "secret" in db.status("k")["last_error"]
        assert "a secret" not in db.pg.log()[log:].replace("'a secret'", "")
    finally:
        db.execute("DROP ROLE watcher")
