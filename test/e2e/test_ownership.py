"""One writer for each index: the lease in the search cluster, adoption, dumps that are restored."""

import json

import psycopg
import pytest

import processes
from fault_proxy import FaultProxy
from generations import Searcher
from scripted_endpoint import ScriptedEndpoint, end
from test_epoch import (at, backup, cluster, copy_of, record_of_index, shop,  # noqa: F401, fixtures
                        wait_for_record)

OWNERS = "polyglot-sync-owners"


def lease(db, name="t"):
    """None: there is none, or its index is being made."""
    connection = db.search.connection()
    connection.request("GET", f"/{OWNERS}/_doc/{db.index(name)}", headers=db.search.authorization)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer.get("_source")


def wait_for_lease(db, condition, what):
    return processes.wait_for(lambda: (found := lease(db)) and condition(found) and found, what)


def promote(cluster):
    (cluster.data / "standby.signal").touch()
    processes.own(cluster.data)
    cluster.start()
    cluster.execute("SELECT pg_promote(wait => true)")


def versions(db):
    """id → version of every document."""
    hits = db.search.client().search(index=db.index("t"), size=1000, version=True)["hits"]["hits"]
    return {hit["_id"]: hit["_version"] for hit in hits}


def test_a_snapshot_of_the_files_started_beside_the_original(shop, new_cluster):
    """Same identity, same timeline, both alive and written to: one of them writes at any time."""
    copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
    copy.start()
    there = at(shop, copy)
    there.execute("UPDATE t SET v = 'copy' WHERE id < 100; DELETE FROM t WHERE id > 250")
    shop.execute("UPDATE t SET v = 'original' WHERE id < 50")
    shop.assert_equal("t")
    there.wait_for_state("t", "failed")
    assert "polyglot.adopt_sync" in there.status("t")["last_error"]
    shop.execute("INSERT INTO t VALUES (1000, 'original')")
    shop.assert_equal("t")
    assert there.search.client().count(index=shop.index("t"))["count"] == 301
    there.execute("SELECT polyglot.rebuild_sync('t')")  # nor does it touch an index of the other one
    processes.wait_for(lambda: copy.log().count("is owned by another copy") >= 2, "it fails again")
    shop.assert_equal("t")

    there.execute("SELECT polyglot.adopt_sync('t')")
    there.assert_equal("t")
    shop.wait_for_state("t", "failed")
    shop.execute("UPDATE t SET v = 'not seen'")
    there.execute("INSERT INTO t VALUES (2000, 'copy')")
    there.assert_equal("t")
    assert lease(there)["released"] is False


def test_a_planned_switch_over_compares_nothing(shop, new_cluster):
    standby = copy_of(shop.pg, new_cluster, backup(shop.pg, "-R"))
    standby.start()
    shop.execute("UPDATE t SET v = 'before the switch' WHERE id < 50")
    shop.assert_equal("t")
    shop.pg.stop("fast")
    assert lease(shop)["released"]
    processes.wait_for(lambda: standby.value(
        "SELECT count(*) FROM t WHERE v = 'before the switch'", database=shop.name) == 49, "the WAL")
    standby.execute("SELECT pg_promote(wait => true)")
    there = at(shop, standby)
    there.execute("UPDATE t SET v = 'after it' WHERE id > 280")
    there.assert_equal("t")
    assert "will be compared" not in standby.log()
    wait_for_record(there)
    assert record_of_index(there)["epoch"] == 2


def test_an_unplanned_one_compares_and_searches_notice_nothing(shop, new_cluster):
    copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
    shop.execute("INSERT INTO t SELECT i, 'lost' FROM generate_series(1000, 1100) i;"
                 "UPDATE t SET v = 'lost' WHERE id < 50; DELETE FROM t WHERE id > 250")
    shop.assert_equal("t")
    shop.pg.stop("immediate")
    promote(copy)
    there = at(shop, copy)
    untouched = {"range": {"id": {"gte": 50, "lte": 250}}}
    with Searcher(there, untouched, lambda count: count != 201 and f"{count} instead of 201"):
        there.wait_for_state("t", "streaming")
        assert "index and table are compared" in there.status("t")["last_error"]
        there.assert_equal("t")
    assert there.status("t")["last_error"] is None
    assert there.value("SELECT count(*) FROM t") == 300


