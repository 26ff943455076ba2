"""Writers of every kind of statement, each on keys of its own (id modulo the number of writers)."""

import random
import threading
import time
import uuid

import psycopg

SCHEMA = """
CREATE TABLE items (id bigint PRIMARY KEY, writer integer NOT NULL, name text, amount numeric(12,2),
  tags text[], facts jsonb, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE parts (id bigint PRIMARY KEY, item bigint REFERENCES items
  ON DELETE CASCADE ON UPDATE CASCADE, v text);
CREATE TABLE regions (id bigint, region text, v integer, PRIMARY KEY (id, region))
  PARTITION BY LIST (region);
CREATE TABLE regions_a PARTITION OF regions FOR VALUES IN ('a');
CREATE TABLE regions_b PARTITION OF regions FOR VALUES IN ('b');
CREATE TABLE tenants (id bigint PRIMARY KEY, tenant text NOT NULL, v integer);
CREATE TABLE scratch (id bigint PRIMARY KEY, v text);
CREATE TABLE numbers (k numeric PRIMARY KEY, v integer);
INSERT INTO items SELECT i, i % 4, 'item ' || i, i, '{a,b}', '{"x": 1}'
  FROM generate_series(1, 5000) i;
INSERT INTO tenants SELECT i, 'tenant ' || i % 5, i FROM generate_series(1, 2000) i
"""
# table → arguments of create_sync, arguments of the comparison
SYNCS = {
    "items": ({}, {}),
    "parts": ({}, {}),
    "regions": ({}, {"key": ["id", "region"]}),
    "tenants": ({"routing": "tenant"}, {"routing": "tenant"}),
    "scratch": ({}, {}),
    "numbers": ({}, {"key": ["k"]}),
}
CONNECTION_LOST = (psycopg.OperationalError, psycopg.InterfaceError)


