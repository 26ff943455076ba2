"""Fixtures: a real search server for the run, a private cluster per module, a database per test."""

import itertools
import os
import re

import psycopg.rows
import pytest

import compare
import processes
from postgres import Postgres
from search_server import SearchServer

FATAL_WORDS = re.compile(r"terminated by signal|PANIC:|TRAP:|FailedAssertion|stack smashing")
clusters = []  # every cluster that is in use, for the look into its log
# Two processes may share the work: their folders and databases must not have the same names.
numbers = itertools.count(1 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))


def pytest_collection_modifyitems(items):
    """The longest modules first, so that all processes end at about the same time."""
    longest = ["test_rebuild", "test_ownership", "test_epoch", "test_mixed_load", "test_parking",
               "test_outage", "test_backfill", "test_restarts", "test_table_locks"]
    items.sort(key=lambda item: longest.index(item.module.__name__)
               if item.module.__name__ in longest else len(longest))


class Database:
    """A database with the extension and a server object `search` with its own index prefix."""

    def __init__(self, pg: Postgres, search: SearchServer, name=None, server=True,
                 options=""):
        self.pg, self.search = pg, search
        self.name = name or f"db{next(numbers)}"
        self.prefix = f"{self.name}_{os.getpid()}_"
        pg.execute(f'CREATE DATABASE "{self.name}" {options}')
        self.execute("CREATE EXTENSION polyglot_sync")
        if server:
            self.create_server()

    def create_server(self, name="search", url=None, **options):
        """The search server of the tests, or with `url` another one that wants no credentials."""
        def listed(values):
            return ", ".join(f"{option} '{value}'" for option, value in values.items())
        known = {"url": url} if url else self.search.options
        mapping = listed({} if url else self.search.credentials)
        values = listed({**known, "index_prefix": self.prefix, **options})
        self.execute(f"CREATE SERVER {name} FOREIGN DATA WRAPPER polyglot_sync OPTIONS ({values});"
                     f"CREATE USER MAPPING FOR PUBLIC SERVER {name}"
                     + (f" OPTIONS ({mapping})" if mapping else ""))

    def connect(self, user="postgres", autocommit=True, **more):
        return self.pg.connect(self.name, user, autocommit, **more)

    def execute(self, statement, parameters=None, user="postgres"):
        self.pg.execute(statement, parameters, self.name, user)

    def query(self, statement, parameters=None, user="postgres"):
        return self.pg.query(statement, parameters, self.name, user)

    def value(self, statement, parameters=None, user="postgres"):
        return self.pg.value(statement, parameters, self.name, user)

    def create_sync(self, source, server="search", user="postgres", **arguments):
        """polyglot.create_sync with named parameters; lists become name[], dicts jsonb."""
        words, values = ["source => %s::regclass", "server => %s"], [source, server]
        for name, value in arguments.items():
            cast = {"key": "::name[]", "columns": "::name[]", "mapping": "::jsonb",
                    "settings": "::jsonb", "options": "::jsonb", "routing": "::name"}
            words.append(f"{name} => %s{cast.get(name, '')}")
            values.append(psycopg.types.json.Jsonb(value) if isinstance(value, dict) else value)
        return self.value(f"SELECT polyglot.create_sync({', '.join(words)})", values, user)

    def wait(self, sync=None, timeout="90s"):
        """Until everything committed so far is in the index and visible to searches."""
        done = self.value("SELECT polyglot.wait_for_sync(%s, %s::interval, true)", (sync, timeout))
        assert done, f"not in step within {timeout}: {self.status()}"

    def status(self, sync=None):
        """The row of one sync, or all rows, of polyglot.status as dictionaries."""
        with self.connect(row_factory=psycopg.rows.dict_row) as session:
            rows = session.execute("SELECT * FROM polyglot.status ORDER BY sync").fetchall()
        return next(row for row in rows if row["sync"] == sync) if sync else rows

    def wait_for_state(self, sync, state, timeout=60):
        processes.wait_for(lambda: self.status(sync)["state"] == state,
                           lambda: f"state {state} of {self.status(sync)}", timeout)

    def worker_pids(self):
        return [pid for pid, in self.query(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'polyglot_sync worker'"
            " AND datname = current_database()")]

    def wait_for_worker(self):
        return processes.wait_for(lambda: self.worker_pids(), "a worker of this database")[0]

    def index(self, name):
        return self.prefix + name

    def differences(self, table, index=None, **arguments):
        with self.connect() as session:
            return compare.compare(session, self.search.client(), table,
                                   self.index(index or table.split(".")[-1]), **arguments)

    def assert_equal(self, table, index=None, wait=True, **arguments):
        """The promise itself: after waiting, the index equals the table."""
        if wait:
            self.wait()
        found = self.differences(table, index, **arguments)
        assert not found, f"{len(found)} differences, first: {found[:5]}"

    def documents(self, index):
        """id → source of every document."""
        found = compare.read_documents(self.search.client(), self.index(index))
        return {name: source for name, (source, _) in found.items()}

    def dead_letters(self):
        return self.query("SELECT sync, document_id, operation, http_status, error_type, reason"
                          " FROM polyglot.dead_letters ORDER BY 1, 2")

    def drop(self):
        self.execute("SELECT polyglot.stop_workers()")
        self.pg.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        client = self.search.client()
        for index in client.indices.get(index=self.prefix + "*"):
            client.indices.delete(index=index)


@pytest.fixture(scope="session")
def search():
    """The search server that tests share. Who breaks it uses own_search.

    POLYGLOT_SEARCH_FOLDER names the folder of one that runs already (`search_server.py start`)."""
    folder = os.environ.get("POLYGLOT_SEARCH_FOLDER")
    if folder:
        yield SearchServer(folder).attach()
        return
    server = SearchServer().start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def own_search():
    """A search server that the tests of one module may kill."""
    server = SearchServer().start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def pg():
    """A running cluster; a test may restart or crash it."""
    yield from running_cluster()


def running_cluster(**arguments):
    cluster = Postgres(f"pg{next(numbers)}", **arguments).start()
    clusters.append(cluster)
    yield cluster
    clusters.remove(cluster)
    cluster.destroy()


@pytest.fixture
def new_cluster():
    """Function that makes one more cluster for this test."""
    made = []

    def make(**arguments):
        made.append(running_cluster(**arguments))
        return next(made[-1])
    yield make
    for cluster in made:
        next(cluster, None)


@pytest.fixture
def db(pg, search):
    database = Database(pg, search)
    yield database
    if pg.pid is None:
        pg.start()
    database.drop()


@pytest.fixture
def new_database(pg, search):
    """Function that makes one more database."""
    made = []

    def make(**arguments):
        made.append(Database(arguments.pop("pg", pg), arguments.pop("search", search), **arguments))
        return made[-1]
    yield make
    for database in made:
        if database.pg.pid is not None and database.name in [
                name for name, in database.pg.query("SELECT datname FROM pg_database")]:
            database.drop()


@pytest.fixture(autouse=True)
def clean_server_log(request):
    """No server process may die in a test, except by the test's own hand."""
    known = {id(cluster): (len(cluster.log()), cluster.killed) for cluster in clusters}
    yield
    for cluster in clusters:
        start, killed = known.get(id(cluster), (0, 0))
        lines = [line for line in cluster.log()[start:].splitlines() if FATAL_WORDS.search(line)]
        assert len(lines) <= cluster.killed - killed, "server log:\n" + "\n".join(lines)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the servers' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for cluster in clusters:
            tail = "\n".join(cluster.log().splitlines()[-40:])
            report.sections.append((f"log of {cluster.folder.name}", tail))
