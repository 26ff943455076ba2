"""The faults of the torture: what can happen to a worker, its server, the network, PostgreSQL.

Each kind belongs to a lane. Lanes run side by side, the faults of one lane one after another: two
faults of a lane would contradict each other (a server cannot be killed while it is stopped), and a
slow lane, such as one in which a search server starts, does not stop the others.
"""

import random
import threading
import time
import urllib.error

import psycopg

import fault_proxy
import processes
import torture_definitions

# lane → (least and most rest after a fault, in seconds; kind → how often, in proportion)
LANES = {
    "search": ((8, 20), {"search killed": 2, "search stopped": 8, "search restarted": 1,
                         "worker killed while the server is away": 1}),
    "network": ((0.3, 3), {"proxy": 5, "proxy refused": 2, "proxy reset": 4}),
    "postgres": ((4, 14), {"worker terminated": 4, "launcher terminated": 1, "worker killed": 1,
                           "backend killed": 1, "postgres immediate": 1, "postgres fast": 1,
                           "workers stopped": 2}),
    "index": ((0.5, 4), {"write block": 6, "flood stage": 3, "index closed": 4, "cluster block": 1,
                         "index deleted": 0.5, "index replaced": 0.3, "breaker": 1}),
    "sync": ((0.2, 3), {"pause": 4, "run_sync": 4, "requeue": 1, "server altered": 4,
                        "sync altered": 0.4, "triggers disabled": 0.3, "queue limit": 0.3,
                        "sync created anew": 0.3, "column added": 0.4, "partition moved": 0.3}),
    "definition": ((1, 6), torture_definitions.WEIGHTS),
    "maintenance": ((0.5, 5), {"queue maintenance": 5, "parked maintenance": 3, "checkpoint": 1,
                               "table maintenance": 2, "long snapshot": 1, "pinned queue": 1}),
}
KINDS = tuple(kind for _, kinds in LANES.values() for kind in kinds)
START_TIMEOUT = 600.0  # a search server starts slowly on a busy machine
SERVER_OPTIONS = {  # the first value is the one at the start
    "batch_bytes": ["5MB", "64kB", "300kB"], "batch_operations": ["5000", "1", "7", "500"],
    "max_in_flight": ["8", "1", "2", "16"], "linger": ["2ms", "0", "50ms"],
    "compression": ["none", "gzip"], "request_timeout": ["15s", "2s", "5s"], "max_queue_size": ["10GB"]}


def schedule(seed, round_number, seconds, wanted, syncs):
    """lane → [(second, kind, seconds that it lasts, sync, seed of its details)], by the seed alone."""
    planned = {}
    for lane, (rest, weights) in LANES.items():
        chooser = random.Random(f"{lane} {seed} {round_number}")
        kinds = [kind for kind in weights if kind in wanted]
        second, planned[lane] = chooser.uniform(0.5, rest[1]), []
        while second < seconds and kinds:
            lasts = round(chooser.uniform(0.3, 4), 2)
            kind, = chooser.choices(kinds, [weights[kind] for kind in kinds])
            planned[lane].append((round(second, 2), kind, lasts, chooser.choice(sorted(syncs)),
                                  chooser.randrange(10**9)))
            second += lasts + chooser.uniform(*rest)
    return planned


def status_of(error):
    """The HTTP status of a failed request to the search server, 0 when it gave no answer."""
    return error.code if isinstance(error, urllib.error.HTTPError) else 0


