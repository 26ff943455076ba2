"""Nothing reaches an index that a crash could take back, and nothing waits for a standby."""

import pytest

import processes

PAGE, SHORT_HEADER = 8192, 24


@pytest.fixture
def quiet(new_cluster, new_database):
    """A cluster on which nobody but committers and the worker brings WAL to disk."""
    cluster = new_cluster(settings={"wal_writer_delay": "10s", "autovacuum": "off",
                                    "full_page_writes": "off", "bgwriter_delay": "10s"})
    db = new_database(pg=cluster)
    db.execute("CREATE TABLE t (id integer PRIMARY KEY); CREATE TABLE other (n integer)")
    db.create_sync("t")
    db.wait()
    return db


class Committer:
    """Commits rows asynchronously so that their records end at a chosen place of a page."""

    def __init__(self, session):
        self.session = session
        self.run("SET synchronous_commit = off")
        self.insert(-1)
        # The least: the worker writes, too, and a page's header may come in between.
        self.size = min(self.grown(lambda: self.insert(-2 - number)) for number in range(8))
        self.overhead = min(self.grown(lambda: self.fill(400)) for _ in range(8)) - 400

    def run(self, statement):
        return self.session.execute(statement)

    def position(self, which="insert"):
        return int(self.run(f"SELECT pg_current_wal_{which}_lsn() - '0/0'").fetchone()[0])

    def grown(self, action):
        before = self.position()
        action()
        return self.position() - before

    def insert(self, key):
        self.run(f"INSERT INTO t VALUES ({key})")

    def fill(self, length):
        self.run(f"SELECT pg_logical_emit_message(false, 'p', repeat('x', {length}))")

    def end_at(self, offset, key):
        """The end of the row's commit, or None when it came to stand somewhere else."""
        # Durable, and so the worker needs to write nothing for the version that it draws next.
        self.run("SET synchronous_commit = on; INSERT INTO other VALUES (1);"
                 "SET synchronous_commit = off")
        begin = self.position()
        target = begin - begin % PAGE + PAGE + offset
        length = target - SHORT_HEADER - self.size - self.overhead - begin
        if length < 300:  # one page further, with a header of its own
            target += PAGE
            length += PAGE - SHORT_HEADER
        self.fill(length)
        self.insert(key)
        return target if self.position() == target else None


def test_the_end_of_a_commit_behind_a_page_header_is_flushed(quiet):
    """Else a crash takes the row back, and its document stays."""
    client, index = quiet.search.client(), quiet.index("t")
    with quiet.connect() as session:
        committer = Committer(session)
        hits = 0
        for key in range(1, 200):
            end = committer.end_at(SHORT_HEADER + (8 if key % 2 else 16), key)
            if end is None:
                continue
            processes.wait_for(lambda: client.exists(index=index, id=str(key)), f"document {key}")
            assert committer.position("flush") >= end, f"document {key} came before its row was durable"
            hits += 1
            if hits == 20:
                return
    pytest.fail(f"only {hits} commits ended behind a page's header")


@pytest.fixture
def deserted(new_cluster, new_database):
    """A cluster whose synchronous standby is away."""
    cluster = new_cluster()
    db = new_database(pg=cluster)
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'first')")
    db.create_sync("t")
    db.wait()
    cluster.execute("CREATE DATABASE another")
    cluster.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    cluster.reload()
    processes.wait_for(lambda: cluster.value("SHOW synchronous_standby_names") == "nobody", "a reload")
    yield db
    cluster.execute("ALTER SYSTEM RESET synchronous_standby_names")
    cluster.reload()


def alone(db, statement, parameters=None):
    """A statement of somebody who does not wait for standbys either."""
    with db.connect() as session:
        session.execute("SET synchronous_commit = local; SET statement_timeout = '60s'")
        cursor = session.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else None


def test_the_worker_waits_for_no_synchronous_standby(deserted):
    db = deserted
    alone(db, "INSERT INTO t VALUES (2, 'second'); UPDATE t SET v = 'changed' WHERE id = 1")
    assert alone(db, "SELECT polyglot.wait_for_sync('t', '30s', true)") == [(True,)]
    db.assert_equal("t", wait=False)
    # What is stored for good: a new sync, its first backfill, a dead letter, a rebuild.
    alone(db, "CREATE TABLE u (id integer PRIMARY KEY, v text);"
              "INSERT INTO u SELECT i, CASE i WHEN 7 THEN 'bad' ELSE '1' END"
              " FROM generate_series(1, 100) i")
    alone(db, "SELECT polyglot.create_sync('u', 'search',"
              """ mapping => '{"properties": {"v": {"type": "integer"}}}')""")
    alone(db, "SELECT polyglot.rebuild_sync('t')")
    assert alone(db, "SELECT polyglot.wait_for_sync(NULL, '60s', true)") == [(True,)]
    assert [letter[1] for letter in db.dead_letters()] == ["7"]
    db.assert_equal("u", where="v <> 'bad'", wait=False)
    waiting = db.query("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    assert not waiting
    # Its end waits until every process has closed the files.
    with db.pg.connect() as session:
        session.execute("SET synchronous_commit = local")
        session.execute("SET statement_timeout = '60s'")
        session.execute("DROP DATABASE another")
