"""Locks of tables: nobody who changes a table fails or waits because of the worker, and a table that
is locked for long holds up no other."""

import threading
import time

import psycopg
import pytest

import processes
from generations import wait_for_generation


@pytest.fixture
def two(db):
    db.execute("CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL)")
    db.create_sync("a")
    db.create_sync("b")
    db.execute("INSERT INTO a VALUES (1, 'one'); INSERT INTO b VALUES (1, 'one')")
    db.wait()
    return db


def waits_for_lock(db, table):
    """Somebody waits for a lock of this table."""
    return db.value("SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted", (table,))


@pytest.mark.parametrize("first, second", [("a", "b"), ("b", "a")])
def test_a_migration_of_two_tables_is_not_the_victim_of_a_deadlock(two, first, second):
    """The worker has events of both tables to deal with when one of them is locked."""
    errors = []

    def migrate():
        try:
            with two.connect(autocommit=False) as session:
                session.execute(f"ALTER TABLE {first} ADD COLUMN extra integer")  # waits for the writer
                session.execute("SELECT pg_sleep(2)")  # the worker would have looked for a deadlock by now
                session.execute(f"ALTER TABLE {second} ADD COLUMN extra integer")
        except psycopg.Error as error:
            errors.append(error)
    migration = threading.Thread(target=migrate)
    with two.connect(autocommit=False) as writer:
        writer.execute("INSERT INTO a VALUES (2, 'two'); INSERT INTO b VALUES (2, 'two')")
        migration.start()
        processes.wait_for(lambda: waits_for_lock(two, first), "the migration waits")
    migration.join()
    assert errors == []
    two.assert_equal("a")
    two.assert_equal("b")


def test_a_locked_table_holds_up_no_other(two):
    with two.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE; INSERT INTO b VALUES (2, 'two')")
        with two.connect() as other:
            other.execute("INSERT INTO a VALUES (2, 'two')")
        two.wait("a")
        two.assert_equal("a", wait=False)
    two.assert_equal("b")


def test_a_table_that_is_locked_while_its_changes_wait_holds_up_no_other(two):
    """The lock is there before the worker has read the rows again."""
    locked, end = threading.Event(), threading.Event()

    def hold():
        with two.connect(autocommit=False) as session:
            session.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE")  # waits for the writer
            locked.set()
            end.wait(120)
    holder = threading.Thread(target=hold)
    try:
        with two.connect(autocommit=False) as writer:
            writer.execute("INSERT INTO b SELECT i, 'b' FROM generate_series(2, 3000) i")
            holder.start()
            processes.wait_for(lambda: waits_for_lock(two, "b"), "the holder waits")
        assert locked.wait(60)
        for number in range(2, 20):
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="20s")
        two.assert_equal("a", wait=False)
        assert not two.value("SELECT polyglot.wait_for_sync('b', '1s')")
        assert waits_for_lock(two, "b") == 0
    finally:
        end.set()
        holder.join()
    two.assert_equal("b")


@pytest.mark.parametrize("table", ["parked_key", "difference"])
def test_a_lock_of_our_own_table_neither_ends_nor_hides_the_worker(two, table):
    worker = two.wait_for_worker()
    with two.connect(autocommit=False) as holder:
        holder.execute(f"LOCK TABLE polyglot.{table} IN ACCESS EXCLUSIVE MODE")
        two.execute("INSERT INTO a VALUES (2, 'two'); INSERT INTO b VALUES (2, 'two')")
        named = f"polyglot.{table}: process {holder.info.backend_pid} holds it"
        processes.wait_for(lambda: named in (two.status("a")["problem"] or ""), lambda: two.status("a"))
        assert "not answered" not in two.status("a")["problem"]
        assert waits_for_lock(two, f"polyglot.{table}") == 0
    two.assert_equal("a")
    two.assert_equal("b")
    assert two.wait_for_worker() == worker
    processes.wait_for(lambda: two.status("a")["problem"] is None, "it is not said any more")


@pytest.mark.slow
def test_what_waits_for_a_locked_table_leaves_the_pipeline_to_others(two):
    """More keys wait for it than the pipeline holds."""
    two.execute("SELECT polyglot.stop_workers()")
    two.execute("INSERT INTO b SELECT i, 'b' FROM generate_series(2, 30000) i")
    with two.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE")
        two.execute("SELECT polyglot.start_workers()")
        for number in range(2, 20):
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="60s")
        two.assert_equal("a", wait=False)
        processes.wait_for(lambda: two.status("b")["parked"] >= 29999, "all of its keys are parked")
        assert "lock of the table" in two.status("b")["last_error"]
        assert two.status("b")["state"] == "streaming"
    two.assert_equal("b")
    assert two.status("b")["last_error"] is None


