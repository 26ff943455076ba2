"""Expressions run as the table's owner; a policy that would hide rows stops the sync."""

import psycopg
import pytest

import processes

PROBE = """
CREATE FUNCTION whoami(id integer) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN current_user || ' ' || session_user || ' ' || current_setting('search_path');
END $$
"""


@pytest.fixture
def owner(db):
    role = f"owner_{db.name}"
    db.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON FOREIGN SERVER search TO {role};"
               f"GRANT CREATE ON SCHEMA public TO {role}")
    yield role
    db.execute(f"DROP OWNED BY {role} CASCADE")
    db.execute(f"DROP ROLE {role}")


def test_expressions_run_as_the_owner_of_the_table(db, owner):
    db.execute(PROBE + "; CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)",
               user=owner)
    db.create_sync("t", user=owner, document="jsonb_build_object('as', public.whoami(id))")
    db.wait()
    found = db.documents("t")["1"]["as"]
    assert found.startswith(owner + " ")
    assert found.endswith("pg_catalog, pg_temp")


def test_an_expression_cannot_become_superuser(db, owner):
    db.execute("""
CREATE FUNCTION attack(id integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  EXECUTE 'RESET SESSION AUTHORIZATION';
  RETURN true;
END $$;
CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)""", user=owner)
    db.create_sync("t", user=owner, filter="public.attack(id)")
    db.wait()
    assert db.documents("t") == {}
    assert len(db.dead_letters()) == 1


def test_a_filter_of_an_ordinary_owner(db, owner):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, price numeric);"
               "INSERT INTO t SELECT i, i FROM generate_series(1, 100) i", user=owner)
    db.create_sync("t", user=owner, filter="price > 50")
    db.assert_equal("t", where="price > 50")
    db.execute("UPDATE t SET price = 1 WHERE id = 60", user=owner)
    db.assert_equal("t", where="price > 50")


def test_forced_row_security_stops_the_sync_instead_of_emptying_the_index(db, owner):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50) i", user=owner)
    db.create_sync("t", user=owner)
    db.wait()
    db.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY",
               user=owner)
    db.execute("UPDATE t SET v = 'y'")
    db.wait_for_state("t", "failed")
    assert len(db.documents("t")) == 50
    assert "security" in db.status("t")["last_error"].lower()


def test_row_security_that_does_not_bind_the_owner_changes_nothing(db, owner):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50) i;"
               "ALTER TABLE t ENABLE ROW LEVEL SECURITY", user=owner)
    db.create_sync("t", user=owner)
    db.assert_equal("t")


def test_a_writer_needs_no_right_on_anything_of_ours(db, owner):
    db.execute(f"CREATE TABLE t (id integer PRIMARY KEY, v text); CREATE ROLE clerk_{db.name} LOGIN;"
               f"GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON t TO clerk_{db.name}")
    db.create_sync("t")
    clerk = f"clerk_{db.name}"
    db.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50) i", user=clerk)
    db.execute("DELETE FROM t WHERE id = 3; UPDATE t SET v = 'y' WHERE id = 4", user=clerk)
    db.assert_equal("t")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("SELECT * FROM polyglot.parked_key", user=clerk)
    db.execute(f"DROP OWNED BY {clerk}; DROP ROLE {clerk}")


def test_disabled_triggers_are_noticed(db):
    """DISABLE TRIGGER ALL; writes; ENABLE TRIGGER ALL: restored, and the index put right."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50) i")
    db.create_sync("t")
    db.wait()
    db.execute("ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET v = 'unseen' WHERE id < 10;"
               "ALTER TABLE t ENABLE TRIGGER ALL")
    processes.wait_for(lambda: db.differences("t") == [], "the index put right", 90, 1)
    db.execute("UPDATE t SET v = 'seen' WHERE id > 40")
    db.assert_equal("t")
    modes = db.query("SELECT tgenabled FROM pg_trigger WHERE tgname LIKE 'polyglot%'")
    assert {mode for mode, in modes} == {"A"}