@pytest.mark.slow
def test_a_promotion_while_the_search_server_is_away(shop, new_cluster):
    """The new epoch waits for the server, and does not keep anybody from asking whether it is back."""
    with FaultProxy(shop.search.port) as proxy:
        through = shop.search.url.replace(f":{shop.search.port}", f":{proxy.port}")  # TLS or not
        shop.execute(f"ALTER SERVER search OPTIONS (SET url '{through}')")
        shop.execute("UPDATE t SET v = 'before' WHERE id < 50")
        shop.assert_equal("t")
        copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
        shop.execute("UPDATE t SET v = 'lost' WHERE id > 250")
        shop.assert_equal("t")
        shop.pg.stop("fast")  # gives the lease back: nobody needs to be watched
        proxy.refuse()
        promote(copy)
        there = at(shop, copy)
        there.wait_for_state("t", "disconnected")
        proxy.heal()
        there.assert_equal("t")
        assert record_of_index(there)["epoch"] == 2


def test_a_promotion_whose_lease_is_written_but_not_answered(shop, new_cluster):
    """Who raises the epoch looks again, instead of waiting for an answer that does not come."""
    with ScriptedEndpoint(shop.search) as endpoint:
        shop.execute(f"ALTER SERVER search OPTIONS (SET url '{endpoint.url}')")
        shop.execute("UPDATE t SET v = 'before' WHERE id < 50")
        shop.assert_equal("t")
        copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
        shop.execute("UPDATE t SET v = 'lost' WHERE id > 250")
        shop.assert_equal("t")
        shop.pg.stop("fast")

        def written(handler, request):
            handler.ask(request.body)
            end(handler, reset=True)
        rule = endpoint.script(written, lambda request: "owners/_bulk" in request.path, times=1)
        promote(copy)
        there = at(shop, copy)
        processes.wait_for(lambda: rule.used, "the new epoch in the lease")
        there.wait_for_state("t", "streaming")
        there.assert_equal("t")


def test_a_crash_in_place_compares_nothing(shop):
    before = versions(shop)
    shop.pg.restart("immediate")
    shop.execute("UPDATE t SET v = 'after the crash' WHERE id = 7")
    shop.assert_equal("t")
    assert "will be compared" not in shop.pg.log()
    after = versions(shop)
    assert {id for id in after if after[id] != before[id]} == {"7"}
    assert lease(shop)["epoch"] == "1"


def test_a_killed_worker_waits_for_nobody(shop):
    before = lease(shop)["incarnation"]
    shop.pg.kill(shop.wait_for_worker())
    shop.pg.wait_until_up()
    shop.execute("UPDATE t SET v = 'after' WHERE id = 7")
    shop.assert_equal("t")
    assert lease(shop)["incarnation"] == before
    assert "watching" not in (shop.status("t")["last_error"] or "")


@pytest.mark.slow
def test_an_unmanaged_index_has_one_writer_too(shop, new_cluster):
    client = shop.search.client()
    client.indices.create(index=shop.index("own"))
    shop.execute("CREATE TABLE own (id integer PRIMARY KEY, v text);"
                 "INSERT INTO own SELECT i, 'first' FROM generate_series(1, 100) i")
    shop.create_sync("own", index=shop.index("own"), manage_index=False)
    shop.wait()
    copy = copy_of(shop.pg, new_cluster, backup(shop.pg))
    copy.start()
    there = at(shop, copy)
    there.execute("DELETE FROM own WHERE id > 10")
    there.wait_for_state("own", "failed")
    shop.execute("UPDATE own SET v = 'second' WHERE id > 50")
    shop.assert_equal("own")
    shop.pg.stop("immediate")
    there.execute("SELECT polyglot.resume_sync('own'), polyglot.resume_sync('t')")
    there.assert_equal("own")
    assert lease(there, "own")["epoch"] == "2"


@pytest.mark.slow
def test_leases_that_somebody_deletes_or_overwrites(shop):
    client = shop.search.client()
    client.delete(index=OWNERS, id=shop.index("t"))
    shop.execute("UPDATE t SET v = 'one' WHERE id < 10")
    shop.assert_equal("t")
    wait_for_lease(shop, lambda found: found["incarnation"], "the lease again")
    client.index(index=OWNERS, id=shop.index("t"), body={"scribbled": True})
    wait_for_lease(shop, lambda found: found.get("incarnation"), "the lease again")
    shop.execute("UPDATE t SET v = 'two' WHERE id < 20")
    shop.assert_equal("t")
    client.indices.delete(index=OWNERS)
    processes.wait_for(lambda: client.indices.exists(index=OWNERS) and lease(shop), "the index again")
    shop.execute("UPDATE t SET v = 'three' WHERE id < 30")
    shop.assert_equal("t")