def test_a_backfill_of_a_locked_table_holds_up_no_other(two):
    two.execute("CREATE TABLE c (id integer PRIMARY KEY); INSERT INTO c SELECT generate_series(1, 5000)")
    with two.connect(autocommit=False) as holder:
        two.create_sync("c")
        holder.execute("LOCK TABLE c IN ACCESS EXCLUSIVE MODE")
        two.execute("INSERT INTO a VALUES (2, 'two'); SELECT polyglot.rebuild_sync('b')")
        two.wait("a", timeout="20s")
        processes.wait_for(lambda: two.value("SELECT generation FROM polyglot.syncs WHERE sync = 'b'") == 2,
                           "the rebuild of the other")
        holder.commit()
    two.assert_equal("c")


@pytest.mark.parametrize("statement", ["SELECT polyglot.drop_sync('c')",
                                       pytest.param("DROP TABLE c", marks=pytest.mark.slow),
                                       pytest.param("ALTER TABLE c DROP COLUMN id CASCADE",
                                                    marks=pytest.mark.slow)])
def test_an_open_transaction_that_ends_a_sync_holds_up_no_other(two, statement):
    """It has the row of the sync that is being filled."""
    two.execute("CREATE TABLE c (id integer PRIMARY KEY, v text);"
                "INSERT INTO c SELECT i, repeat('x', 300) FROM generate_series(1, 100000) i")
    two.create_sync("c")
    processes.wait_for(lambda: two.status("c")["backfill_rows"], "the first rows")
    with two.connect(autocommit=False) as session:
        session.execute(statement)
        for number in range(2, 12):
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="30s")
            time.sleep(0.5)  # progress is stored every 2 s
        session.rollback()
    two.assert_equal("a")
    two.assert_equal("c")


def test_an_open_transaction_that_ends_a_sync_with_parked_keys_holds_up_no_other(two):
    """It has the rows of the keys, which changes of others want to have, too."""
    two.execute("SELECT polyglot.pause_sync('b')")
    two.wait_for_state("b", "paused")
    two.execute("INSERT INTO b SELECT i, 'parked' FROM generate_series(2, 100) i")
    processes.wait_for(lambda: two.status("b")["parked"] == 99, "parked keys")
    with two.connect(autocommit=False) as writer, two.connect(autocommit=False) as session:
        writer.execute("UPDATE b SET v = 'again'")  # so that the triggers cannot be dropped at once
        session.execute("SELECT polyglot.drop_sync('b')")
        writer.commit()
        two.execute("INSERT INTO a VALUES (2, 'two')")
        two.wait("a", timeout="30s")
        session.rollback()
    processes.wait_for(lambda: two.status("b")["parked"] == 100, "parked keys")
    two.execute("SELECT polyglot.resume_sync('b')")
    two.assert_equal("a")
    two.assert_equal("b")


@pytest.mark.slow
def test_an_open_drop_of_a_sync_whose_new_index_is_lost_holds_up_no_other(two):
    """It has the rows of both generations when the rebuild begins again."""
    two.execute("INSERT INTO b SELECT i, 'row' FROM generate_series(2, 3000) i")
    two.wait("b")
    two.execute("SELECT polyglot.alter_sync('b', options => '{\"backfill_rate\": 60}')")
    two.execute("SELECT polyglot.rebuild_sync('b')")
    client, new = two.search.client(), two.index("b-000002")
    processes.wait_for(lambda: client.indices.exists(index=new), "the new index")
    with two.connect(autocommit=False) as session:
        session.execute("SELECT polyglot.drop_sync('b')")
        client.indices.delete(index=new)
        for number in range(2, 32):  # indexes are looked at every 10 s
            two.execute("INSERT INTO a VALUES (%s, 'a')", (number,))
            two.wait("a", timeout="30s")
            time.sleep(0.5)
        session.rollback()
    two.execute("SELECT polyglot.alter_sync('b', options => '{}')")
    wait_for_generation(two, 3, "b")
    two.assert_equal("a")
    two.assert_equal("b")


