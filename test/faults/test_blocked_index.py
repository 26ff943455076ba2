"""One index that takes no writes holds nobody up: `lag` of nine syncs beside it stays small."""

import math
import threading
import time

import pytest

import processes

SECONDS = 60
BLOCKED = "t0"
TABLES = [f"t{number}" for number in range(10)]


class SteadyWriter:
    """Changes a few rows of every table, ten times a second, until it is told to end."""

    def __init__(self, db):
        self.db, self.commits, self.error = db, 0, None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            with self.db.connect() as session:
                while not self.ended.wait(0.1):
                    session.execute("".join(
                        f"UPDATE {table} SET v = '{self.commits}' WHERE id % 100 = {self.commits % 100};"
                        for table in TABLES))
                    self.commits += 1
        except Exception as error:  # seen by whoever stops the writer
            self.error = error

    def stop(self):
        self.ended.set()
        self.thread.join(60)
        assert self.error is None, self.error


@pytest.fixture
def ten(db):
    for table in TABLES:
        db.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v text);"
                   f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, 500) i")
        db.create_sync(table)
    db.wait()
    return db


def sample_lags(db):
    """Seconds of lag of each sync beside the blocked one, once a second, while that stays blocked."""
    lags = []
    with db.connect() as session:
        for _ in range(SECONDS):
            time.sleep(1)
            rows = session.execute("SELECT sync, state, lag FROM polyglot.status").fetchall()
            assert len(rows) == len(TABLES)
            for sync, state, lag in rows:
                assert state == ("blocked" if sync == BLOCKED else "streaming"), rows
                if sync != BLOCKED:
                    lags.append(lag.total_seconds())
    return sorted(lags)


def test_nine_syncs_keep_their_lag_beside_a_blocked_one(ten):
    client = ten.search.client()
    client.indices.put_settings(index=ten.index(BLOCKED), body={"index.blocks.write": True})
    writer = SteadyWriter(ten)
    try:
        ten.wait_for_state(BLOCKED, "blocked")
        processes.wait_for(lambda: ten.status(BLOCKED)["parked"] > 0, "parked keys")
        lags = sample_lags(ten)
    finally:
        writer.stop()
    p99 = lags[math.ceil(0.99 * len(lags)) - 1]
    print(f"lag beside a blocked index: p50 {lags[len(lags) // 2]:.3f} s, p99 {p99:.3f} s,"
          f" most {lags[-1]:.3f} s; {len(lags)} samples, {writer.commits} commits of"
          f" {len(TABLES)} × 5 rows")
    client.indices.put_settings(index=ten.index(BLOCKED), body={"index.blocks.write": None})
    ten.execute("SELECT polyglot.run_sync()")
    ten.wait()
    for table in TABLES:
        ten.assert_equal(table, wait=False)
    assert p99 <= 10