class Faults(torture_definitions.DefinitionFaults):
    """Does faults and takes each back after its time."""

    def __init__(self, db, search, proxy, create_sync):
        self.db, self.search, self.proxy, self.create_sync = db, search, proxy, create_sync
        self.done, self.killed, self.broken = {}, [], []
        self.columns = 2
        self.lock = threading.Lock()
        self.processes = threading.Lock()  # one at a time lays hands on PostgreSQL's processes

    def count(self, kind):
        with self.lock:
            self.done[kind] = self.done.get(kind, 0) + 1

    @property
    def total(self):
        return sum(count for kind, count in self.done.items() if not kind.startswith("proxy: "))

    def carry_out(self, planned, seconds):
        """One round: what could not begin within its time is left out."""
        begin = time.monotonic()
        threads = [threading.Thread(target=self._lane, args=(lane, faults, begin, seconds))
                   for lane, faults in planned.items()]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        for thread in threads:
            thread.join()

    def _lane(self, lane, faults, begin, seconds):
        free = 0.0
        for second, kind, lasts, sync, seed in faults:
            time.sleep(max(0, begin + max(second, free) - time.monotonic()))
            started = time.monotonic() - begin
            if started > seconds:
                return
            try:
                act = getattr(self, "_" + kind.replace(" ", "_").replace("-", "_"))
                act(lasts, sync, random.Random(seed))
                self.count(kind)
            except Exception as error:  # a fault that could not be done is a fault of the test
                self.broken.append(f"{kind} ({sync}, {seed}): {error!r}")
            ended = time.monotonic() - begin
            free = ended + LANES[lane][0][0]
            print(f"{started:7.1f} – {ended:5.1f} s  planned {second:6.2f}  {kind} ({sync},"
                  f" {lasts} s, {seed})", flush=True)

    # How statements and requests get through while the other lanes are at work.

    def sql(self, statement, parameters=None, wanted=True, user="postgres"):
        """A statement that may meet a PostgreSQL that is just recovering, or a lock."""
        deadline = time.monotonic() + 180
        while True:
            try:
                with self.db.connect(user, options="-c lock_timeout=3s") as session:
                    cursor = session.execute(statement, parameters)
                    return cursor.fetchall() if cursor.description else []
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                if not wanted:
                    self.db.pg.wait_until_up()
                    return []  # a later fault repeats it
                time.sleep(0.2)

    def ask(self, method, path, body=None, tolerated=(404,), repeated=()):
        """A request to the search server itself, repeated while it is away."""
        deadline = time.monotonic() + 900
        while True:
            try:
                return self.search.request(method, path, body)
            except OSError as error:
                if status_of(error) in tolerated:
                    return None
                again = status_of(error) in (0, 408, 429, 500, 503, *repeated)
                if not again or time.monotonic() > deadline:
                    raise RuntimeError(f"{method} {path}: {error!r} {described(error)}") from error
                time.sleep(0.3)

    def _physical(self, sync):
        return next(iter(self.ask("GET", f"/{self.db.index(sync)}/_alias") or []), None)

    def _workers(self):
        return self.db.pg.server_processes("polyglot_sync worker")

    # The search server.

    def _search_killed(self, lasts, sync, chooser):
        self.search.kill()
        time.sleep(lasts)
        self._start_search()

    def _search_restarted(self, lasts, sync, chooser):
        self.search.stop()
        self._start_search()

    def _search_stopped(self, lasts, sync, chooser):
        self.search.suspend()
        time.sleep(lasts * 2)
        self.search.resume()

    def _worker_killed_while_the_server_is_away(self, lasts, sync, chooser):
        self.search.kill()
        time.sleep(3 + lasts)  # from 3 s on it counts as away: keys are parked
        self._worker_killed(lasts, sync, chooser)
        time.sleep(lasts)
        self.search.start(START_TIMEOUT)

    # The network.

    def _proxy(self, lasts, sync, chooser):
        name, fault = fault_proxy.random_fault(chooser)
        self.count("proxy: " + name)
        self.proxy.apply(fault)
        time.sleep(lasts)
        self.proxy.heal()

    def _proxy_refused(self, lasts, sync, chooser):
        self.proxy.refuse()
        time.sleep(lasts)
        self.proxy.heal()

    def _proxy_reset(self, lasts, sync, chooser):
        for _ in range(chooser.randrange(1, 6)):
            self.proxy.reset_connections()
            time.sleep(0.05)

    # PostgreSQL's processes.

    def _worker_terminated(self, lasts, sync, chooser):
        for pid in self._workers():
            self.sql("SELECT pg_terminate_backend(%s)::text", (pid,))

    def _launcher_terminated(self, lasts, sync, chooser):
        for pid in self.db.pg.server_processes("polyglot_sync launcher"):
            self.sql("SELECT pg_terminate_backend(%s)::text", (pid,))

    def _worker_killed(self, lasts, sync, chooser):
        with self.processes:
            self._kill(self._workers()[:1])

    def _backend_killed(self, lasts, sync, chooser):
        with self.processes:
            pids = [pid for pid, in self.sql("SELECT pid FROM pg_stat_activity"
                                             " WHERE backend_type = 'client backend'"
                                             " AND state = 'active' AND pid <> pg_backend_pid()")]
            self._kill(chooser.sample(pids, min(1, len(pids))))

    def _kill(self, pids):
        for pid in pids:
            self.killed.append(pid)
            self.db.pg.kill(pid)
        self.db.pg.wait_until_up()

    def _postgres_immediate(self, lasts, sync, chooser):
        with self.processes:
            self.db.pg.restart("immediate")

    def _postgres_fast(self, lasts, sync, chooser):
        with self.processes:
            self.db.pg.restart("fast")

    def _workers_stopped(self, lasts, sync, chooser):
        self.sql("SELECT polyglot.stop_workers()::text")
        time.sleep(lasts)
        self.sql("SELECT polyglot.start_workers()::text")

    # One index, or all of them.

    def _set(self, sync, name, value):
        """Repeated while another lane has blocked the whole cluster."""
        self.ask("PUT", f"/{self.db.index(sync)}/_settings", {f"index.blocks.{name}": value},
                 repeated=(403,))

    def _set_cluster(self, name, value):
        """Repeated after a lost answer, a block that is there already refuses itself."""
        self.ask("PUT", "/_cluster/settings", {"persistent": {name: value}},
                 tolerated=(403,) if value is True else ())

    def _write_block(self, lasts, sync, chooser):
        self._set(sync, "write", True)
        time.sleep(lasts)
        self._set(sync, "write", None)

    def _flood_stage(self, lasts, sync, chooser):
        """What a server sets when its disk is nearly full."""
        self._set(sync, "read_only_allow_delete", True)
        time.sleep(lasts)
        self._set(sync, "read_only_allow_delete", None)

    def _cluster_block(self, lasts, sync, chooser):
        self._set_cluster("cluster.blocks.read_only", True)
        time.sleep(lasts)
        self._set_cluster("cluster.blocks.read_only", None)

    def _breaker(self, lasts, sync, chooser):
        self._set_cluster("indices.breaker.total.limit", "1%")
        time.sleep(lasts)
        self._set_cluster("indices.breaker.total.limit", None)

    def _index_closed(self, lasts, sync, chooser):
        index = self._physical(sync)
        if index is not None:
            self.ask("POST", f"/{index}/_close")
            time.sleep(lasts)
            self.ask("POST", f"/{index}/_open")

    def _index_deleted(self, lasts, sync, chooser):
        index = self._physical(sync)
        if index is not None:
            self.ask("DELETE", f"/{index}")

    def _index_replaced(self, lasts, sync, chooser):
        """By one of the same name that is not ours and refuses our documents."""
        index = self._physical(sync)
        if index is not None:
            self.ask("DELETE", f"/{index}")
            self.ask("PUT", f"/{index}", {"mappings": {"dynamic": "strict"}}, tolerated=(400,))

    # Syncs and definitions.

    def _pause(self, lasts, sync, chooser):
        self.sql("SELECT polyglot.pause_sync(%s)::text", (sync,))
        time.sleep(lasts)
        self.sql("SELECT polyglot.resume_sync(%s)::text", (sync,))

    def _run_sync(self, lasts, sync, chooser):
        self.sql("SELECT sync FROM polyglot.run_sync(%s, '1s')", (sync,))

    def _requeue(self, lasts, sync, chooser):
        self.sql("SELECT polyglot.requeue()")

    def _server_altered(self, lasts, sync, chooser):
        name = chooser.choice(sorted(SERVER_OPTIONS))
        value = chooser.choice(SERVER_OPTIONS[name])
        self.sql(f"ALTER SERVER search OPTIONS (SET {name} '{value}')")

    def _queue_limit(self, lasts, sync, chooser):
        """Beyond it events are dropped and the indexes are filled anew."""
        self.sql("ALTER SERVER search OPTIONS (SET max_queue_size '1MB')")
        time.sleep(lasts)
        self.sql("ALTER SERVER search OPTIONS (SET max_queue_size '10GB')")

    def _sync_altered(self, lasts, sync, chooser):
        """No row passes the filter, then all do: the whole index is compared with the table, twice."""
        self.sql("SELECT polyglot.alter_sync(%s, filter => 'false')::text", (sync,))
        time.sleep(lasts)
        self.sql("SELECT polyglot.alter_sync(%s, reset => '{filter}')::text", (sync,))

    def _triggers_disabled(self, lasts, sync, chooser):
        """Changes that no trigger sees, as a restore with --disable-triggers makes them."""
        change = "UPDATE items SET name = 'unseen'" if sync == "items" else f"DELETE FROM {sync}"
        self.sql(f"ALTER TABLE {sync} DISABLE TRIGGER ALL;"
                 f"{change} WHERE ctid IN (SELECT ctid FROM {sync} LIMIT 3);"
                 f"ALTER TABLE {sync} ENABLE TRIGGER ALL")

    def _sync_created_anew(self, lasts, sync, chooser):
        self.sql("SELECT polyglot.drop_sync(sync, drop_index => true)::text FROM polyglot.syncs"
                 " WHERE sync = %s", (sync,))
        deadline = time.monotonic() + 180
        while not self.sql("SELECT 1 FROM polyglot.syncs WHERE sync = %s", (sync,)):
            try:
                self.create_sync(sync)
            except (psycopg.OperationalError, psycopg.InterfaceError):  # a lock, or a crash
                if time.monotonic() > deadline:
                    raise

    def _column_added(self, lasts, sync, chooser):
        """And one dropped: every document changes without one event of a row."""
        self.columns += 1
        self.sql(f"ALTER TABLE {sync} ADD COLUMN IF NOT EXISTS added_{self.columns} integer"
                 f" DEFAULT {self.columns}, DROP COLUMN IF EXISTS added_{self.columns - 2}")

    def _partition_moved(self, lasts, sync, chooser):
        """A partition comes with its rows, or goes with them."""
        region = chooser.choice("cd")
        table = f"routed_{region}"
        if self.sql("SELECT to_regclass(%s)", (table,)) == [(None,)]:
            self.sql(f"CREATE TABLE {table} (LIKE routed INCLUDING ALL);"
                     f"INSERT INTO {table} (id, region, tenant, v) SELECT i, '{region}', 'tenant 1', 0"
                     f" FROM generate_series(1, 50) i;"
                     f"ALTER TABLE routed ATTACH PARTITION {table} FOR VALUES IN ('{region}')",
                     wanted=False)
        else:
            self.sql(f"ALTER TABLE routed DETACH PARTITION {table}; DROP TABLE {table}",
                     wanted=False)

    # What an administrator does.

    def _queue_maintenance(self, lasts, sync, chooser):
        command = chooser.choice(["VACUUM", "VACUUM FULL", "VACUUM (FREEZE)", "ANALYZE", "CLUSTER"])
        for pair in self.sql("SELECT table_a::regclass::text, table_b::regclass::text"
                             " FROM polyglot.queue"):
            for table in pair:
                if command == "CLUSTER":  # needs an index, which these tables do not have
                    self.sql(f"CREATE INDEX odd ON {table} (captured_at);"
                             f"CLUSTER {table} USING odd; DROP INDEX polyglot.odd", wanted=False)
                else:
                    self.sql(f"{command} {table}", wanted=False)

    def _parked_maintenance(self, lasts, sync, chooser):
        self.sql(chooser.choice(["VACUUM", "VACUUM FULL", "REINDEX TABLE", "ANALYZE",
                                 "REINDEX TABLE CONCURRENTLY"]) + " polyglot.parked_key",
                 wanted=False)

    def _table_maintenance(self, lasts, sync, chooser):
        self.sql(chooser.choice(["VACUUM", "ANALYZE", "REINDEX TABLE"]) + " " + sync, wanted=False)

    def _checkpoint(self, lasts, sync, chooser):
        self.sql("CHECKPOINT", wanted=False)

    def _held(self, statement, lasts, commit=True):
        try:
            with self.db.connect(autocommit=False) as session:
                session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                session.execute(statement)
                time.sleep(lasts * 3)
                if not commit:
                    session.rollback()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.db.pg.wait_until_up()

    def _long_snapshot(self, lasts, sync, chooser):
        self._held("SELECT count(*) FROM scratch", lasts)

    def _pinned_queue(self, lasts, sync, chooser):
        """An open transaction that has written events keeps the queue from being emptied."""
        key = chooser.randrange(10**12, 10**13)
        self._held("SET LOCAL polyglot_sync.capture_buffer = '8kB'; INSERT INTO numbers"
                   f" SELECT {key} + i, 1 FROM generate_series(1, 2000) i", lasts,
                   chooser.random() < 0.5)

    def _start_search(self):
        """A node of 512 MB that is met by documents of 60 MB when it comes up may end at once."""
        for _ in range(3):
            try:
                return self.search.start(START_TIMEOUT)
            except RuntimeError:
                self.search.kill()
        return self.search.start(START_TIMEOUT)

    def start_search_if_ended(self):
        if self.search.pid is not None and processes.is_alive(self.search.pid):
            return
        print(f"the search server had ended:\n{self.search.describe()}", flush=True)
        self._start_search()

    def heal(self):
        """Everything back to normal."""
        if self.db.pg.pid is None:
            self.db.pg.start()
        self.db.pg.wait_until_up()
        self.start_search_if_ended()
        self.proxy.heal()
        for name in ("cluster.blocks.read_only", "indices.breaker.total.limit"):
            self._set_cluster(name, None)
        self.sql("SELECT polyglot.start_workers()::text")
        self.sql("ALTER SERVER search OPTIONS (" + ", ".join(
            f"SET {name} '{values[0]}'" for name, values in SERVER_OPTIONS.items()) + ")")
        for name, in self.sql("SELECT sync FROM polyglot.syncs"):
            for block in ("write", "read_only_allow_delete"):
                self._set(name, block, None)
            self.ask("POST", f"/{self.db.index(name)}/_open")
            self.sql("SELECT polyglot.resume_sync(%s)::text", (name,))


def described(error):
    return error.read(500) if isinstance(error, urllib.error.HTTPError) else ""