@pytest.fixture
def strict(db):
    """`b` has a dead letter."""
    db.execute("CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL)")
    db.create_sync("a")
    db.create_sync("b", mapping='{"properties": {"v": {"type": "integer"}}}')
    db.execute("INSERT INTO b VALUES (1, 'not a number'), (2, '2')")
    db.wait()
    assert db.value("SELECT count(*) FROM polyglot.dead_letters") == 1
    return db


def test_an_open_discard_holds_up_no_other(strict):
    """The document is refused again while somebody's open transaction deletes its dead letter."""
    with strict.connect(autocommit=False) as session:
        assert session.execute("SELECT polyglot.discard('b')").fetchone()[0] == 1
        strict.execute("UPDATE b SET v = 'still none' WHERE id = 1; INSERT INTO a VALUES (1, 'a')")
        strict.wait("a", timeout="60s")
        processes.wait_for(lambda: "dead letters" in (strict.status("b")["last_error"] or ""),
                           lambda: strict.status("b"))
        strict.execute("INSERT INTO a VALUES (2, 'a'); INSERT INTO b VALUES (3, '3')")
        strict.wait("a", timeout="60s")
        session.commit()
    strict.wait()
    letters = strict.query("SELECT document_id, document::text FROM polyglot.dead_letters")
    assert [(id, "still none" in document) for id, document in letters] == [("1", True)]
    assert strict.status("b")["last_error"] is None or "dead letters" not in strict.status("b")["last_error"]
    strict.execute("UPDATE b SET v = '1' WHERE id = 1")
    strict.assert_equal("b")


def test_an_open_discard_of_an_unreadable_row_holds_up_no_other(db):
    db.execute("CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL)")
    db.create_sync("a")
    db.create_sync("b", document="pg_catalog.jsonb_build_object('n', v::pg_catalog.int4)")
    db.execute("INSERT INTO b VALUES (1, 'none')")
    db.wait()
    with db.connect(autocommit=False) as session:
        assert session.execute("SELECT polyglot.discard('b')").fetchone()[0] == 1
        db.execute("UPDATE b SET v = 'still none' WHERE id = 1; INSERT INTO a VALUES (1, 'a')")
        db.wait("a", timeout="60s")
        session.commit()
    db.wait()
    assert db.value("SELECT reason FROM polyglot.dead_letters") == \
        'invalid input syntax for type integer: "still none" (document of sync "b")'


# ---- what documents are read from beside their table ------------------------------------------------------


LOOKED_UP = "CREATE TABLE other (id integer PRIMARY KEY, name text); INSERT INTO other VALUES (1, 'one');" \
    "CREATE TABLE t (id integer PRIMARY KEY, o integer); INSERT INTO t VALUES (1, 1);" \
    "CREATE TABLE z (id integer PRIMARY KEY);"

# How `other` is read: what makes it so, and the document.
READS = {
    "sub-select": ("", "(SELECT x.name FROM public.other x WHERE x.id = t.o)"),
    "inlined function": (
        "CREATE FUNCTION name_of(n integer) RETURNS text STABLE LANGUAGE sql"
        " AS 'SELECT x.name FROM public.other x WHERE x.id = n'", "public.name_of(t.o)"),
    "sql function": (
        "CREATE FUNCTION name_of(n integer) RETURNS text STABLE SECURITY DEFINER LANGUAGE sql"
        " AS 'SELECT x.name FROM public.other x WHERE x.id = n'", "public.name_of(t.o)"),
    "plpgsql function": (
        "CREATE FUNCTION name_of(n integer) RETURNS text STABLE LANGUAGE plpgsql"
        " AS 'BEGIN RETURN (SELECT x.name FROM public.other x WHERE x.id = n); END'", "public.name_of(t.o)"),
    "dynamic SQL": (
        "CREATE FUNCTION name_of(n integer) RETURNS text STABLE LANGUAGE plpgsql AS"
        " 'DECLARE found text; BEGIN EXECUTE ''SELECT x.name FROM public.other x WHERE x.id = $1'' INTO found"
        " USING n; RETURN found; END'",
        "public.name_of(t.o)"),
    "nested views": (
        "CREATE VIEW below AS SELECT * FROM other; CREATE VIEW names AS SELECT id, name FROM below",
        "(SELECT x.name FROM public.names x WHERE x.id = t.o)"),
    "partitions": (
        "CREATE TABLE parts (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (100);"
        "INSERT INTO parts VALUES (1, 'one');",
        "(SELECT x.name FROM public.parts x WHERE x.id = t.o)"),
}


