"""polyglot.status tells what is so without a worker, with one that stands still, and in trouble."""

import os
import signal
import socket
import threading
import time

import psycopg
import pytest

import processes
from gateway import Gateway


def seconds(status):
    return None if status["lag"] is None else status["lag"].total_seconds()


def warned(database, statement, parameters=None):
    """The value of a statement, what was said beside it, and how long it took."""
    with database.connect() as session:
        said = []
        session.add_notice_handler(lambda d: said.append((d.severity, d.message_primary,
                                                          d.message_hint or "")))
        begin = time.monotonic()
        value = session.execute(statement, parameters).fetchone()
        return value and value[0], said, time.monotonic() - begin


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 100) i")
    db.create_sync("t")
    db.wait()
    return db


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def away(new_database):
    """A database with a sync `t` whose server is not there."""
    db = new_database(server=False)
    db.create_server("search", url=f"http://127.0.0.1:{closed_port()}")
    db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    db.create_sync("t")
    processes.wait_for(lambda: db.status("t")["state"] == "disconnected", lambda: db.status("t"))
    return db


def test_the_last_error_outlives_a_restart(away):
    processes.wait_for(lambda: away.value("SELECT last_error_at FROM polyglot.sync_state"), "it is stored")
    before = away.status("t")
    assert "refused" in before["last_error"].lower() or "connect" in before["last_error"].lower()
    away.execute("SELECT polyglot.stop_workers()")
    away.pg.restart()
    after = away.status("t")
    assert after["last_error"] == before["last_error"] and after["state"] == "not running"
    assert after["last_error_at"] <= before["last_error_at"]


def test_lag_and_queue_without_a_worker(t):
    t.execute("SELECT polyglot.stop_workers()")
    assert seconds(t.status("t")) == 0, "what was delivered does not wait"
    assert (t.status("t")["queued"], t.status("t")["pending"]) == (0, 0)
    t.execute("UPDATE t SET v = 'x' WHERE id <= 30")
    t.execute("UPDATE t SET v = 'y' WHERE id <= 20")
    status = t.status("t")
    assert (status["state"], status["queued"], status["pending"]) == ("not running", 50, 50)
    assert seconds(status) > 0 and status["queue_bytes"] > 0
    assert "stopped" in status["problem"] and "start_workers" in status["hint"]
    time.sleep(0.2)
    assert seconds(t.status("t")) > seconds(status)
    t.execute("SELECT polyglot.start_workers()")
    t.wait()
    status = t.status("t")
    assert (status["queued"], status["pending"], status["problem"]) == (0, 0, None)


def test_lag_without_a_worker_since_the_servers_start(pg, new_database):
    db = new_database()
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 100) i")
    db.create_sync("t")
    db.wait()
    assert db.value("SELECT polyglot.drain('60s')")
    db.execute("SELECT polyglot.stop_workers()")
    pg.stop()
    pg.start()
    status = db.status("t")
    assert (status["state"], status["queued"], seconds(status)) == ("not running", 0, 0)
    db.execute("DELETE FROM t WHERE id = 1")
    status = db.status("t")
    assert status["queued"] == status["pending"] == 1 and seconds(status) > 0


def test_keys_that_are_parked_count_without_a_worker_too(pg, away):
    away.execute("INSERT INTO t SELECT generate_series(11, 20)")
    processes.wait_for(lambda: away.status("t")["parked"] == 10, lambda: away.status("t"))
    away.execute("SELECT polyglot.stop_workers()")
    assert seconds(away.status("t")) > 0 and away.status("t")["parked"] == 10
    pg.stop()
    pg.start()
    status = away.status("t")
    assert status["parked"] == 10 and status["pending"] >= 10 and seconds(status) > 0


def test_a_worker_that_stands_still_is_seen(t):
    worker = t.wait_for_worker()
    os.kill(worker, signal.SIGSTOP)
    try:
        t.execute("INSERT INTO t VALUES (1000, 'waits')")
        processes.wait_for(lambda: (seconds(t.status("t")) or 0) > 3, lambda: t.status("t"))
        processes.wait_for(lambda: "not answered" in (t.status("t")["problem"] or ""),
                           lambda: t.status("t"))
        status = t.status("t")
        assert status["queued"] == status["pending"] == 1 and str(worker) in status["problem"]
        assert status["hint"]
        assert t.query("SELECT state FROM polyglot.servers") == [("unknown",)]
        assert t.query("SELECT state FROM polyglot.workers WHERE role = 'worker'") == [("not answering",)]
        lines = dict((line, (result, detail)) for line, result, detail in
                     t.query("SELECT * FROM polyglot.inspect('t', 1000)"))
        assert lines["verdict"][0] == "no worker" and "not answered" in lines["sync"][1]
        assert "delivered soon" not in lines["queue"][1]
        value, said, _ = warned(t, "SELECT polyglot.wait_for_sync('t', '0.5s')")
        assert value is False and "not answered" in said[0][1]
        value, said, _ = warned(t, "SELECT polyglot.drain('0.5s')")
        assert value is False
    finally:
        os.kill(worker, signal.SIGCONT)
    t.wait()
    processes.wait_for(lambda: t.status("t")["problem"] is None, lambda: t.status("t"))
    assert seconds(t.status("t")) < 3