class MixedWriters:
    """Runs until stop(); counts commits; errors holds what was no lost connection."""

    def __init__(self, db, writers=4, seed=1):
        self.db, self.count = db, writers
        self.committed = [0] * writers
        self.lost_connections, self.errors, self.slowest = 0, [], 0.0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n, seed * 100 + n), daemon=True)
                        for n in range(writers)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def _run(self, number, seed):
        chooser = random.Random(seed)
        while not self.ended.is_set():
            try:
                with self.db.connect() as session:
                    while not self.ended.is_set():
                        begin = time.monotonic()
                        self._transaction(session, number, chooser)
                        self.slowest = max(self.slowest, time.monotonic() - begin)
                        self.committed[number] += 1
            except CONNECTION_LOST as error:
                if isinstance(error, (psycopg.errors.LockNotAvailable, psycopg.errors.DiskFull)):
                    self.errors.append(repr(error))
                self.lost_connections += 1
                self.ended.wait(0.2)
            except Exception as error:  # whatever it is, the test has to show it
                self.errors.append(repr(error))
                self.ended.wait(0.2)

    def _own_id(self, number, chooser):
        return chooser.randrange(1, 2500) * self.count + number

    def _transaction(self, session, number, chooser):
        kinds = [self._insert, self._update, self._delete, self._upsert, self._merge, self._copy,
                 self._key_change, self._cascade, self._partitions, self._routing, self._savepoints,
                 self._two_phases, self._rollback, self._equal_keys, self._several, self._bulk]
        if number == 0:
            kinds.append(self._truncate)
        chooser.choice(kinds)(session, self._own_id(number, chooser), number, chooser)

    def _insert(self, session, key, number, chooser):
        session.execute("INSERT INTO items VALUES (%s, %s, 'new', %s, '{x}', '{}')"
                        " ON CONFLICT DO NOTHING", (key, number, chooser.random() * 100))

    def _update(self, session, key, number, chooser):
        session.execute("UPDATE items SET amount = amount + 1, name = %s WHERE id = %s",
                        (f"name {chooser.random()}", key))

    def _delete(self, session, key, number, chooser):
        session.execute("DELETE FROM items WHERE id = %s", (key,))

    def _upsert(self, session, key, number, chooser):
        session.execute("INSERT INTO items VALUES (%s, %s, 'upsert') ON CONFLICT (id) DO UPDATE"
                        " SET name = 'again', facts = jsonb_build_object('n', items.amount)",
                        (key, number))

    def _merge(self, session, key, number, chooser):
        session.execute("MERGE INTO items USING (VALUES (%s::bigint)) s (id) ON items.id = s.id"
                        " WHEN MATCHED AND items.amount > 50 THEN DELETE"
                        " WHEN MATCHED THEN UPDATE SET name = 'merged'"
                        " WHEN NOT MATCHED THEN INSERT (id, writer, name) VALUES (s.id, %s, 'm')",
                        (key, number))

    def _copy(self, session, key, number, chooser):
        first = 1_000_000 + chooser.randrange(10**9) * 40 + number * 10
        with session.cursor().copy("COPY items (id, writer, name) FROM STDIN") as copy:
            for row in range(10):
                copy.write_row((first + row, number, "copied"))

    def _key_change(self, session, key, number, chooser):
        session.execute("UPDATE items SET id = -id WHERE id = %s AND NOT EXISTS"
                        " (SELECT FROM items WHERE id = -%s)", (key, key))

    def _cascade(self, session, key, number, chooser):
        with session.transaction():
            session.execute("INSERT INTO items VALUES (%s, %s, 'parent') ON CONFLICT DO NOTHING",
                            (key, number))
            session.execute("INSERT INTO parts VALUES (%s, %s, 'part') ON CONFLICT DO NOTHING",
                            (key, key))
        if chooser.random() < 0.5:
            session.execute("DELETE FROM items WHERE id = %s", (key,))

    def _partitions(self, session, key, number, chooser):
        session.execute("INSERT INTO regions VALUES (%s, %s, 1) ON CONFLICT DO NOTHING",
                        (key, chooser.choice("ab")))
        with session.transaction():
            session.execute("DELETE FROM regions_b WHERE id = %s", (key,))
            session.execute("UPDATE regions SET region = 'b', v = v + 1 WHERE id = %s"
                            " AND region = 'a'", (key,))

    def _routing(self, session, key, number, chooser):
        session.execute("INSERT INTO tenants VALUES (%s, %s, 1) ON CONFLICT (id) DO UPDATE"
                        " SET tenant = excluded.tenant, v = tenants.v + 1",
                        (key, f"tenant {chooser.randrange(5)}"))
        if chooser.random() < 0.2:
            session.execute("DELETE FROM tenants WHERE id = %s", (key,))

    def _savepoints(self, session, key, number, chooser):
        with session.transaction():
            session.execute("UPDATE items SET name = 'outer' WHERE id = %s", (key,))
            session.execute("SAVEPOINT s")
            session.execute("DELETE FROM items WHERE id = %s", (key,))
            session.execute("ROLLBACK TO s" if chooser.random() < 0.5 else "RELEASE s")

    def _two_phases(self, session, key, number, chooser):
        name = uuid.uuid4().hex
        with session.transaction():
            session.execute("INSERT INTO items VALUES (%s, %s, 'two phases') ON CONFLICT (id)"
                            " DO UPDATE SET name = 'prepared'", (key, number))
            session.execute(f"PREPARE TRANSACTION '{name}'")
        end = "COMMIT" if chooser.random() < 0.8 else "ROLLBACK"
        session.execute(f"{end} PREPARED '{name}'")

    def _rollback(self, session, key, number, chooser):
        with session.transaction(force_rollback=True):
            session.execute("UPDATE items SET name = 'never' WHERE id = %s", (key,))
            session.execute("DELETE FROM tenants WHERE id = %s", (key,))

    def _equal_keys(self, session, key, number, chooser):
        digits = "0" * chooser.randrange(1, 4)
        session.execute(f"INSERT INTO numbers VALUES ({key}.{digits}, 1) ON CONFLICT (k) DO UPDATE"
                        " SET k = excluded.k, v = numbers.v + 1")

    def _several(self, session, key, number, chooser):
        with session.transaction():
            for _ in range(chooser.randrange(2, 12)):
                other = self._own_id(number, chooser)
                session.execute("INSERT INTO items VALUES (%s, %s, 'several', 1) ON CONFLICT (id)"
                                " DO UPDATE SET amount = items.amount * 1.01", (other, number))

    def _bulk(self, session, key, number, chooser):
        session.execute("UPDATE items SET tags = tags || '{t}' WHERE writer = %s AND id BETWEEN %s"
                        " AND %s + 200 AND coalesce(cardinality(tags), 0) < 20", (number, key, key))

    def _truncate(self, session, key, number, chooser):
        if chooser.random() < 0.2:
            with session.transaction():
                session.execute("TRUNCATE scratch")
                session.execute("INSERT INTO scratch SELECT i, 'reload' FROM generate_series(1, 50) i")
        else:
            session.execute("INSERT INTO scratch VALUES (%s, 'x') ON CONFLICT (id) DO UPDATE"
                            " SET v = scratch.v || 'x'", (key,))


def finish_prepared(db):
    """A crash between the two phases leaves prepared transactions: decide them."""
    for name, in db.query("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
        db.execute(f"COMMIT PREPARED '{name}'")
