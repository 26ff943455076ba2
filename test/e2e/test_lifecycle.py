"""Create and drop, copy and restore: databases, servers, extensions, definitions."""

import psycopg
import pytest

import processes
from conftest import Database
from scripted_endpoint import ScriptedEndpoint


def filled(db, table="t", rows=200):
    db.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v text);"
               f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, {rows}) i")
    db.create_sync(table)
    db.wait()
    return db


def test_two_databases_do_not_mix(db, new_database):
    other = new_database()
    filled(db)
    filled(other)
    db.execute("DELETE FROM t WHERE id < 50")
    other.execute("UPDATE t SET v = 'other'")
    db.assert_equal("t")
    other.assert_equal("t")
    assert len(db.worker_pids()) == len(other.worker_pids()) == 1


def test_two_servers_have_a_worker_each(db):
    db.create_server("second", index_prefix=db.prefix + "second_")
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    db.create_sync("t")
    db.create_sync("t", server="second", name="t2")
    db.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(1, 100) i")
    db.assert_equal("t")
    db.assert_equal("t", "second_t2")
    assert len(db.worker_pids()) == 2
    db.execute("DROP SERVER second CASCADE; DELETE FROM t WHERE id = 1")
    db.assert_equal("t")


def test_a_dead_server_does_not_disturb_another(db):
    db.create_server("dead", url=f"http://127.0.0.1:{processes.free_port()}")
    filled(db)
    db.create_sync("t", server="dead", name="t_dead")
    db.execute("UPDATE t SET v = 'changed'")
    db.wait("t")
    db.assert_equal("t", wait=False)
    db.wait_for_state("t_dead", "disconnected")


def test_stop_workers_then_drop_database(new_database):
    db = filled(new_database())
    db.execute("SELECT polyglot.stop_workers()")
    processes.wait_for(lambda: not db.worker_pids(), "the worker's end")
    db.pg.execute(f'DROP DATABASE "{db.name}"')


def test_stopped_workers_stay_stopped_over_a_restart(db):
    filled(db)
    db.execute("SELECT polyglot.stop_workers(); UPDATE t SET v = 'later'")
    db.pg.restart()
    db.execute("SELECT pg_sleep(3)")
    assert db.worker_pids() == []
    assert db.status("t")["state"] == "not running"
    db.execute("SELECT polyglot.start_workers()")
    db.assert_equal("t")


def test_a_stopped_database_can_be_a_template(db, new_database):
    filled(db)
    db.execute("SELECT polyglot.stop_workers()")
    processes.wait_for(lambda: not db.worker_pids(), "the worker's end")
    db.pg.execute(f'CREATE DATABASE copy TEMPLATE "{db.name}"')
    db.pg.execute("SELECT polyglot.start_workers()", database="copy")
    db.pg.execute("UPDATE t SET v = 'copy'", database="copy")
    db.pg.execute("SELECT pg_sleep(2)")
    db.execute("SELECT polyglot.start_workers()")
    db.assert_equal("t")
    db.pg.execute("SELECT polyglot.stop_workers()", database="copy")
    db.pg.execute("DROP DATABASE copy WITH (FORCE)")


def test_drop_sync_keeps_or_drops_the_index(db):
    filled(db)
    filled(db, "u")
    client = db.search.client()
    db.execute("SELECT polyglot.drop_sync('t'); SELECT polyglot.drop_sync('u', drop_index => true)")
    db.execute("UPDATE t SET v = 'unseen'")
    processes.wait_for(lambda: not client.indices.exists(index=db.index("u")), "index u dropped")
    assert db.documents("t")["1"]["v"] == "row"
    assert db.query("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'polyglot%'") == []


def test_the_last_sync_takes_the_worker_with_it(db):
    filled(db)
    db.execute("SELECT polyglot.drop_sync('t')")
    processes.wait_for(lambda: not db.worker_pids(), "the worker's end")
    db.create_sync("t", name="again")
    db.assert_equal("t", "again")


def test_drop_table_ends_its_syncs(db):
    filled(db)
    filled(db, "u")
    db.execute("DROP TABLE t")
    assert [row["sync"] for row in db.status()] == ["u"]
    db.execute("UPDATE u SET v = 'x'")
    db.assert_equal("u")


