"""What users do to their tables beside a sync: nobody waits, fails or pays who would not without it."""

import itertools
import threading

import psycopg
import pytest

import processes

TREE = """
CREATE TABLE root (y integer, m integer, v text, PRIMARY KEY (y, m)) PARTITION BY LIST (y);
CREATE TABLE y1 PARTITION OF root FOR VALUES IN (1);
CREATE TABLE y2 PARTITION OF root FOR VALUES IN (2) PARTITION BY RANGE (m);
CREATE TABLE y2a PARTITION OF y2 FOR VALUES FROM (0) TO (100);
INSERT INTO root SELECT 1 + i % 2, i, 'row' FROM generate_series(1, 60) i
"""
KEY = ["y", "m"]


@pytest.fixture
def roles(db):
    """Ordinary ones, which own schemas and may use the server."""
    names = [f"{role}_{db.name}" for role in ("alice", "bob")]
    for name in names:
        db.execute(f"CREATE ROLE {name} LOGIN; CREATE SCHEMA {name} AUTHORIZATION {name};"
                   f"GRANT USAGE ON FOREIGN SERVER search TO {name}")
    yield names
    db.execute("".join(f"DROP OWNED BY {name} CASCADE;" for name in names))
    db.execute("".join(f"DROP ROLE {name};" for name in names))


def our_triggers(db, table):
    return db.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass"
                    " AND tgfoid = 'polyglot.capture'::regproc", (table,))


def test_owners_without_other_rights_add_and_remove_partitions_at_any_depth(db, roles):
    alice, _ = roles
    db.execute(TREE, user=alice)
    db.create_sync(f"{alice}.root", user=alice)
    db.wait("root")
    db.execute("CREATE TABLE y3 PARTITION OF root FOR VALUES IN (3);"
               "CREATE TABLE y2b PARTITION OF y2 FOR VALUES FROM (100) TO (200);"
               "CREATE TABLE y4 (y integer NOT NULL, m integer NOT NULL, v text) PARTITION BY LIST (m);"
               "CREATE TABLE y4a PARTITION OF y4 FOR VALUES IN (1); INSERT INTO y4 VALUES (4, 1, 'before');"
               "ALTER TABLE root ATTACH PARTITION y4 FOR VALUES IN (4);"
               "CREATE TABLE y4b PARTITION OF y4 FOR VALUES IN (2);"
               "INSERT INTO root VALUES (3, 1, ''), (2, 150, ''), (4, 2, ''); DELETE FROM y4a", user=alice)
    db.assert_equal(f"{alice}.root", key=KEY)
    with db.connect(alice) as session:
        session.execute("ALTER TABLE root DETACH PARTITION y1 CONCURRENTLY")
    db.execute("INSERT INTO y1 VALUES (1, 1000, 'not in the tree'); ALTER TABLE y2 DETACH PARTITION y2b;"
               "DROP TABLE y3; TRUNCATE y4b", user=alice)
    db.assert_equal(f"{alice}.root", key=KEY)
    assert our_triggers(db, f"{alice}.y1") == our_triggers(db, f"{alice}.y2b") == 0
    db.execute("ALTER TABLE root ATTACH PARTITION y1 FOR VALUES IN (1);"
               "ALTER TABLE y2 ATTACH PARTITION y2b FOR VALUES FROM (100) TO (200)", user=alice)
    db.assert_equal(f"{alice}.root", key=KEY)


