"""Generations of an index, as searches and the search server see them."""

import threading
from datetime import datetime, timezone

import psycopg

import processes


def indexes(db):
    """Physical indexes of this database → their aliases, without the prefix."""
    found = db.search.client().indices.get_alias(index=db.prefix + "*")
    return {name.removeprefix(db.prefix): [alias.removeprefix(db.prefix) for alias in entry["aliases"]]
            for name, entry in found.items()}


def only_index(db, number, name="t"):
    """Exactly this generation is left, and the alias points to it."""
    expected = {f"{name}-{number:06d}": [name]}
    processes.wait_for(lambda: indexes(db) == expected, lambda: f"{expected}, found {indexes(db)}", 180)


def generation(db, name="t"):
    return db.value("SELECT generation FROM polyglot.syncs WHERE sync = %s", (name,))


def wait_for_generation(db, number, name="t", timeout=180):
    processes.wait_for(lambda: generation(db, name) == number and db.status(name)["state"] == "streaming",
                       lambda: f"generation {number}: {generation(db, name)}, {db.status(name)}",
                       timeout)


class Searcher:
    """Searches through the alias all the time; what it must never see is a failure of the test."""

    def __init__(self, db, query=None, wrong=lambda count: None, name="t"):
        self.client, self.index, self.query, self.wrong = db.search.client(), db.index(name), query, wrong
        self.ended, self.counts, self.problem = threading.Event(), [], None
        self.thread = threading.Thread(target=self.run)

    def look(self):
        """One search; what it finds goes to `counts` and is judged by `wrong`."""
        body = {"query": self.query} if self.query else None
        return self.client.count(index=self.index, body=body)["count"]

    def run(self):
        while not self.ended.wait(0.01):  # the machine is the servers' too
            try:
                count = self.look()
            except Exception as error:  # a missing index, a shard that is not there
                self.problem = f"{datetime.now(timezone.utc)}: {error!r}"
                return
            self.counts.append(count)
            problem = self.wrong(count)
            if problem:
                self.problem = f"{problem}: {self.counts[-10:]}"
                return

    def __enter__(self):
        self.thread.start()
        processes.wait_for(lambda: self.counts or self.problem, "a first search")
        return self

    def __exit__(self, kind, value, traceback):
        self.ended.set()
        self.thread.join()
        assert self.problem is None, self.problem


class GapSearcher(Searcher):
    """For an index that somebody deletes: that it, or the alias, is not there counts as None."""

    def __init__(self, db, deleted, **more):
        super().__init__(db, **more)
        self.deleted = db.index(deleted)

    def look(self):
        try:
            found = self.client.count(index=self.index, ignore_unavailable=True)
        except Exception as error:
            # It went while it was searched: it is named, or there is no shard that could be.
            if self.deleted in repr(error) or "'failed_shards': []" in repr(error):
                return None
            raise
        return found["count"] if found["_shards"]["total"] else None


def never_fewer():
    """Only inserts: no search may find fewer than one before."""
    most = [0]

    def wrong(count):
        if count < most[0]:
            return f"{count} after {most[0]}"
        most[0] = count
    return wrong


class Writer:
    """Runs a statement again and again, with a number that rises."""

    def __init__(self, db, statement):
        self.db, self.statement, self.ended, self.number = db, statement, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.is_set():
            try:
                with self.db.connect() as session:
                    while not self.ended.is_set():
                        self.number += 1
                        session.execute(self.statement, {"n": self.number})
                        self.ended.wait(0.002)
            except psycopg.OperationalError:
                self.ended.wait(0.1)

    def __enter__(self):
        self.thread.start()
        processes.wait_for(lambda: self.number > 100, "writes")
        return self

    def __exit__(self, kind, value, traceback):
        self.ended.set()
        self.thread.join()