def test_drop_server_with_syncs_needs_cascade(db):
    filled(db)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        db.execute("DROP SERVER search")
    db.execute("DROP SERVER search CASCADE")
    assert db.status() == []
    db.execute("INSERT INTO t VALUES (5000, 'still writable')")
    processes.wait_for(lambda: not db.worker_pids(), "the worker's end")
    db.create_server()
    db.create_sync("t", name="t2")
    db.assert_equal("t", "t2")


def test_drop_extension_and_create_it_again(db):
    filled(db)
    db.execute("DROP EXTENSION polyglot_sync CASCADE; INSERT INTO t VALUES (5000, 'free')")
    processes.wait_for(lambda: not db.worker_pids(), "the worker's end")
    assert db.query("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'polyglot%'") == []
    db.execute("CREATE EXTENSION polyglot_sync")
    db.create_server()
    db.create_sync("t", name="t2")
    db.assert_equal("t", "t2")


def test_rolled_back_create_and_drop_leave_everything_as_it_was(db):
    filled(db)
    db.execute("CREATE TABLE u (id integer PRIMARY KEY)")
    with db.connect(autocommit=False) as session:
        session.execute("SELECT polyglot.create_sync('u', 'search')")
        session.execute("INSERT INTO u VALUES (1)")
        session.rollback()
    with db.connect(autocommit=False) as session:
        session.execute("SELECT polyglot.drop_sync('t')")
        session.execute("UPDATE t SET v = 'x' WHERE id = 1")
        session.rollback()
    with db.connect(autocommit=False) as session:
        session.execute("DROP EXTENSION polyglot_sync CASCADE")
        session.rollback()
    db.execute("UPDATE t SET v = 'after'; INSERT INTO u VALUES (2)")
    db.assert_equal("t")
    assert not db.search.client().indices.exists(index=db.index("u"))


def test_a_sync_created_after_changes_in_the_same_transaction(db):
    with db.connect(autocommit=False) as session:
        session.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
        session.execute("INSERT INTO t SELECT i, 'a' FROM generate_series(1, 100) i")
        session.execute("SELECT polyglot.create_sync('t', 'search')")
        session.execute("UPDATE t SET v = 'b' WHERE id < 50; DELETE FROM t WHERE id = 60")
    db.assert_equal("t")


def test_renamed_tables_and_columns(db):
    filled(db)
    db.execute("ALTER TABLE t RENAME TO renamed; UPDATE renamed SET v = 'x' WHERE id = 1")
    db.assert_equal("renamed", "t")
    db.execute("CREATE SCHEMA s; ALTER TABLE renamed SET SCHEMA s; DELETE FROM s.renamed WHERE id = 2")
    db.assert_equal("s.renamed", "t")


