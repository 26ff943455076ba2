"""A real server refuses, blocks, hangs, dies: writers go on, other syncs go on, nothing is lost.

Only what a server can do to us is in here; the network between is another module's subject.
"""

import contextlib
import random
import threading
import time
import urllib.error

import pytest

import processes
from conftest import Database
from search_server import SearchServer


class Writer:
    """One session that inserts, updates and deletes in some tables until it is told to end."""

    def __init__(self, db, tables):
        self.db, self.tables = db, tables
        self.commits, self.slowest, self.error = 0, 0.0, None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        chooser = random.Random(1)
        try:
            with self.db.connect() as session:
                while not self.ended.is_set():
                    begin = time.monotonic()
                    for table in self.tables:
                        self._change(session, table, chooser)
                    self.commits += 1
                    self.slowest = max(self.slowest, time.monotonic() - begin)
                    self.ended.wait(0.01)
        except Exception as error:  # seen by whoever stops the writer
            self.error = error

    def _change(self, session, table, chooser):
        number = chooser.randrange(1000)
        kind = chooser.randrange(4)
        if kind == 0:
            session.execute(f"DELETE FROM {table} WHERE id = %s", (number,))
        elif kind == 1:
            session.execute(f"UPDATE {table} SET v = %s WHERE id BETWEEN %s AND %s",
                            (f"many {self.commits}", number, number + 20))
        else:
            session.execute(f"INSERT INTO {table} VALUES (%s, %s) ON CONFLICT (id)"
                            " DO UPDATE SET v = excluded.v", (number, f"one {self.commits}"))

    def stop(self):
        self.ended.set()
        self.thread.join(60)


@contextlib.contextmanager
def writing(db, *tables):
    """Changes all the while; no writer ever waits for a search server."""
    writer = Writer(db, tables or ("t", "u"))
    try:
        processes.wait_for(lambda: writer.commits > 5 or writer.error, "the first commits")
        yield writer
        seen = writer.commits
        processes.wait_for(lambda: writer.commits > seen or writer.error, "a commit at the end")
    finally:
        writer.stop()
    assert writer.error is None, writer.error
    assert writer.slowest < 5


def make_database(pg, server):
    database = Database(pg, server)
    for table in ("t", "u"):
        database.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v text);"
                         f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, 800) i")
        database.create_sync(table)
    database.wait()
    return database


@pytest.fixture
def db(pg, own_search):
    if own_search.pid is None:
        own_search.start()
    database = make_database(pg, own_search)
    yield database
    if own_search.pid is None:
        own_search.start()
    database.drop()


@pytest.fixture
def db_on(pg):
    """Function that makes a database on one more server with settings of its own."""
    made = []

    def make(config):
        server = SearchServer(config=config).start()
        made.append(server)
        database = make_database(pg, server)
        made.append(database)
        return database
    yield make
    for one in reversed(made):
        (one.kill if isinstance(one, SearchServer) else one.drop)()


def physical(db, table):
    (name,) = db.search.client().indices.get_alias(name=db.index(table))
    return name


def set_index(db, index, **settings):
    db.search.request("PUT", f"/{index}/_settings",
                      {"index." + name.replace("__", "."): value
                       for name, value in settings.items()})


def set_cluster(db, name, value):
    db.search.request("PUT", "/_cluster/settings", {"persistent": {name: value}})


def assert_goes_on(db, table):
    """A sync beside the one in trouble delivers as if nothing were wrong."""
    db.execute(f"INSERT INTO {table} VALUES (5000, 'beside') ON CONFLICT (id)"
               " DO UPDATE SET v = 'beside again'")
    assert db.value("SELECT polyglot.wait_for_sync(%s, '30s')", (table,)) is True
    assert db.status(table)["state"] == "streaming"


def assert_healed(db):
    """At once when somebody says that the trouble is over: indexes equal tables, all is well."""
    db.execute("SELECT polyglot.run_sync()")
    for table in ("t", "u"):
        db.assert_equal(table)
        assert db.status(table)["state"] == "streaming"
    assert db.dead_letters() == []


@pytest.mark.parametrize("block", ["write", "read_only", "read_only_allow_delete"])
def test_a_block_of_one_index(db, block):
    """read_only_allow_delete is what a server sets when a disk reaches the flood stage."""
    index = physical(db, "t")
    with writing(db):
        set_index(db, index, **{f"blocks__{block}": True})
        db.wait_for_state("t", "blocked")
        assert "block" in db.status("t")["last_error"]
        assert_goes_on(db, "u")
        set_index(db, index, **{f"blocks__{block}": None})
    assert_healed(db)


def test_a_block_ends_without_anybody_telling(db):
    index = physical(db, "t")
    with writing(db):
        set_index(db, index, blocks__write=True)
        db.wait_for_state("t", "blocked")
        set_index(db, index, blocks__write=None)
        db.wait_for_state("t", "streaming", 90)
    assert_healed(db)


def test_a_block_of_the_whole_cluster(db):
    with writing(db):
        set_cluster(db, "cluster.blocks.read_only", True)
        try:
            for table in ("t", "u"):
                db.wait_for_state(table, "blocked")
        finally:
            set_cluster(db, "cluster.blocks.read_only", None)
    assert_healed(db)


def test_a_closed_index(db):
    index = physical(db, "t")
    with writing(db):
        db.search.request("POST", f"/{index}/_close", timeout=60)
        db.wait_for_state("t", "blocked")
        assert_goes_on(db, "u")
        db.search.request("POST", f"/{index}/_open", timeout=60)
    assert_healed(db)


