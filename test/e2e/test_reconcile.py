"""Reconciling: the worker verifies and repairs on a schedule, also what cannot be captured."""

import psycopg
import pytest

import processes


def wait_until_equal(db, table, **arguments):
    processes.wait_for(lambda: not db.differences(table, **arguments), f"index equal to {table}")


def test_damage_is_repaired_by_itself(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 100) i")
    db.create_sync("t", options={"reconcile": "1 second"})
    db.wait()
    client = db.search.client()
    client.delete(index=db.index("t"), id="17", refresh=True)
    client.index(index=db.index("t"), id="101", body={}, refresh=True)
    wait_until_equal(db, "t")
    processes.wait_for(lambda: db.query(
        "SELECT missing, orphan, different, stale FROM polyglot.verifications"
        " WHERE finished_at IS NOT NULL AND missing + orphan > 0"), "the outcome")
    processes.wait_for(lambda: db.status("t")["last_differences"] == 0, "an empty verification")


def test_a_materialized_view(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 2500) i;"
               "CREATE MATERIALIZED VIEW m AS SELECT id, upper(v) AS v FROM t;"
               "CREATE UNIQUE INDEX ON m (id)")
    db.create_sync("m", capture="none", key=["id"], options={"reconcile": "1 hour"})
    assert db.value("SELECT polyglot.repair_sync('m')") == 0
    db.assert_equal("m", key=["id"], wait=False)
    db.execute("INSERT INTO t VALUES (5000, 'new'); DELETE FROM t WHERE id < 10;"
               "UPDATE t SET v = 'changed' WHERE id = 17; REFRESH MATERIALIZED VIEW m")
    assert db.value("SELECT polyglot.repair_sync('m')") == 11
    db.search.client().indices.refresh(index=db.index("m"))
    db.assert_equal("m", key=["id"], wait=False)


def test_a_view_on_a_schedule(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 1500) i;"
               "CREATE VIEW w AS SELECT v || ' ' || id AS name, count(*) AS n FROM t GROUP BY 1")
    db.create_sync("w", capture="none", key=["name"], options={"reconcile": "1 second"})
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="captures no changes"):
        db.value("SELECT polyglot.wait_for_sync('w')")
    db.wait()  # of all that capture
    processes.wait_for(lambda: db.search.client().indices.exists(index=db.index("w")), "the index")
    wait_until_equal(db, "w", key=["name"])
    db.execute("DELETE FROM t WHERE id <= 700; INSERT INTO t VALUES (9999, 'new')")
    wait_until_equal(db, "w", key=["name"])
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        db.execute("SELECT polyglot.alter_sync('w', reset => '{options}')")
    db.execute("DROP VIEW w")
    assert db.query("SELECT sync FROM polyglot.syncs") == []


def test_a_foreign_table(db):
    db.execute("CREATE TABLE t (a integer, b text, v numeric, PRIMARY KEY (a, b));"
               "INSERT INTO t SELECT i % 10, 'k ' || i, i / 8.0 FROM generate_series(1, 1200) i;"
               "CREATE EXTENSION postgres_fdw")
    db.execute(f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{db.pg.folder}',"
               f" port '{db.pg.port}', dbname '{db.name}');"
               "CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'postgres');"
               "CREATE FOREIGN TABLE f (a integer, b text, v numeric) SERVER far"
               " OPTIONS (table_name 't')")
    db.create_sync("f", capture="none", key=["a", "b"], options={"reconcile": "1 hour"})
    assert db.value("SELECT polyglot.repair_sync('f')") == 0
    db.execute("UPDATE t SET v = -v WHERE a = 3; DELETE FROM t WHERE a = 4")
    assert db.value("SELECT polyglot.repair_sync('f')") == 240
    db.search.client().indices.refresh(index=db.index("f"))
    db.assert_equal("f", key=["a", "b"], wait=False)