def test_a_restored_definition_writes_nothing(db, new_database):
    """A dump restored elsewhere must not touch the original's index."""
    filled(db)
    folder = db.pg.folder / "dump.sql"
    db.pg.program("pg_dump", "-f", str(folder), database=db.name)
    db.pg.execute("CREATE DATABASE restored")
    try:
        db.pg.program("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(folder), database="restored")
        db.pg.execute("UPDATE t SET v = 'restored'; DELETE FROM t WHERE id > 100",
                      database="restored")
        db.pg.execute("SELECT pg_sleep(3)")
        rows = db.pg.query("SELECT sync, state, last_error FROM polyglot.status",
                           database="restored")
        assert [row[:2] for row in rows] == [("t", "failed")]
        db.execute("UPDATE t SET v = 'original' WHERE id = 1")
        db.assert_equal("t")
    finally:
        db.pg.execute("DROP DATABASE restored WITH (FORCE)")


def test_without_preload_changes_are_recorded_and_delivered_later(new_cluster, search):
    pg = new_cluster(preload=False)
    db = Database(pg, search)
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    db.create_sync("t")
    db.execute("INSERT INTO t VALUES (2, 'b'); UPDATE t SET v = 'c' WHERE id = 1")
    assert db.status("t")["state"] == "not running"
    pg.configure(shared_preload_libraries="polyglot_sync")
    pg.restart()
    db.execute("DELETE FROM t WHERE id = 2")
    db.assert_equal("t")


@pytest.mark.slow
def test_ended_syncs_leave_room_for_others(new_cluster, search):
    """Whatever ended them, and whether a worker was there or not."""
    pg = new_cluster(settings={"polyglot_sync.max_syncs": "2"})
    databases = [Database(pg, search)]

    def fill(number):
        database = databases[-1]
        database.execute(f"CREATE TABLE t{number} (id integer PRIMARY KEY); INSERT INTO t{number} VALUES (1)")
        for name in (f"a{number}", f"b{number}"):
            database.create_sync(f"t{number}", name=name)
        database.assert_equal(f"t{number}", f"a{number}")
    fill(1)
    databases[-1].execute("DROP SERVER search CASCADE")
    databases[-1].create_server()
    fill(2)
    databases[-1].execute("DROP EXTENSION polyglot_sync CASCADE; CREATE EXTENSION polyglot_sync")
    databases[-1].create_server()
    fill(3)
    databases[-1].execute("SELECT polyglot.stop_workers(); SELECT polyglot.drop_sync('a3');"
                          "SELECT polyglot.drop_sync('b3'); SELECT polyglot.start_workers()")
    fill(4)
    databases[-1].drop()
    databases.append(Database(pg, search))
    fill(5)
    databases[-1].drop()


def test_a_probe_that_waits_for_a_lock_holds_up_no_other_database(new_cluster, search):
    """And comes again: the lock is there when the launcher starts."""
    pg = new_cluster(settings={"max_prepared_transactions": "2"})
    first, second = filled(Database(pg, search)), filled(Database(pg, search))
    for database in (first, second):
        with database.connect(autocommit=False) as session:
            session.execute("LOCK TABLE polyglot.instance IN ACCESS EXCLUSIVE MODE")
            session.execute(f"PREPARE TRANSACTION '{database.name}'")
    pg.restart()
    second.execute(f"ROLLBACK PREPARED '{second.name}'")
    second.execute("INSERT INTO t VALUES (1000)")
    processes.wait_for(lambda: second.worker_pids(), "the worker of the second", 60)
    second.assert_equal("t")
    assert first.worker_pids() == []
    first.execute(f"ROLLBACK PREPARED '{first.name}'")
    processes.wait_for(lambda: first.worker_pids(), "the worker of the first", 90)
    first.execute("INSERT INTO t VALUES (1000)")
    first.assert_equal("t")
    for database in (first, second):
        database.drop()


def test_another_cluster_gets_nothing_before_it_was_looked_at(pg, search, own_search):
    """A server's new address leads to a cluster where an index of that name is somebody else's."""
    if own_search.pid is None:
        own_search.start()
    db = filled(Database(pg, search))
    index = db.index("t-000001")
    theirs = own_search.client()
    theirs.indices.create(index=index)
    theirs.index(index=index, id="1", body={"v": "theirs"}, refresh=True)
    with ScriptedEndpoint(own_search) as endpoint:
        db.execute(f"ALTER SERVER search OPTIONS (SET url '{endpoint.url}'); UPDATE t SET v = 'moved'")
        processes.wait_for(lambda: endpoint.bulks(), "documents in the other cluster", 120)
        requests = list(endpoint.requests)
        first = next(i for i, request in enumerate(requests) if request.is_bulk)
        assert any(request.command == "GET" and index in request.path for request in requests[:first])
        db.wait(timeout="120s")
        assert theirs.get(index=index, id="1")["_source"] == {"v": "theirs"}
        theirs.indices.refresh(index=db.index("t"))
        assert theirs.count(index=db.index("t"))["count"] == db.value("SELECT count(*) FROM t")
    db.drop()


@pytest.fixture
def own_db(pg, own_search):
    """A database whose search server nobody else uses."""
    if own_search.pid is None:
        own_search.start()
    database = Database(pg, own_search)
    yield database
    database.drop()


def test_a_limit_of_the_cluster_blocks_and_passes(own_db):
    client = own_db.search.client()
    own_db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    client.cluster.put_settings(body={"persistent": {"cluster.max_shards_per_node": 1}})
    try:
        own_db.create_sync("t")
        own_db.wait_for_state("t", "blocked")
        error = own_db.status("t")["last_error"]
        assert "shards open" in error and "this cluster currently has" in error
        assert "hint: Raise cluster.max_shards_per_node" in error
    finally:
        client.cluster.put_settings(body={"persistent": {"cluster.max_shards_per_node": None}})
    own_db.execute("INSERT INTO t VALUES (2)")
    own_db.assert_equal("t")
    own_db.wait_for_state("t", "streaming")


def test_a_cluster_that_takes_no_new_index_blocks_that_sync_alone(own_db):
    client = own_db.search.client()
    own_db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1);"
                   "CREATE TABLE u (id integer PRIMARY KEY); INSERT INTO u VALUES (1)")
    own_db.create_sync("t")
    own_db.assert_equal("t")
    client.cluster.put_settings(body={"persistent": {"cluster.max_shards_per_node": 1}})
    try:
        own_db.create_sync("u")
        own_db.wait_for_state("u", "blocked")
        own_db.execute("INSERT INTO t VALUES (2)")
        own_db.wait("t")
        own_db.execute("SELECT polyglot.rebuild_sync('t')")  # the index in use goes on meanwhile
        processes.wait_for(lambda: "shards open" in (own_db.status("t")["last_error"] or ""), "the reason")
        own_db.execute("INSERT INTO t VALUES (3)")
        own_db.wait("t")
    finally:
        client.cluster.put_settings(body={"persistent": {"cluster.max_shards_per_node": None}})
    own_db.execute("SELECT polyglot.run_sync('u')")
    own_db.assert_equal("u")
    processes.wait_for(lambda: own_db.value("SELECT generation FROM polyglot.syncs WHERE sync = 't'") > 1,
                       "the rebuild")
    own_db.assert_equal("t")


