"""Promotion, restores and copies: what another life of the database wrote never wins."""

import shutil

import psycopg
import pytest

import processes
from conftest import Database
from postgres import Postgres

STEP = 256 << 20  # how far ahead the bound of versions is written


@pytest.fixture
def cluster(new_cluster):
    return new_cluster(settings={"max_wal_size": "4GB", "full_page_writes": "off"})


@pytest.fixture
def shop(cluster, search):
    """A database with a sync that is in step, in a cluster of its own."""
    db = Database(cluster, search)
    db.execute("ALTER SERVER search OPTIONS (ADD request_timeout '3s');"
               "CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'first' FROM generate_series(1, 300) i")
    db.create_sync("t")
    db.wait()
    wait_for_record(db)
    yield db
    client = search.client()
    for index in client.indices.get(index=db.prefix + "*"):
        client.indices.delete(index=index)


def record_of_index(db, name="t"):
    """What stands in the index's _meta, numbers as numbers."""
    (mapping,) = db.search.client().indices.get_mapping(index=db.index(name)).values()
    meta = mapping["mappings"]["_meta"].get("polyglot_sync", {})
    return {key: int(value) for key, value in meta.items()}


def uuid_of_index(db, name="t"):
    (found,) = db.search.client().indices.get_settings(index=db.index(name)).values()
    return found["settings"]["index"]["uuid"]


def record_of_table(db, name="t"):
    epoch, timeline, bound = db.query(
        "SELECT epoch, timeline, version_bound FROM polyglot.sync_state s"
        " JOIN polyglot.sync_definition d ON d.id = s.sync_id WHERE d.name = %s", (name,))[0]
    return {"epoch": epoch, "timeline": timeline, "version_bound": bound}


def wait_for_record(db, name="t"):
    """Until index and table say the same."""
    def same():
        stored, found = record_of_table(db, name), record_of_index(db, name)
        return stored["version_bound"] and all(found.get(key) == stored[key] for key in stored)
    processes.wait_for(same, lambda: f"{record_of_table(db, name)} = {record_of_index(db, name)}")


def burn_wal(db, size):
    """Lets the WAL grow, and with it the positions that versions are made of."""
    for _ in range(size // (16 << 20) + 1):
        db.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 16 << 20))")


def copy_of(cluster, new_cluster, data):
    """A stopped cluster from a folder of files, with a port of its own."""
    copy = new_cluster()
    copy.stop("immediate")
    shutil.rmtree(copy.data)
    shutil.move(data, copy.data)
    copy.configure(port=copy.port, unix_socket_directories=str(copy.folder))
    (copy.data / "postmaster.pid").unlink(missing_ok=True)
    processes.own(copy.folder)
    return copy


def backup(cluster, *words):
    folder = cluster.folder / "backup"
    processes.run([cluster.bin / "pg_basebackup", "-h", cluster.folder, "-p", cluster.port, "-U",
                   "postgres", "-D", folder, "-c", "fast", "-X", "stream", *words])
    return folder


def at(db, cluster):
    """The same database, found in another cluster."""
    other = Database.__new__(Database)
    other.__dict__.update(db.__dict__, pg=cluster)
    return other


def test_restarts_and_crashes_keep_the_epoch(shop):
    before = record_of_index(shop)
    for mode in ("fast", "immediate"):
        shop.pg.restart(mode)
        shop.execute("UPDATE t SET v = v || '+' WHERE id < 10")
        shop.assert_equal("t")
    wait_for_record(shop)
    after = record_of_index(shop)
    assert after["version_bound"] > before["version_bound"]
    assert (after["epoch"], after["timeline"]) == (1, 1)
    assert "promoted or restored" not in shop.pg.log()


