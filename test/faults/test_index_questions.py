"""What is asked of a server beside bulk requests, when it is refused: for one index, or for all."""

import re
import time

import psycopg
import pytest

import processes
from conftest import Database
from generations import generation
from scripted_endpoint import ScriptedEndpoint, answer, delay, error


@pytest.fixture
def scene(pg, search):
    """Function: a database with these tables, in step, whose server is the endpoint."""
    made = []

    def make(*tables):
        endpoint, db = ScriptedEndpoint(search), Database(pg, search, server=False)
        made.append((endpoint, db))
        db.create_server(url=endpoint.url, request_timeout="10s")
        for table in tables:
            db.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v text);"
                       f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, 8) i")
            db.create_sync(table)
        db.wait()
        return endpoint, db
    yield make
    for endpoint, db in made:
        endpoint.heal()
        db.drop()
        endpoint.__exit__()


def test_a_refused_refresh_is_asked_for_at_leisure(scene):
    endpoint, db = scene("t")
    rule = endpoint.script(error(403, "security_exception"),
                           lambda request: request.path.endswith("/_refresh"))
    with db.connect() as session, pytest.raises(psycopg.errors.QueryCanceled):
        session.execute("SET statement_timeout = '4s'")
        session.execute("SELECT polyglot.refresh_index('t')")
    assert 2 <= len(rule.used) <= 8
    endpoint.heal()
    db.execute("SELECT polyglot.refresh_index('t')")


def test_an_index_that_may_not_be_asked_for_holds_up_no_other_one(scene):
    endpoint, db = scene("t", "u")
    rule = endpoint.script(error(403, "security_exception"),
                           lambda request: request.path.startswith(f"/{db.index('u')}"))
    db.wait_for_state("u", "blocked")
    db.execute("UPDATE u SET v = 'waits'")
    end, states = time.monotonic() + 15, set()
    while time.monotonic() < end:
        db.execute("UPDATE t SET v = v || '+'")
        assert db.value("SELECT polyglot.wait_for_sync('t', '5s')") is True
        states.add(db.status("t")["state"])
        time.sleep(0.3)
    assert states == {"streaming"}
    assert "403" in db.status("u")["last_error"]
    assert len(rule.used) < 12
    endpoint.heal()
    db.execute("SELECT polyglot.run_sync(timeout => '0s')")
    db.assert_equal("u")
    db.assert_equal("t")
    db.wait_for_state("u", "streaming")


def test_when_all_are_refused_the_server_is_away(scene):
    endpoint, db = scene("t", "u")
    endpoint.script(error(403, "security_exception"), lambda request: True)
    for table in ("t", "u"):
        db.wait_for_state(table, "disconnected")
    endpoint.heal()
    db.execute("UPDATE u SET v = 'x'; UPDATE t SET v = 'x'")
    for table in ("t", "u"):
        db.assert_equal(table)
        db.wait_for_state(table, "streaming")


@pytest.mark.parametrize("body", [{"message": "no Route matched with those values"},
                                  {"timestamp": 1, "status": 404, "error": "Not Found", "path": "/"}])
def test_a_404_of_a_gateway_is_no_missing_index(scene, body):
    endpoint, db = scene("t")
    endpoint.script(answer(404, body, ("Content-Type", "application/json")),
                    lambda request: not request.is_bulk)
    db.wait_for_state("t", "disconnected")
    db.execute("UPDATE t SET v = 'x'")
    endpoint.heal()
    db.assert_equal("t")
    db.wait_for_state("t", "streaming")
    assert generation(db, "t") == 1


def most_at_once(requests, seconds):
    """The most requests that began within so many seconds."""
    times = sorted(request.at for request in requests)
    return max(sum(begin <= at < begin + seconds for at in times) for begin in times)


def test_many_syncs_made_and_dropped_at_once_do_not_crowd_each_other_out(scene):
    """What waits for a connection would count as time that the server takes."""
    endpoint, db = scene("t0")
    db.execute("".join(f"CREATE TABLE t{i} (id integer PRIMARY KEY);" for i in range(1, 31)))
    made = endpoint.script(delay(1), lambda request: request.command == "PUT")
    with db.connect(autocommit=False) as session:
        for i in range(1, 31):
            session.execute(f"SELECT polyglot.create_sync('t{i}', 'search')")
        session.commit()
    for i in range(1, 31):
        db.wait_for_state(f"t{i}", "streaming", timeout=120)
    assert len(made.used) == 2 * 30  # a lease and an index each
    assert most_at_once(made.used, 1) <= 4
    dropped = endpoint.script(delay(1), lambda request: request.command == "DELETE")
    db.execute("SELECT polyglot.drop_sync(sync, drop_index => true) FROM polyglot.syncs WHERE sync <> 't0'")
    processes.wait_for(lambda: not db.query("SELECT FROM polyglot.dropped_index"), "the deletion", 120)
    assert len(dropped.used) == 30
    assert most_at_once(dropped.used, 1) <= 4


@pytest.mark.parametrize("refusal", [error(429, "circuit_breaking_exception"),
                                     error(503, "process_cluster_event_timeout_exception")],
                         ids=["429", "503"])
def test_a_rebuild_comes_soon_after_the_server_has_said_yes(scene, refusal):
    """Its wait after a refusal that passes does not grow to minutes."""
    endpoint, db = scene("t")
    rule = endpoint.script(refusal, lambda request: request.command == "PUT" and
                           re.fullmatch(r"/[^/]+-[0-9]{6}", request.path))
    logged = lambda: db.pg.log().count('rebuild of sync "t" has failed')  # noqa: E731
    before = logged()
    db.execute("SELECT polyglot.rebuild_sync('t')")
    processes.wait_for(lambda: len(rule.used) >= 4, "the fourth refusal", 120)
    status = db.status("t")
    assert status["state"] in ("streaming", "rebuilding") and "exception" in status["problem"], status
    assert logged() == before + 1, "said once"
    begun = time.monotonic()
    endpoint.heal()
    processes.wait_for(lambda: generation(db) > 1, "the rebuild", 120)
    assert time.monotonic() - begun < 25
    assert db.status("t")["problem"] is None


def test_leases_are_renewed_while_our_own_table_is_locked(scene):
    endpoint, db = scene("t")

    def renewals():
        return db.search.client().get(index="polyglot-sync-owners", id=db.index("t"))["_version"]
    worker = db.wait_for_worker()
    with db.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE polyglot.sync_state IN ACCESS EXCLUSIVE MODE")
        before = renewals()
        processes.wait_for(lambda: renewals() >= before + 2, "two renewals", 60)
        assert db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", (worker,)) == 0
        assert "waits for a lock of table polyglot.sync_state" in db.pg.log()
    db.execute("INSERT INTO t VALUES (100, 'after')")
    db.assert_equal("t")
    assert db.wait_for_worker() == worker