def test_owners_of_parts_of_a_tree_go_on_as_before(db, roles):
    """Who owns a partition but not the root, and has triggers of his own on what he attaches."""
    alice, bob = roles
    db.execute(TREE, user=alice)
    db.execute(f"GRANT USAGE, CREATE ON SCHEMA {alice} TO {bob}; ALTER TABLE {alice}.y2 OWNER TO {bob}")
    db.create_sync(f"{alice}.root", user=alice)
    db.wait("root")
    db.execute(f"""
        SET search_path = {alice};
        CREATE TABLE y2b PARTITION OF y2 FOR VALUES FROM (100) TO (200);
        CREATE TABLE y2c (LIKE y2);
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql
          AS 'BEGIN NEW.v := ''stamped''; RETURN NEW; END';
        CREATE TRIGGER stamp BEFORE INSERT ON y2c FOR EACH ROW EXECUTE FUNCTION stamp();
        INSERT INTO y2c VALUES (2, 250, '');
        ALTER TABLE y2 ATTACH PARTITION y2c FOR VALUES FROM (200) TO (300);
        INSERT INTO y2 VALUES (2, 101, ''), (2, 251, '')""", user=bob)
    db.assert_equal(f"{alice}.root", key=KEY)
    assert db.documents("root")["2,251"]["v"] == "stamped"


def test_an_owner_restores_the_triggers_of_a_dump(db, roles):
    """pg_restore by an owner without other rights: CREATE TRIGGER, then ENABLE ALWAYS."""
    alice, _ = roles
    db.execute("CREATE TABLE r (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
               "CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (100)", user=alice)
    db.execute("CREATE TRIGGER polyglot_capture_999999999 AFTER INSERT OR DELETE OR UPDATE ON r"
               " FOR EACH ROW EXECUTE FUNCTION polyglot.capture();"
               "ALTER TABLE r ENABLE ALWAYS TRIGGER polyglot_capture_999999999;"
               "CREATE TRIGGER polyglot_truncate_999999999 AFTER TRUNCATE ON r1"
               " FOR EACH STATEMENT EXECUTE FUNCTION polyglot.capture();"
               "CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON r1"
               " FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();"
               "ALTER TABLE r1 ENABLE REPLICA TRIGGER ignore_replicated;"
               "INSERT INTO r VALUES (1); UPDATE r SET id = 2; TRUNCATE r; INSERT INTO r VALUES (3)",
               user=alice)
    db.create_sync(f"{alice}.r", user=alice)
    db.execute("INSERT INTO r VALUES (4)", user=alice)
    db.assert_equal(f"{alice}.r")


def test_triggers_of_others_that_call_the_capture_function_do_nothing(db, roles):
    """Whatever they are: no crash, no event, no row lost."""
    alice, bob = roles
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')", user=alice)
    db.create_sync(f"{alice}.t", user=alice)
    db.wait("t")
    number = db.value(f"SELECT '{alice}.t'::regclass::oid")
    db.execute("CREATE TABLE mine (id integer PRIMARY KEY, v text);"
               "CREATE VIEW seen AS SELECT * FROM mine", user=bob)
    kinds = ["BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW",
             "AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT",
             "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT",
             "AFTER TRUNCATE ON {table} FOR EACH STATEMENT",
             "AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW"]
    names = [f"polyglot_capture_{number}", f"polyglot_truncate_{number}", f"polyglot_capture_0{number}",
             "polyglot_capture_x", "polyglot_capture_99999999999", "polyglot_truncate_1"]
    with db.connect(bob) as session:
        for kind, name in itertools.product(kinds, names):
            arguments = f"'{number}', 't'" if name.endswith("x") else ""
            session.execute(f"CREATE TRIGGER {name} {kind.format(table='mine')}"
                            f" EXECUTE FUNCTION polyglot.capture({arguments});"
                            "INSERT INTO mine VALUES (1, 'a'), (2, 'b');"
                            "UPDATE mine SET v = v || 'x', id = id + 10; DELETE FROM mine WHERE id = 11")
            assert session.execute("SELECT id, v FROM mine").fetchall() == [(12, "bx")]
            session.execute(f"TRUNCATE mine; DROP TRIGGER IF EXISTS {name} ON mine")
    db.execute(f"CREATE TRIGGER polyglot_capture_{number} INSTEAD OF INSERT ON seen FOR EACH ROW"
               " EXECUTE FUNCTION polyglot.capture(); INSERT INTO seen VALUES (1, '');"
               f"CREATE CONSTRAINT TRIGGER polyglot_truncate_{number} AFTER INSERT ON mine"
               " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION polyglot.capture();"
               "INSERT INTO mine VALUES (9, '')", user=bob)
    assert db.query("SELECT * FROM polyglot.outbox") == []
    assert db.value("SELECT count(*) FROM polyglot.rebuild_request") == 0
    db.assert_equal(f"{alice}.t")