def test_the_bound_is_ahead_of_every_version(shop):
    client = shop.search.client()
    ours = {key: str(value) for key, value in record_of_index(shop).items()}
    client.indices.put_mapping(index=shop.index("t"), body={"_meta": {
        "polyglot_sync": ours, "team": {"name": "search"}}})
    for number in range(3):
        burn_wal(shop, STEP * 2 // 3)
        shop.execute("UPDATE t SET v = %s WHERE id = 1", (f"step {number}",))
        shop.assert_equal("t")
        version = client.get(index=shop.index("t"), id=1)["_version"]
        assert version >> 52 == 1
        assert version & (1 << 52) - 1 <= record_of_index(shop)["version_bound"]
    wait_for_record(shop)
    (mapping,) = client.indices.get_mapping(index=shop.index("t")).values()
    assert mapping["mappings"]["_meta"]["team"] == {"name": "search"}


def test_a_promoted_standby_brings_the_index_in_step(shop, new_cluster):
    """Changes that the primary delivered and the standby never got must leave the index."""
    standby = copy_of(shop.pg, new_cluster, backup(shop.pg, "-R"))
    standby.start()
    there = at(shop, standby)
    assert there.status("t")["state"] == "standby"
    assert standby.server_processes("polyglot_sync") == []
    for call in ("pause_sync('t')", "run_sync('t')", "create_sync('t', 'search', 'u')",
                 "enqueue('t', 1)", "stop_workers()"):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            there.execute(f"SELECT polyglot.{call}")
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
    standby.reload()
    processes.wait_for(lambda: not standby.value("SELECT count(*) FROM pg_stat_wal_receiver"),
                       "the standby cut off")
    shop.execute("INSERT INTO t SELECT i, 'lost' FROM generate_series(1000, 1100) i;"
                 "UPDATE t SET v = 'lost' WHERE id < 50; DELETE FROM t WHERE id > 250")
    shop.assert_equal("t")
    shop.pg.stop("immediate")
    standby.execute("SELECT pg_promote(wait => true)")
    there.assert_equal("t")
    wait_for_record(there)
    assert record_of_index(there)["epoch"] == 2
    assert record_of_index(there)["timeline"] == 2
    there.execute("UPDATE t SET v = 'goes on'")
    there.assert_equal("t")


@pytest.mark.slow
def test_a_backup_that_is_promoted_without_its_primary(shop, new_cluster):
    copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
    shop.execute("INSERT INTO t SELECT i, 'lost' FROM generate_series(1000, 1100) i;"
                 "UPDATE t SET v = 'lost' WHERE id < 50; DELETE FROM t WHERE id > 250")
    shop.assert_equal("t")
    shop.pg.stop("immediate")
    (copy.data / "standby.signal").touch()
    processes.own(copy.data)
    copy.start()
    copy.execute("SELECT pg_promote(wait => true)")
    there = at(shop, copy)
    there.assert_equal("t")
    assert record_of_index(there)["epoch"] == 2
    assert there.value("SELECT count(*) FROM t") == 300


def test_older_files_on_the_same_timeline(shop, new_cluster):
    """A folder copied while PostgreSQL was stopped; the original went on, then died."""
    shop.pg.stop("fast")
    folder = shop.pg.folder.with_name(shop.pg.folder.name + "-files")
    shutil.copytree(shop.pg.data, folder)
    shop.pg.start()
    shop.execute("INSERT INTO t SELECT i, 'lost' FROM generate_series(1000, 1100) i;"
                 "UPDATE t SET v = 'lost' WHERE id < 50; DELETE FROM t WHERE id > 250")
    shop.assert_equal("t")
    wait_for_record(shop)
    shop.pg.stop("immediate")
    copy = copy_of(shop.pg, new_cluster, folder)
    copy.start()
    there = at(shop, copy)
    there.assert_equal("t")
    assert record_of_index(there)["epoch"] == 2
    assert record_of_index(there)["timeline"] == 1


@pytest.mark.slow
def test_an_older_backup_on_the_same_timeline(shop, new_cluster):
    """Started as after a crash, without promotion: only the bound tells."""
    folder = backup(shop.pg)
    burn_wal(shop, STEP)
    shop.execute("INSERT INTO t SELECT i, 'lost' FROM generate_series(1000, 1100) i;"
                 "UPDATE t SET v = 'lost' WHERE id < 50")
    shop.assert_equal("t")
    wait_for_record(shop)
    shop.pg.stop("immediate")
    copy = copy_of(shop.pg, new_cluster, folder)
    copy.start()
    there = at(shop, copy)
    there.assert_equal("t")
    assert record_of_index(there)["epoch"] == 2


def test_of_two_living_copies_the_newcomer_gives_way(shop, new_cluster):
    """Promoted while the primary lives: it writes nothing until it is told to take the index over."""
    copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
    (copy.data / "standby.signal").touch()
    processes.own(copy.data)
    copy.start()
    copy.execute("SELECT pg_promote(wait => true)")
    there = at(shop, copy)
    there.execute("UPDATE t SET v = 'not seen' WHERE id = 7")
    there.wait_for_state("t", "failed")
    assert "polyglot.adopt_sync" in there.status("t")["last_error"]
    shop.execute("UPDATE t SET v = 'goes on' WHERE id > 200")
    shop.assert_equal("t")
    there.execute("SELECT polyglot.adopt_sync('t'); UPDATE t SET v = 'seen' WHERE id = 8")
    there.assert_equal("t")
    assert record_of_index(there)["epoch"] == 2
    shop.wait_for_state("t", "failed")
    assert "another copy of this database" in shop.status("t")["last_error"]
    shop.execute("UPDATE t SET v = 'not seen'")
    there.assert_equal("t")
    copy.stop("immediate")
    shop.execute("SELECT polyglot.resume_sync('t')")
    shop.assert_equal("t")
    assert record_of_index(shop)["epoch"] == 3


@pytest.mark.slow
def test_an_unmanaged_index_after_promotion(shop, new_cluster):
    client = shop.search.client()
    client.indices.create(index=shop.prefix + "own")
    shop.execute("CREATE TABLE own (id integer PRIMARY KEY, v text);"
                 "INSERT INTO own SELECT i, 'first' FROM generate_series(1, 100) i")
    shop.create_sync("own", index=shop.prefix + "own", manage_index=False)
    shop.wait()
    copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
    shop.execute("INSERT INTO own VALUES (1000, 'lost'); UPDATE own SET v = 'lost' WHERE id < 50")
    shop.wait()
    shop.pg.stop("immediate")
    (copy.data / "standby.signal").touch()
    processes.own(copy.data)
    copy.start()
    copy.execute("SELECT pg_promote(wait => true)")
    there = at(shop, copy)
    there.assert_equal("own")
    assert record_of_table(there, "own")["epoch"] == 2
    (mapping,) = client.indices.get_mapping(index=shop.prefix + "own").values()
    assert "_meta" not in mapping["mappings"]


def test_a_copied_database_writes_nothing(shop):
    shop.execute("SELECT polyglot.stop_workers()")
    copy = at(shop, shop.pg)
    copy.name = shop.name + "_copy"
    shop.execute("UPDATE t SET v = 'in the queue of both' WHERE id < 20")
    shop.pg.execute(f'CREATE DATABASE "{copy.name}" TEMPLATE "{shop.name}"')
    copy.execute("SELECT polyglot.start_workers()")
    copy.wait_for_state("t", "failed")
    assert "copy" in copy.status("t")["last_error"]
    assert "polyglot.adopt_sync" in copy.status("t")["last_error"]
    copy.execute("UPDATE t SET v = 'copy'; DELETE FROM t WHERE id > 100")
    shop.execute("SELECT polyglot.start_workers()")
    shop.execute("UPDATE t SET v = 'original' WHERE id > 290")
    shop.assert_equal("t")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="belongs to another database"):
        copy.execute("SELECT polyglot.resume_sync('t')")
    shop.assert_equal("t")
    assert record_of_index(shop)["epoch"] == 1
    uuid = uuid_of_index(shop)
    copy.execute("SELECT polyglot.drop_sync('t', drop_index => true)")
    copy.create_sync("t", index=shop.prefix + "copied")
    copy.assert_equal("t", "copied")
    processes.wait_for(lambda: not copy.query("SELECT FROM polyglot.dropped_index"), "nothing to drop")
    shop.assert_equal("t")
    assert uuid_of_index(shop) == uuid, "the copy has deleted the original's index"


def test_an_index_of_another_sync_is_left_alone(shop):
    """Somebody gave the index to another sync while this one was running."""
    client = shop.search.client()
    meta = record_of_index(shop)
    client.indices.put_mapping(index=shop.index("t"), body={"_meta": {"polyglot_sync": {
        **{key: str(value) for key, value in meta.items()}, "sync": "77"}}})
    shop.wait_for_state("t", "failed")
    shop.execute("DELETE FROM t")
    client.indices.refresh(index=shop.index("t"))
    assert client.count(index=shop.index("t"))["count"] == 300


def test_a_record_that_is_overwritten_comes_back(shop):
    shop.search.client().indices.put_mapping(index=shop.index("t"), body={"_meta": {"mine": 1}})
    wait_for_record(shop)
    shop.execute("UPDATE t SET v = 'after'")
    shop.assert_equal("t")