def test_a_data_stream_is_no_index(own_db):
    db = own_db
    if db.search.kind == "opensearch" or db.search.version.startswith("7."):
        return  # their distributions for tests have no data streams
    client = db.search.client()
    name = "stream_of_others"  # not with the database's prefix: it cannot be deleted
    client.indices.put_index_template(name=name, body={
        "index_patterns": [name + "*"], "data_stream": {}, "priority": 700,
        "template": {"mappings": {"properties": {"@timestamp": {"type": "date"}}}}})
    client.index(index=name, op_type="create", body={"@timestamp": "2026-01-01"})
    backing = list(client.indices.get(index=name))[0]
    db.execute("CREATE TABLE mine (id integer PRIMARY KEY)")
    for index in (name, backing):
        db.create_sync("mine", index=index, manage_index=False)
        db.wait_for_state("mine", "failed")
        assert "data stream" in db.status("mine")["last_error"]
        db.execute("SELECT polyglot.drop_sync('mine')")
    client.indices.refresh(index=backing)
    assert client.count(index=backing)["count"] == 1


def test_a_rebuild_that_is_asked_for_before_there_is_an_index_fills_it(db):
    filled(db, "other")
    with db.connect() as session:
        session.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                        "INSERT INTO t SELECT i, 'before' FROM generate_series(1, 100) i")
        session.execute("SELECT polyglot.create_sync('t', 'search', backfill => false)")
        session.execute("SELECT polyglot.rebuild_sync('t')")
    db.wait()
    processes.wait_for(lambda: not db.differences("t"), lambda: db.status("t"))


def test_a_sync_without_backfill_gets_an_alias_that_another_index_has(db):
    """Left by a sync that was dropped, or an index that is to be replaced."""
    filled(db)
    db.execute("SELECT polyglot.drop_sync('t')")
    db.create_sync("t", backfill=False)
    db.execute("INSERT INTO t VALUES (5000, 'new')")
    db.wait("t")
    assert db.documents("t") == {"5000": {"id": 5000, "v": "new"}}
    assert db.status("t")["state"] == "streaming"