def test_a_sync_that_was_never_filled_is_late(away):
    first = away.status("t")
    assert seconds(first) > 0 and "refused" in first["problem"] and first["hint"]
    away.execute("SELECT polyglot.stop_workers()")
    assert seconds(away.status("t")) > seconds(first)


def test_a_large_queue_is_not_read_whole(t):
    t.execute("SELECT polyglot.stop_workers()")
    t.execute("CREATE TABLE wide (id integer, part text, PRIMARY KEY (id, part))")
    t.create_sync("wide")
    with t.connect() as session:
        session.execute("INSERT INTO wide SELECT i, repeat('k', 60) FROM generate_series(1, 300000) i")
        pages = session.execute(
            "SELECT sum(pg_relation_size(c.oid)) / 8192 FROM pg_class c WHERE relname ~ '^queue_1_'"
        ).fetchone()[0]
        assert pages > 2000
        session.execute("UPDATE t SET v = 'late' WHERE id = 1")
        took = []
        for _ in range(5):
            begin = time.monotonic()
            rows = dict((sync, (queued, waits)) for sync, queued, waits in session.execute(
                "SELECT sync, queued, lag > '0' FROM polyglot.status"))
            took.append(time.monotonic() - begin)
        counted = dict(session.execute("SELECT sync, queued FROM polyglot.status"))
    assert 200_000 < counted["wide"] < 400_000 and counted["t"] >= 1, counted
    assert all(waits for _, waits in rows.values()), rows
    assert min(took) < 0.15, took
    t.execute("SELECT polyglot.drop_sync('wide'); SELECT polyglot.start_workers()")


class Moody(Gateway):
    """Passes everything on, until it is told to answer with `status`, or to hang up (0)."""

    def __init__(self, search):
        self.status = None
        super().__init__(search, self.decide)

    def decide(self, handler, body):
        if self.status is None:
            return True
        if self.status == 0:
            handler.close_connection = True
        else:
            handler.answer(self.status, b'{"error": {"type": "security_exception", "reason": "unable to'
                           b' authenticate user [worker]"}, "status": 401}',
                           [("content-type", "application/json")])
        return False


@pytest.fixture
def moody(search, new_database):
    """A database with a sync `t` whose server a test may spoil."""
    with Moody(search) as gateway:
        db = new_database(server=False)
        db.create_server("search", url=gateway.url)
        db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
        db.create_sync("t")
        db.wait()
        yield db, gateway
        gateway.status = None


def test_refused_credentials_show_as_such(moody):
    db, gateway = moody
    gateway.status = 401
    db.execute("INSERT INTO t VALUES (2)")
    processes.wait_for(lambda: "credentials" in (db.status("t")["problem"] or ""),
                       lambda: db.status("t"))
    assert "user mapping" in db.status("t")["hint"]
    state, error = db.query("SELECT state, last_error FROM polyglot.servers")[0]
    assert state == "denied (HTTP 401)" and "401" in error
    gateway.status = None
    db.execute("SELECT * FROM polyglot.run_sync()")
    db.wait()
    processes.wait_for(lambda: db.query("SELECT state, last_error FROM polyglot.servers")
                       == [("healthy", None)], lambda: db.query("TABLE polyglot.servers"))
    assert db.status("t")["problem"] is None


def test_an_outage_is_told_though_something_else_went_wrong_before(moody):
    db, gateway = moody
    client = db.search.client()
    client.indices.put_settings(index=db.index("t"), body={"index.blocks.write": True})
    db.execute("INSERT INTO t VALUES (2, 'b')")
    db.wait_for_state("t", "blocked")
    assert "block" in db.status("t")["problem"] and "run_sync" in db.status("t")["hint"]
    gateway.status = 0
    db.execute("SELECT * FROM polyglot.run_sync('t', '1s')")
    processes.wait_for(lambda: db.status("t")["state"] == "disconnected", lambda: db.status("t"))
    status = db.status("t")
    assert "cannot be used" in status["problem"] and "block" not in status["problem"]
    assert "block" not in status["last_error"]
    gateway.status = None
    client.indices.put_settings(index=db.index("t"), body={"index.blocks.write": None})
    db.execute("SELECT * FROM polyglot.run_sync()")
    db.wait()
    assert db.status("t")["problem"] is None


def test_a_healthy_sync_has_no_problem_after_a_restart(pg, t):
    pg.stop()
    pg.start()
    t.wait()
    status = t.status("t")
    assert (status["problem"], status["hint"], status["last_error"]) == (None, None, None)
    assert status["state_since"] is not None


