"""pg_upgrade: the same tables in another cluster, with foreign servers that have other OIDs."""

import shlex

import postgres
import processes
from conftest import Database


def upgrade(old, new):
    """pg_upgrade from one stopped cluster to another, new one."""
    for cluster in (old, new):
        cluster.stop()
    words = [old.bin / "pg_upgrade", "-b", old.bin, "-B", new.bin, "-d", old.data, "-D", new.data,
             "-p", old.port,
             "-P", new.port, "-s", new.folder, "-U", postgres.SUPERUSER]
    processes.run(["sh", "-c", f"cd {new.folder} && {shlex.join(map(str, words))}"])
    new.start()


def test_after_pg_upgrade_syncs_are_adopted(new_cluster, search):
    """It keeps the OIDs of tables, types, roles and databases, and none of a server."""
    old, new = new_cluster(), new_cluster()
    for number in range(3):  # the OID of one server is that of another one afterwards
        new.execute(f"CREATE FOREIGN DATA WRAPPER w{number}; DROP FOREIGN DATA WRAPPER w{number}")
    db = Database(old, search)
    db.create_server("other")
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one');"
               "CREATE TABLE u (LIKE t INCLUDING ALL); CREATE TABLE dropped (LIKE t INCLUDING ALL)")
    db.create_sync("t")
    db.create_sync("u", server="other")
    db.create_sync("dropped")
    db.wait()
    db.execute("SELECT polyglot.stop_workers(); SELECT polyglot.drop_sync('dropped', drop_index => true);"
               "INSERT INTO t VALUES (2, 'queued'); INSERT INTO u VALUES (2, 'queued');"
               "UPDATE polyglot.instance SET workers_enabled = true")
    servers = db.query("SELECT oid FROM pg_foreign_server ORDER BY 1")
    upgrade(old, new)
    db.pg = new
    assert db.query("SELECT oid FROM pg_foreign_server ORDER BY 1") != servers
    db.execute("INSERT INTO t VALUES (3, 'new')")
    for sync in "t", "u":
        db.wait_for_state(sync, "failed", 90)
        assert "adopt_sync" in db.status(sync)["last_error"] or \
            db.value("SELECT bool_and(failed_hint LIKE '%adopt_sync%') FROM polyglot.sync_state")
        db.execute(f"SELECT polyglot.adopt_sync('{sync}')")
    db.assert_equal("t")
    db.assert_equal("u")
    db.execute("DELETE FROM t WHERE id = 1")
    db.assert_equal("t")
    # The record of its index names the cluster that was, as that of a copy's original would.
    processes.wait_for(lambda: db.value("SELECT count(*) FROM polyglot.dropped_index") == 0, "looked at")
    assert new.log().count("has nothing left to do") < 5
    db.drop()