def looked_up(db, how, filtered=False):
    """`t`, whose documents read another table, and `z`, which has nothing to do with it."""
    definitions, name = READS[how]
    db.execute(LOOKED_UP + definitions)
    arguments = {"filter": f"{name} IS NOT NULL"} if filtered else \
        {"document": f"pg_catalog.jsonb_build_object('id', id, 'name', {name})"}
    db.create_sync("t", **arguments)
    db.create_sync("z")
    db.wait()
    assert len(db.documents("t")) == 1


@pytest.mark.parametrize("how", READS)
def test_a_migration_of_a_looked_up_table_is_not_the_victim_of_a_deadlock(db, how):
    looked_up(db, how)
    table = "part" if how == "partitions" else "other"
    with db.connect(autocommit=False) as migration:
        migration.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        db.execute("UPDATE t SET id = 2; INSERT INTO z SELECT generate_series(1, 1000)")
        assert db.value("SELECT polyglot.wait_for_sync('z', '20s')"), db.status()
        processes.wait_for(lambda: f"public.{table}:" in (db.status("t")["last_error"] or ""),
                           lambda: db.status("t"))
        assert not db.value("SELECT polyglot.wait_for_sync('t', '100ms')")
        db.execute("INSERT INTO z VALUES (1001)")
        assert db.value("SELECT polyglot.wait_for_sync('z', '20s')"), db.status()
        migration.execute("ALTER TABLE t ADD COLUMN y integer")
        migration.commit()
    db.wait()
    assert set(db.documents("t")) == {"2"} and db.documents("t")["2"]["name"] == "one"
    assert db.status("t")["last_error"] is None
    db.assert_equal("z")


def test_a_filter_that_reads_a_locked_table_holds_up_no_other(db):
    looked_up(db, "sub-select", filtered=True)
    with db.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
        db.execute("UPDATE t SET id = 2; INSERT INTO z VALUES (1)")
        assert db.value("SELECT polyglot.wait_for_sync('z', '20s')"), db.status()
    db.assert_equal("t")


@pytest.mark.parametrize("how", ["sub-select", "plpgsql function", "dynamic SQL"])
def test_a_looked_up_table_that_is_rewritten_is_never_seen_empty(db, how):
    """To a snapshot that is older than the lock, a table that ALTER TABLE has rewritten is empty."""
    looked_up(db, how)
    for number in range(2, 12):
        with db.connect(autocommit=False) as migration:
            migration.execute("ALTER TABLE other ALTER COLUMN name TYPE varchar(%d)" % (10 + number % 2))
            migration.execute("ALTER TABLE other ADD COLUMN IF NOT EXISTS c%d timestamptz DEFAULT"
                              " pg_catalog.clock_timestamp()" % number)
            db.execute("INSERT INTO t VALUES (%s, 1)", (number,))
            migration.execute("SELECT pg_catalog.pg_sleep(%s)", (number % 3 * 0.05,))
            migration.commit()
    db.wait()
    names = {document["name"] for document in db.documents("t").values()}
    assert len(db.documents("t")) == 11 and names == {"one"}


def test_a_worker_that_starts_waits_for_no_looked_up_table(db):
    """It makes its plans anew, for a backfill, too."""
    looked_up(db, "nested views")
    db.execute("SELECT polyglot.stop_workers()")
    with db.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
        db.execute("SELECT polyglot.rebuild_sync('t'); UPDATE t SET id = 2; INSERT INTO z VALUES (1);"
                   "SELECT polyglot.start_workers()")
        assert db.value("SELECT polyglot.wait_for_sync('z', '30s')"), db.status()
        processes.wait_for(lambda: db.value("SELECT generation FROM polyglot.syncs WHERE sync = 't'") == 1 and
                           db.status("t")["state"] == "rebuilding", lambda: db.status("t"))
        db.execute("INSERT INTO z VALUES (2)")
        assert db.value("SELECT polyglot.wait_for_sync('z', '30s')"), db.status()
    db.wait()
    assert set(db.documents("t")) == {"2"}