def test_a_tripped_breaker(db):
    """Every bulk is refused with 429 while the node is short of memory."""
    before = db.status("t")["retried"]
    with writing(db):
        set_cluster(db, "indices.breaker.total.limit", "1%")
        try:
            processes.wait_for(lambda: db.status("t")["retried"] > before + 100,
                               lambda: f"retries in {db.status('t')}")
        finally:
            set_cluster(db, "indices.breaker.total.limit", None)
    assert_healed(db)


def test_rejected_execution(db_on):
    """The node takes 100 kB at a time, for ever: what it refuses has to become smaller."""
    db = db_on({"indexing_pressure.memory.limit": "100kb"})
    with writing(db, "u"):
        db.execute("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(5001, 7000) i")
        assert db.value("SELECT polyglot.wait_for_sync('t', '120s')") is True, db.status("t")
    assert db.status("t")["retried"] > 0
    assert_healed(db)


def test_the_largest_request_a_server_takes(db_on):
    """413: batches become smaller, and only a document that is too large by itself is given up."""
    db = db_on({"http.max_content_length": "1mb"})
    with writing(db):
        db.execute("INSERT INTO t SELECT i, repeat('x', 2000) FROM generate_series(5001, 9000) i;"
                   "INSERT INTO t VALUES (9001, repeat('y', 1500000))")
        db.wait()
    ((sync, document, operation, status, _, _),) = db.dead_letters()
    assert (sync, document, operation, status) == ("t", "9001", "index", 413)
    db.assert_equal("t", where="id <> 9001")
    db.execute("UPDATE t SET v = 'small' WHERE id = 9001")
    db.wait()
    assert_healed(db)


def test_kill_in_the_middle_of_a_delivery(db):
    with writing(db):
        for round_number in range(2):
            db.execute("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(5001, 20000) i"
                       " ON CONFLICT (id) DO UPDATE SET v = excluded.v || %s", (round_number,))
            done = db.status("t")["delivered"]
            processes.wait_for(lambda: db.status("t")["delivered"] > done, "a delivery", 60, 0.01)
            db.search.kill()
            for table in ("t", "u"):
                db.wait_for_state(table, "disconnected")
            db.search.start()
    assert_healed(db)


def test_a_server_that_stands_still(db):
    db.execute("ALTER SERVER search OPTIONS (ADD request_timeout '2s')")
    with writing(db):
        db.search.suspend()
        try:
            for table in ("t", "u"):
                db.wait_for_state(table, "disconnected")
        finally:
            db.search.resume()
    db.execute("ALTER SERVER search OPTIONS (DROP request_timeout)")
    assert_healed(db)


def test_an_orderly_restart(db):
    with writing(db):
        db.search.restart()
    assert_healed(db)


def test_a_deleted_index(db):
    with writing(db):
        db.search.request("DELETE", "/" + physical(db, "t"), timeout=60)
        client = db.search.client()
        processes.wait_for(lambda: client.indices.exists(index=db.index("t")), "the index again")
        assert_goes_on(db, "u")
    assert_healed(db)


def make_anew(db, index):
    """Deletes an index and makes another one of its name, again when a delete of the worker's that
    was under way has made one first: a versioned delete does that."""
    for _ in range(20):
        db.search.request("DELETE", "/" + index, timeout=60)
        try:
            db.search.request("PUT", "/" + index, {"mappings": {
                "dynamic": "strict", "properties": {"id": {"type": "integer"}}}}, timeout=60)
            return
        except urllib.error.HTTPError as error:
            assert error.code == 400 and b"resource_already_exists_exception" in error.read()
    raise AssertionError(f"{index} is there again and again")


def test_an_index_made_anew_by_somebody_else(db):
    """It has our index' name, but not its identity, and refuses our documents."""
    index = physical(db, "t")
    with writing(db):
        make_anew(db, index)
        client = db.search.client()
        processes.wait_for(lambda: client.indices.exists(index=db.index("t")), "the index again")
        assert_goes_on(db, "u")
    assert physical(db, "t") != index
    assert_healed(db)


def point_alias(db, table, old, new):
    alias = db.index(table)
    db.search.request("POST", "/_aliases", {"actions": [
        {"remove": {"index": old, "alias": alias}}, {"add": {"index": new, "alias": alias}}]}, 60)


def wait_for_notice(db, table, text, there=True):
    processes.wait_for(lambda: (text in (db.status(table)["last_error"] or "")) == there,
                       lambda: str(db.status(table)), 120)


def test_an_alias_that_somebody_moved(db):
    """We write to the index that is ours; the one that the alias names now stays untouched, and
    `status` says that searches see it."""
    index, other = physical(db, "t"), db.index("other")
    with writing(db):
        db.search.request("PUT", "/" + other, {}, timeout=60)
        point_alias(db, "t", index, other)
        for table in ("t", "u"):
            assert_goes_on(db, table)
        wait_for_notice(db, "t", f'point it to index "{index}" again')
        assert db.status("t")["state"] == "streaming"
        assert "alias" not in (db.status("u")["last_error"] or "")
    db.wait()
    assert db.documents("other") == {}
    db.assert_equal("t", index[len(db.prefix):])
    point_alias(db, "t", other, index)
    wait_for_notice(db, "t", "alias", there=False)
    db.assert_equal("t")
    assert db.pg.log().count(f'does not name index "{index}"') == 1