def test_a_capture_trigger_that_misses_changes_is_replaced(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    db.create_sync("t")
    db.wait("t")
    name = f"polyglot_capture_{db.value('SELECT %s::regclass::oid', ('t',))}"
    for definition in ("AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW WHEN (pg_trigger_depth() > 5)",
                       "AFTER INSERT OR UPDATE OF id OR DELETE ON t FOR EACH ROW"):
        db.execute(f"CREATE OR REPLACE TRIGGER {name} {definition} EXECUTE FUNCTION polyglot.capture()")
        db.wait()
        db.execute("INSERT INTO t SELECT max(id) + 1 FROM t; UPDATE t SET v = v || 'x'")
        db.assert_equal("t")


def test_a_new_part_of_a_tree_locks_nothing_above_its_parent(db):
    db.execute(TREE)
    db.create_sync("root")
    db.wait()
    with db.connect(autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM root WHERE y = 1")
        db.execute("SET lock_timeout = '3s'; CREATE TABLE y2b PARTITION OF y2 FOR VALUES FROM (100) TO (200);"
                   "CREATE TABLE y2c (LIKE y2);"
                   "ALTER TABLE y2 ATTACH PARTITION y2c FOR VALUES FROM (200) TO (300)")
        assert reader.execute("SELECT count(*) FROM root WHERE y = 2").fetchone() == (30,)
    db.execute("INSERT INTO root VALUES (2, 101, ''), (2, 201, '')")
    db.assert_equal("root", key=KEY)


def together(*sessions):
    """Runs one statement in each session at the same time; returns the errors."""
    errors = []

    def run(session, statement):
        try:
            session.execute(statement)
            session.commit()
        except psycopg.Error as error:
            errors.append(error)
    threads = [threading.Thread(target=run, args=one) for one in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return errors


def test_writers_that_make_children_of_one_table_do_not_deadlock(db):
    db.execute("CREATE TABLE p (id integer PRIMARY KEY, v text)")
    db.create_sync("p")
    db.wait()
    with db.connect(autocommit=False) as one, db.connect(autocommit=False) as two:
        one.execute("INSERT INTO p VALUES (1, 'one')")
        two.execute("INSERT INTO p VALUES (2, 'two')")
        assert together(*((session, f"CREATE TABLE c{number} (PRIMARY KEY (id)) INHERITS (p);"
                                    f"INSERT INTO c{number} VALUES (1{number}, 'child')")
                          for number, session in ((1, one), (2, two)))) == []
        db.assert_equal("p")
        one.execute("INSERT INTO c1 VALUES (5, '')")
        two.execute("INSERT INTO c2 VALUES (6, '')")
        assert together((one, "CREATE TABLE c11 () INHERITS (c1); CREATE INDEX ON c11 (id)"),
                        (two, "CREATE TABLE c21 (LIKE p INCLUDING ALL); ALTER TABLE c21 INHERIT p;"
                              "INSERT INTO c21 VALUES (7, '')")) == []
    db.assert_equal("p")


def test_readers_of_a_parent_do_not_wait_for_a_new_child(db):
    db.execute("CREATE TABLE p (id integer PRIMARY KEY, v text); INSERT INTO p VALUES (1, '')")
    db.create_sync("p")
    db.wait()
    with db.connect(autocommit=False) as reader, db.connect(autocommit=False) as creator:
        reader.execute("SELECT * FROM p")
        creator.execute("SET lock_timeout = '3s'; CREATE TABLE c () INHERITS (p);"
                        "INSERT INTO c VALUES (2, '')")
        db.execute("SET lock_timeout = '3s'; UPDATE p SET v = 'x'")
        creator.commit()
    db.assert_equal("p")


def test_temporary_children_cost_nothing(db):
    db.execute("CREATE TABLE p (id integer PRIMARY KEY, v text); INSERT INTO p VALUES (1, '')")
    db.create_sync("p")
    db.wait()
    with db.connect(autocommit=False) as session:
        session.execute("CREATE TEMP TABLE mine () INHERITS (p); CREATE TEMP TABLE other (LIKE p);"
                        "ALTER TABLE other INHERIT p; INSERT INTO mine VALUES (2, '')")
        locks = session.execute("SELECT mode FROM pg_locks WHERE pid = pg_backend_pid()"
                                " AND relation = 'p'::regclass").fetchall()
        assert {mode for mode, in locks} <= {"AccessShareLock", "ShareUpdateExclusiveLock"}
        assert session.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid IN"
                               " ('mine'::regclass, 'other'::regclass)").fetchone() == (0,)
        db.execute("SET lock_timeout = '3s'; UPDATE p SET v = 'x' WHERE id = 1")
        session.commit()
        session.execute("ALTER TABLE other NO INHERIT p; DROP TABLE mine")
        session.commit()
    assert db.value("SELECT count(*) FROM polyglot.rebuild_request") == 0
    db.assert_equal("p")


def test_rows_of_children_made_a_moment_ago_are_not_taken_for_deleted(db):
    db.execute("CREATE TABLE p (id integer PRIMARY KEY, v text)")
    db.create_sync("p")
    db.wait()

    def make_children(first):
        with db.connect(autocommit=False) as session:
            for number in range(first, first + 25):
                session.execute(f"CREATE TABLE c{number} (PRIMARY KEY (id)) INHERITS (p);"
                                f"INSERT INTO c{number} VALUES ({number}, 'new')")
                session.commit()
    threads = [threading.Thread(target=make_children, args=(first,)) for first in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    db.assert_equal("p")
    assert len(db.documents("p")) == 75


def test_what_concerns_other_wrappers_can_be_prepared(db):
    db.execute("CREATE FOREIGN DATA WRAPPER elsewhere; CREATE TABLE t (id integer PRIMARY KEY)")
    db.create_sync("t")
    steps = ["CREATE SERVER far FOREIGN DATA WRAPPER elsewhere; CREATE USER MAPPING FOR PUBLIC SERVER far",
             "ALTER SERVER far VERSION '2'; ALTER USER MAPPING FOR PUBLIC SERVER far OPTIONS (ADD a 'b');"
             "CREATE FOREIGN TABLE f (id integer) SERVER far; ALTER FOREIGN TABLE f ADD COLUMN v text",
             "DROP USER MAPPING FOR PUBLIC SERVER far; CREATE USER MAPPING FOR PUBLIC SERVER far",
             "DROP SERVER far CASCADE", "DROP FOREIGN DATA WRAPPER elsewhere",
             "CREATE TABLE plain (id integer PRIMARY KEY); ALTER TABLE plain ADD COLUMN v integer;"
             "CREATE INDEX plain_v ON plain (v); DROP INDEX plain_v; DROP TABLE plain"]
    for step in steps:
        db.execute(f"BEGIN; {step}; PREPARE TRANSACTION '{db.name}'")
        db.execute(f"COMMIT PREPARED '{db.name}'")
    for step in ("ALTER USER MAPPING FOR PUBLIC SERVER search OPTIONS (ADD bearer_token 'x')",
                 "DROP USER MAPPING FOR PUBLIC SERVER search", "ALTER TABLE t ADD COLUMN v integer"):
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            db.execute(f"BEGIN; {step}; PREPARE TRANSACTION '{db.name}'")


def test_a_restored_trigger_locks_no_unrelated_table(db):
    """Its number is that of a table elsewhere, here of one that nobody synchronises."""
    db.execute("CREATE TABLE unrelated (id integer PRIMARY KEY); CREATE TABLE t (id integer PRIMARY KEY);"
               "CREATE TABLE restored (id integer PRIMARY KEY)")
    number = db.value("SELECT 'unrelated'::regclass::oid")
    db.execute(f"CREATE TRIGGER polyglot_capture_{number} AFTER INSERT OR DELETE OR UPDATE ON restored"
               " FOR EACH ROW EXECUTE FUNCTION polyglot.capture()")
    start = db.value("SELECT pg_current_wal_insert_lsn()")
    db.create_sync("t")  # its worker looks when it starts
    processes.wait_for(lambda: our_triggers(db, "restored") == 0, "the restored trigger has gone")
    end = db.value("SELECT pg_current_wal_flush_lsn()")
    words = [db.pg.bin / "pg_waldump", "-p", db.pg.data / "pg_wal", "-r", "Standby", "-s", start, "-e", end]
    locks = processes.run(words).stdout
    assert f"rel {db.value('SELECT %s::regclass::oid', ('restored',))}" in locks
    assert f"rel {number}" not in locks


def top_memory(session):
    return session.execute("SELECT used_bytes FROM pg_backend_memory_contexts"
                           " WHERE name = 'TopMemoryContext'").fetchone()[0]


def test_a_session_does_not_grow_with_maintenance_of_its_tables(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v integer); INSERT INTO t VALUES (0, 0);"
               "SELECT polyglot.stop_workers()")
    db.create_sync("t")
    with db.connect() as session:
        def work(first, count):
            for number in range(first, first + count):
                session.execute(f"INSERT INTO t VALUES ({number}, 0); ANALYZE t;"
                                f"UPDATE t SET v = {number} WHERE id = 0")
        work(1, 20)
        before = top_memory(session)
        work(100, 200)
        assert top_memory(session) - before < 4096
        session.execute("BEGIN")
        work(1000, 20)
        before = top_memory(session)
        work(2000, 100)
        assert top_memory(session) - before < 4096
        session.execute("COMMIT")


def test_a_session_does_not_keep_what_it_knew_of_dropped_partitions(db):
    db.execute("CREATE TABLE r (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
               "SELECT polyglot.stop_workers()")
    db.create_sync("r")
    with db.connect() as session:
        def work(first, count):
            for number in range(first, first + count):
                session.execute(f"CREATE TABLE r{number} PARTITION OF r"
                                f" FOR VALUES FROM ({number}) TO ({number + 1});"
                                f"INSERT INTO r VALUES ({number}); DROP TABLE r{number}")
        work(1, 20)
        before = top_memory(session)
        work(100, 80)
        assert top_memory(session) - before < 16384


def test_many_key_and_routing_columns_stop_no_writer(db):
    columns = [f"c{i}" for i in range(300)]
    db.execute("CREATE TABLE wide (id integer PRIMARY KEY, "
               + ", ".join(f"{name} smallint NOT NULL DEFAULT 0" for name in columns) + ")")
    db.execute("SELECT polyglot.stop_workers()")
    db.create_sync("wide")
    made = 0
    with pytest.raises(psycopg.errors.TooManyColumns):
        for name in columns:
            db.create_sync("wide", name=f"by_{name}", routing=name)
            made += 1
    assert made >= 200
    db.execute("INSERT INTO wide VALUES (1); UPDATE wide SET c7 = 7; DELETE FROM wide")
    assert db.value("SELECT count(DISTINCT document_id) FROM polyglot.outbox WHERE sync = 'wide'") == 1
    with pytest.raises(psycopg.errors.TooManyColumns):
        db.execute(f"SELECT polyglot.alter_sync('wide', routing => 'c{made}')")


def test_a_column_of_a_document_that_gets_another_name_fails_the_sync_until_it_is_altered(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    db.create_sync("t", document="jsonb_build_object('id', id, 'v', v)")
    db.wait()
    db.execute("ALTER TABLE t RENAME COLUMN v TO w; INSERT INTO t VALUES (2, 'b')")
    assert db.status("t")["state"] == "failed"
    db.execute("SELECT polyglot.alter_sync('t', document => 'jsonb_build_object(''id'', id, ''w'', w)')")
    db.assert_equal("t")


def test_changes_are_not_lost_while_the_schema_has_another_name(db):
    """Which the event trigger refuses as long as nobody switches it off."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    db.create_sync("t")
    db.wait()
    db.execute("ALTER EVENT TRIGGER polyglot_watch_ddl DISABLE; ALTER SCHEMA polyglot RENAME TO away")
    db.execute("INSERT INTO t VALUES (2, 'b'); UPDATE t SET v = 'c' WHERE id = 1")
    db.execute("ALTER SCHEMA away RENAME TO polyglot; ALTER EVENT TRIGGER polyglot_watch_ddl ENABLE ALWAYS")
    db.assert_equal("t")


def test_another_table_takes_a_tables_place(db):
    """As operations.md says: searches see the old content until the new one is complete."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old'), (2, 'old');"
               "CREATE TABLE t_new (id integer PRIMARY KEY, v text); INSERT INTO t_new VALUES (1, 'new')")
    db.create_sync("t")
    db.wait()
    db.execute("BEGIN; SELECT polyglot.drop_sync('t'); ALTER TABLE t RENAME TO t_old;"
               "ALTER TABLE t_new RENAME TO t; SELECT polyglot.create_sync('t', 'search');"
               "DROP TABLE t_old; COMMIT")
    db.assert_equal("t")


def test_a_dump_can_be_restored_after_the_extension_was_dropped(db):
    """Published documents too: their tables are no members of the extension."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a');"
               "SELECT polyglot.stop_workers();"
               "CREATE TABLE r (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
               "CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (9);"
               "SELECT polyglot.create_sync(NULL, 'search', 'letters');"
               "SELECT polyglot.publish('letters', '1', '{}')")
    db.create_sync("t")
    db.create_sync("r")
    dump = db.pg.folder / "whole.sql"
    db.pg.program("pg_dump", "-f", str(dump), database=db.name)
    db.execute("DROP EXTENSION polyglot_sync CASCADE; DROP TABLE t, r")
    assert db.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'polyglot'") == 0
    db.pg.program("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), database=db.name)
    assert db.query("SELECT id FROM polyglot.published") == [("1",)]
    for name in ("t", "r", "letters"):
        db.execute(f"SELECT polyglot.adopt_sync('{name}')")
    db.execute("INSERT INTO r VALUES (2)")
    db.assert_equal("t")
    db.assert_equal("r")
    assert list(db.documents("letters")) == ["1"]


def test_a_look_into_a_database_that_drops_the_extension_leaves_no_error_in_the_log(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); SELECT polyglot.stop_workers()")
    db.create_sync("t")
    start = len(db.pg.log())
    waiting = ("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
               " AND backend_type LIKE 'polyglot_sync%%'")
    with db.connect(autocommit=False) as session:
        session.execute("DROP EXTENSION polyglot_sync CASCADE")
        db.pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE backend_type = 'polyglot_sync launcher'")  # the next one looks at all databases
        processes.wait_for(lambda: db.pg.query(waiting, (db.name,)), "a look that waits for the extension")
        session.commit()
    processes.wait_for(lambda: not db.pg.query("SELECT pid FROM pg_stat_activity WHERE datname = %s"
                                               " AND backend_type LIKE 'polyglot_sync%%'", (db.name,)),
                       "its end")
    assert "does not exist" not in db.pg.log()[start:]
    db.execute("CREATE EXTENSION polyglot_sync")