def test_waiting_in_vain_ends_at_once_and_says_why(t):
    t.execute("SELECT polyglot.pause_sync('t')")
    value, said, took = warned(t, "SELECT polyglot.wait_for_sync('t', '30s')")
    assert value is False and took < 20
    assert said == [("WARNING", 'sync "t" is not in step yet: paused: changes are kept, not delivered',
                     "Call polyglot.resume_sync('t').")]
    t.execute("SELECT polyglot.resume_sync('t'); SELECT polyglot.stop_workers()")
    value, said, took = warned(t, "SELECT polyglot.wait_for_sync('t', 30)")
    assert value is False and took < 20 and "start_workers" in said[0][2]
    value, said, took = warned(t, "SELECT 1 FROM polyglot.run_sync('t', '30 s'::text)")
    assert took < 20 and "stopped" in said[0][1]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stopped"):
        t.value("SELECT polyglot.repair_sync('t')")
    t.execute("SELECT polyglot.start_workers()")
    t.wait()


def test_who_waits_right_after_a_resumption_is_not_told_of_the_pause(t):
    for number in range(20):
        t.execute("SELECT polyglot.pause_sync('t')")
        t.wait_for_state("t", "paused")
        t.execute("UPDATE t SET v = %s WHERE id = 1", (str(number),))
        with t.connect() as session:
            session.execute("SELECT polyglot.resume_sync('t')")
            assert session.execute("SELECT polyglot.wait_for_sync('t', '60s')").fetchone()[0] is True


def test_waiting_ends_when_somebody_pauses_meanwhile(away):
    answers = []
    other = threading.Thread(target=lambda: answers.append(
        warned(away, "SELECT polyglot.wait_for_sync('t', '60s')")))
    other.start()
    processes.wait_for(lambda: away.value(
        "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT polyglot.wait_for'"),
        lambda: "waiting")
    away.execute("SELECT polyglot.pause_sync('t')")
    other.join(30)
    assert answers and answers[0][0] is False and "paused" in answers[0][1][0][1]


def test_who_waits_for_a_server_that_is_away_is_told_so(away):
    value, said, took = warned(away, "SELECT polyglot.wait_for_sync('t', 1.5)")
    assert value is False and took > 1.4
    assert "cannot be used" in said[0][1] and "refused" in said[0][1] and "ping" in said[0][2]


def test_what_is_under_way_is_told_to_who_waits_too_short(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY);"
               "INSERT INTO t SELECT generate_series(1, 20000); ANALYZE t")
    db.create_sync("t", options={"backfill_rate": 1000})
    db.wait_for_state("t", "backfilling")
    value, said, took = warned(db, "SELECT polyglot.wait_for_sync('t', '1.5s')")
    assert value is False and took > 1.4
    assert said[0][1].startswith('sync "t" is not in step yet: backfilling, ')
    assert " of 20,000 rows" in said[0][1]


def test_verification_does_not_wait_for_ever(away):
    for statement in ("SELECT * FROM polyglot.verify_sync('t', timeout => '1s')",
                      "SELECT polyglot.repair_sync('t', '1s')", "SELECT polyglot.repair_sync('t', 1)"):
        with pytest.raises(psycopg.errors.QueryCanceled) as error:
            away.query(statement)
        assert "in time" in str(error.value) and "refused" in error.value.diag.message_detail
    _, said, _ = warned(away, "SELECT * FROM polyglot.verify_sync('t', wait => false)")
    assert said[0][0] == "NOTICE" and "polyglot.verifications" in said[0][2]


def test_repair_warns_of_what_is_refused_again(t):
    t.execute("SELECT polyglot.alter_sync('t', mapping => "
              "'{\"properties\": {\"v\": {\"type\": \"integer\"}}}')")
    t.execute("UPDATE t SET v = id::text")
    t.wait()
    t.execute("UPDATE t SET v = 'no number' WHERE id = 7")
    t.wait()
    value, said, _ = warned(t, "SELECT polyglot.repair_sync('t')")
    assert ("WARNING", 'sync "t" has dead letters') in [(s, m) for s, m, _ in said]


@pytest.mark.parametrize("reason, arguments", [
    ("shared_preload_libraries", {"preload": False}),
    ("max_worker_processes", {"settings": {"max_worker_processes": "1"}}),
    ("max_worker_processes", {"settings": {"max_worker_processes": "2"}})])
def test_where_no_worker_can_run_that_is_said(search, new_cluster, new_database, reason, arguments):
    db = new_database(pg=new_cluster(**arguments))
    db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    db.create_sync("t")
    db.execute("INSERT INTO t VALUES (2)")

    def told():
        status = db.status("t")
        return reason in f"{status['problem']} {status['hint']}" and status
    status = processes.wait_for(told, lambda: db.status("t"))
    assert status["state"] == "not running" and status["queued"] == status["pending"] == 1
    assert seconds(status) > 0
    value, said, took = warned(db, "SELECT polyglot.wait_for_sync('t', '60s')")
    assert value is False and took < 20 and reason in f"{said[0][1]} {said[0][2]}"