def test_a_verification_waits_for_no_looked_up_table(db):
    looked_up(db, "plpgsql function")
    with db.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
        verification = threading.Thread(target=db.execute, args=("SELECT polyglot.verify_sync('t')",))
        verification.start()
        processes.wait_for(lambda: db.value("SELECT count(*) FROM polyglot.verifications"), "it has begun")
        for number in range(1, 11):
            db.execute("INSERT INTO z VALUES (%s)", (number,))
            assert db.value("SELECT polyglot.wait_for_sync('z', '20s')"), db.status()
        holder.rollback()
    verification.join()
    assert db.query("SELECT compared, missing + orphan + different FROM polyglot.verifications") == [(1, 0)]


# ---- rows of ours that somebody's open transaction has ----------------------------------------------------


def stopped(db):
    db.execute("CREATE TABLE z (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY)")
    db.create_sync("z")
    db.wait()
    db.execute("SELECT polyglot.stop_workers(); INSERT INTO z VALUES (1)")


@pytest.mark.parametrize("statement", ["SELECT polyglot.drop_sync('b')", "SELECT polyglot.resume_sync('b')",
                                       "DROP TABLE b"])
def test_an_open_transaction_that_has_a_new_sync_holds_up_no_other(db, statement):
    """No worker has seen that sync before."""
    stopped(db)
    db.create_sync("b")
    with db.connect(autocommit=False) as session:
        session.execute(statement)
        db.execute("SELECT polyglot.start_workers()")
        assert db.value("SELECT polyglot.wait_for_sync('z', '30s')"), db.status()
        session.rollback()
    db.execute("INSERT INTO b VALUES (1)")
    db.wait()
    db.assert_equal("b")


@pytest.mark.slow
def test_an_open_transaction_that_has_the_row_of_a_deleted_index_holds_up_no_other(db):
    stopped(db)
    db.create_sync("b")
    db.execute("SELECT polyglot.start_workers()")
    db.wait()
    db.execute("SELECT polyglot.stop_workers(); SELECT polyglot.drop_sync('b', drop_index => true)")
    with db.connect(autocommit=False) as session:
        session.execute("SELECT * FROM polyglot.dropped_index FOR UPDATE")
        db.execute("SELECT polyglot.start_workers()")
        client, index = db.search.client(), db.index("b-000001")
        processes.wait_for(lambda: not client.indices.exists(index=index), "the index is deleted")
        for number in range(2, 5):
            db.execute("INSERT INTO z VALUES (%s)", (number,))
            assert db.value("SELECT polyglot.wait_for_sync('z', '30s')"), db.status()
        session.rollback()
    processes.wait_for(lambda: db.value("SELECT count(*) FROM polyglot.dropped_index") == 0, "it goes")


@pytest.mark.slow
def test_an_open_transaction_that_has_a_sync_whose_index_cannot_tell_the_changes_holds_up_no_other(db):
    """An index that is not managed is compared anew when unknown rows have changed: that must be stored."""
    stopped(db)
    db.execute("SELECT polyglot.start_workers()")
    db.search.client().indices.create(index=db.index("b"))
    db.create_sync("b", manage_index=False)
    db.execute("INSERT INTO b VALUES (1), (2)")
    db.wait()
    with db.connect(autocommit=False) as session:
        session.execute("SELECT polyglot.resume_sync('b')")
        db.execute("TRUNCATE b; INSERT INTO b VALUES (3); INSERT INTO z VALUES (2)")
        assert db.value("SELECT polyglot.wait_for_sync('z', '30s')"), db.status()
        assert not db.value("SELECT polyglot.wait_for_sync('b', '100ms')")
        session.rollback()
    db.wait()
    assert set(db.documents("b")) == {"3"}


def test_a_repair_of_triggers_queues_behind_no_writer(db):
    """Whoever waits behind it would wait for that writer, too."""
    stopped(db)
    db.create_sync("b")
    db.execute("SELECT polyglot.start_workers()")
    db.wait()
    with db.connect(autocommit=False) as writer:
        writer.execute("INSERT INTO b VALUES (1)")
        with db.connect() as session:  # behind the back of the event triggers
            session.execute("UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'b'::regclass"
                            " AND tgname LIKE 'polyglot_capture%'")
        db.pg.reload()
        processes.wait_for(lambda: "capture triggers" in (db.status("b")["last_error"] or ""),
                           lambda: db.status("b"))
        assert waits_for_lock(db, "b") == 0
        db.execute("INSERT INTO b VALUES (2); INSERT INTO z VALUES (2)")
        assert db.value("SELECT polyglot.wait_for_sync('z', '20s')"), db.status()
        writer.commit()
    wait_for_generation(db, 2, "b")
    db.assert_equal("b")