def test_the_end_of_a_sync_ends_its_lease(shop):
    shop.execute("SELECT polyglot.drop_sync('t', drop_index => true)")
    processes.wait_for(lambda: lease(shop) is None, "the lease gone")
    shop.create_sync("t")
    shop.assert_equal("t")
    wait_for_lease(shop, lambda found: found["released"] is False, "the lease of the new sync")
    shop.execute("SELECT polyglot.stop_workers()")
    wait_for_lease(shop, lambda found: found["released"], "the released lease")
    shop.execute("SELECT polyglot.start_workers()")
    shop.execute("DELETE FROM t WHERE id < 10")
    shop.assert_equal("t")


def dump_and_restore(db, name):
    """A copy of the database by pg_dump and pg_restore's plain form, in the same cluster."""
    script = db.pg.folder / f"{name}.sql"
    processes.run([db.pg.bin / "pg_dump", "-h", db.pg.folder, "-p", db.pg.port, "-U", "postgres",
                   "-f", script, db.name])
    db.pg.execute(f'CREATE DATABASE "{name}"')
    processes.run([db.pg.bin / "psql", "-h", db.pg.folder, "-p", db.pg.port, "-U", "postgres",
                   "-d", name, "-v", "ON_ERROR_STOP=1", "-q", "-f", script])
    other = at(db, db.pg)
    other.name = name
    return other


def test_a_restored_dump_writes_only_when_it_is_told_to_adopt(shop):
    shop.create_sync(None, name="events", index=shop.index("events"))
    shop.execute("""SELECT polyglot.publish('events', '1', '{"type": "product_created"}')""")
    shop.wait()
    there = dump_and_restore(shop, shop.name + "_restored")
    for sync in ("t", "events"):
        assert there.status(sync)["state"] == "failed"
        assert "polyglot.adopt_sync" in there.status(sync)["last_error"]
    there.execute("UPDATE t SET v = 'restored' WHERE id < 10")
    shop.assert_equal("t")
    for call in ("wait_for_sync('t')", "verify_sync('t')"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as raised:
            there.execute(f"SELECT polyglot.{call}")
        assert "polyglot.adopt_sync" in raised.value.diag.message_hint

    with Searcher(there, None, lambda count: count != 300 and f"{count} instead of 300"):
        there.execute("SELECT polyglot.adopt_sync('t')")
        there.wait("t")
        there.assert_equal("t", wait=False)
    shop.wait_for_state("t", "failed")
    there.execute("SELECT polyglot.adopt_sync('events');"
                  """SELECT polyglot.publish('events', '2', '{"type": "product_changed"}')""")
    there.wait("events")
    assert there.documents("events") == {"1": {"type": "product_created"},
                                         "2": {"type": "product_changed"}}
    there.execute("UPDATE t SET v = 'goes on' WHERE id > 290; TRUNCATE t; INSERT INTO t VALUES (1, 'x')")
    there.assert_equal("t")
    # What the dump has brought along of the original's triggers goes.
    processes.wait_for(lambda: there.value(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname ~ '^polyglot'") == 2,
        "the triggers of this database alone", 120)
    assert "worker ERROR" not in shop.pg.log()
    there.execute("SELECT polyglot.stop_workers()")
    shop.pg.execute(f'DROP DATABASE "{there.name}" WITH (FORCE)')


@pytest.mark.slow
def test_a_template_copy_can_be_told_to_adopt(shop):
    shop.execute("SELECT polyglot.stop_workers()")
    there = at(shop, shop.pg)
    there.name = shop.name + "_copy"
    shop.pg.execute(f'CREATE DATABASE "{there.name}" TEMPLATE "{shop.name}"')
    there.execute("SELECT polyglot.start_workers()")
    there.wait_for_state("t", "failed")
    there.execute("DELETE FROM t WHERE id > 200; SELECT polyglot.adopt_sync('t')")
    there.assert_equal("t")
    shop.execute("SELECT polyglot.start_workers()")
    shop.wait_for_state("t", "failed")
    shop.execute("UPDATE t SET v = 'not seen'")
    there.assert_equal("t")
    there.execute("SELECT polyglot.stop_workers()")
    shop.pg.execute(f'DROP DATABASE "{there.name}" WITH (FORCE)')


def test_a_table_dumped_alone(shop):
    """Its triggers cannot be restored where the extension is not: the rows are there all the same."""
    script = shop.pg.folder / "t.sql"
    processes.run([shop.pg.bin / "pg_dump", "-h", shop.pg.folder, "-p", shop.pg.port, "-U",
                   "postgres", "-t", "t", "-f", script, shop.name])
    shop.pg.execute("CREATE DATABASE plain")
    processes.run([shop.pg.bin / "psql", "-h", shop.pg.folder, "-p", shop.pg.port, "-U", "postgres",
                   "-d", "plain", "-q", "-f", script])
    assert shop.pg.value("SELECT count(*) FROM t", database="plain") == 300
    assert shop.pg.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
                         database="plain") == 0
