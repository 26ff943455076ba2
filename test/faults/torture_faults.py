"""The faults of the torture: what can happen to a worker, its server, the network, PostgreSQL."""

import random
import time

import psycopg

import fault_proxy
import processes

SYNC_KINDS = ("write block", "index deleted", "pause", "run_sync", "requeue")
KINDS = ("search killed", "search stopped", "search restarted", "worker terminated",
         "worker killed", "postgres immediate", "proxy", "proxy refused", "proxy reset",
         "queue maintenance", "launcher terminated", *SYNC_KINDS)
# Cheap ones come often, those that take seconds to heal seldom.
WEIGHT = {"search killed": 0.3, "search restarted": 0.15, "worker killed": 0.5,
          "postgres immediate": 0.3, "launcher terminated": 0.4, "index deleted": 0.5,
          "search stopped": 0.7, "proxy": 6, "proxy reset": 3, "proxy refused": 2,
          "write block": 2, "pause": 2, "run_sync": 2, "worker terminated": 1}


def schedule(seed, seconds, wanted, syncs):
    """(second, kind, seconds that it lasts, seed of its details), all from the seed alone."""
    chooser = random.Random(f"faults {seed}")
    kinds = sorted(wanted)
    weights = [WEIGHT.get(kind, 1) for kind in kinds]
    second, planned = 2.0, []
    while second < seconds:
        kind = chooser.choices(kinds, weights)[0]
        planned.append((round(second, 2), kind, round(chooser.uniform(0.3, 4), 2),
                        chooser.choice(sorted(syncs)), chooser.randrange(10**9)))
        second += chooser.uniform(0.5, 4.5)
    return planned


class Faults:
    """Does one fault at a time and takes it back after its time."""

    def __init__(self, db, search, proxy):
        self.db, self.search, self.proxy = db, search, proxy
        self.done, self.caused_deaths = {}, 0

    def run(self, kind, lasts, sync, seed):
        chooser = random.Random(seed)
        getattr(self, "_" + kind.replace(" ", "_"))(lasts, sync, chooser)
        self.done[kind] = self.done.get(kind, 0) + 1

    def sql(self, statement, parameters=None):
        """A statement that may meet a PostgreSQL that is just recovering."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return self.db.query(statement, parameters)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _workers(self):
        return self.db.pg.server_processes("polyglot_sync worker")

    def _search_killed(self, lasts, sync, chooser):
        self.search.kill()
        time.sleep(lasts)
        self.search.start()

    def _search_restarted(self, lasts, sync, chooser):
        self.search.restart()

    def _search_stopped(self, lasts, sync, chooser):
        self.search.suspend()
        time.sleep(lasts * 2)
        self.search.resume()

    def _worker_terminated(self, lasts, sync, chooser):
        for pid in self._workers():
            self.sql("SELECT pg_terminate_backend(%s)::text", (pid,))

    def _launcher_terminated(self, lasts, sync, chooser):
        for pid in self.db.pg.server_processes("polyglot_sync launcher"):
            self.sql("SELECT pg_terminate_backend(%s)::text", (pid,))

    def _worker_killed(self, lasts, sync, chooser):
        for pid in self._workers()[:1]:
            self.db.pg.kill(pid)
        self.db.pg.wait_until_up()

    def _postgres_immediate(self, lasts, sync, chooser):
        self.db.pg.restart("immediate")

    def _proxy(self, lasts, sync, chooser):
        name, fault = fault_proxy.random_fault(chooser)
        self.done[name] = self.done.get(name, 0) + 1
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

    def _block(self, index, blocked):
        try:
            self.search.request("PUT", f"/{index}/_settings", {"index.blocks.write": blocked})
        except OSError as error:  # the index is missing for a moment
            if getattr(error, "code", 0) != 404:
                raise

    def _write_block(self, lasts, sync, chooser):
        self._block(self.db.index(sync), True)
        time.sleep(lasts)
        self._block(self.db.index(sync), None)

    def _index_deleted(self, lasts, sync, chooser):
        try:
            for index in self.search.request("GET", f"/{self.db.index(sync)}/_alias"):
                self.search.request("DELETE", f"/{index}")
        except OSError as error:
            if getattr(error, "code", 0) != 404:
                raise

    def _pause(self, lasts, sync, chooser):
        self.sql("SELECT polyglot.pause_sync(%s)::text", (sync,))
        time.sleep(lasts)
        self.sql("SELECT polyglot.resume_sync(%s)::text", (sync,))

    def _run_sync(self, lasts, sync, chooser):
        self.sql("SELECT sync FROM polyglot.run_sync(%s, '1s')", (sync,))

    def _requeue(self, lasts, sync, chooser):
        self.sql("SELECT polyglot.requeue()")

    def _queue_maintenance(self, lasts, sync, chooser):
        command = chooser.choice(["VACUUM", "VACUUM FULL", "VACUUM (FREEZE)", "ANALYZE"])
        for pair in self.sql("SELECT table_a::regclass::text, table_b::regclass::text"
                             " FROM polyglot.queue"):
            for table in pair:
                self._maintain(f"{command} {table}")

    def _maintain(self, statement):
        try:
            self.db.execute(statement)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.db.pg.wait_until_up()  # it is repeated by a later fault

    def heal(self):
        if self.db.pg.pid is None:
            self.db.pg.start()
        self.db.pg.wait_until_up()
        if self.search.pid is None or not processes.is_alive(self.search.pid):
            self.search.start()
        self.proxy.heal()
        for name, in self.sql("SELECT sync FROM polyglot.status"):
            self._block(self.db.index(name), None)
            self.sql("SELECT polyglot.resume_sync(%s)::text", (name,))
