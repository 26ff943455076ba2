"""Syncs of which one has an index that answers late or not at all, and the `lag` of the others."""

import math
import threading
import time

import processes

MOST_LAG = 2.0  # seconds, what a sync may lag because of an index that is not its own


class SteadyWriter:
    """Changes a few rows of every table, ten times a second, until it is told to end."""

    def __init__(self, db, tables):
        self.db, self.tables, self.commits, self.error = db, tables, 0, None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            with self.db.connect() as session:
                while not self.ended.wait(0.1):
                    session.execute("".join(
                        f"UPDATE {table} SET v = '{self.commits}' WHERE id % 100 = {self.commits % 100};"
                        for table in self.tables))
                    self.commits += 1
        except Exception as error:  # seen by whoever stops the writer
            self.error = error

    def stop(self):
        self.ended.set()
        self.thread.join(60)
        assert self.error is None, self.error


def create(db, tables, rows=500):
    for table in tables:
        db.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v text);"
                   f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, {rows}) i")
        db.create_sync(table)
    db.wait()


def sample_lags(db, bad, seconds, every=0.25):
    """Lag in seconds of each sync that is not one of `bad`, sorted; and the last state of each."""
    lags, end = [], time.monotonic() + seconds
    with db.connect() as session:
        while time.monotonic() < end:
            time.sleep(every)
            rows = session.execute("SELECT sync, state, lag FROM polyglot.status").fetchall()
            for sync, state, lag in rows:
                if sync not in bad:
                    lags.append(lag.total_seconds())
    assert all(state == "streaming" for sync, state, _ in rows if sync not in bad), rows
    return sorted(lags), {sync: state for sync, state, _ in rows}


def describe(lags):
    p99 = lags[math.ceil(0.99 * len(lags)) - 1]
    return (f"lag of the others: p50 {lags[len(lags) // 2]:.3f} s, p99 {p99:.3f} s, most"
            f" {lags[-1]:.3f} s; {len(lags)} samples")


def wait_for_error(db, sync, words, timeout=10):
    processes.wait_for(lambda: any(word in (db.status(sync)["last_error"] or "") for word in words),
                       lambda: db.status(sync), timeout)


def catch_up(db, tables):
    db.execute("SELECT sync FROM polyglot.run_sync()")
    db.wait(timeout="300s")
    for table in tables:
        db.assert_equal(table, wait=False)
