"""Faults of the torture that are people's ordinary work on tables: another key type, partitions made by
their owner, large rows, syncs that come and go, migrations of tables that documents look into."""

import time

import psycopg

MEGABYTE = 1 << 20
LARGEST_ROW = 60 * MEGABYTE
ORDINARY = "torture_owner"  # owns a partitioned table, and is nothing else

SCHEMA = f"""
CREATE ROLE {ORDINARY} LOGIN;
GRANT CREATE ON SCHEMA public TO {ORDINARY};
GRANT USAGE ON FOREIGN SERVER search TO {ORDINARY};
CREATE DOMAIN short_number AS bigint CHECK (value < 1000000);
CREATE TABLE typed (id integer PRIMARY KEY, v text);
INSERT INTO typed SELECT i, i FROM generate_series(1, 300) i;
CREATE TABLE owned (id bigint, region text, v integer, PRIMARY KEY (id, region))
  PARTITION BY LIST (region);
CREATE TABLE owned_a PARTITION OF owned FOR VALUES IN ('a');
ALTER TABLE owned OWNER TO {ORDINARY};
ALTER TABLE owned_a OWNER TO {ORDINARY};
CREATE TABLE large (id integer PRIMARY KEY, body text);
CREATE TABLE customers (id integer PRIMARY KEY, name text);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(0, 99) i;
CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL);
INSERT INTO orders SELECT i, i % 100 FROM generate_series(1, 300) i;
CREATE FUNCTION customer_name(integer) RETURNS text LANGUAGE sql STABLE
  AS 'SELECT name FROM public.customers WHERE id = $1'
"""
SYNCS = {
    "typed": ({"mapping": {"properties": {"v": {"type": "integer"}}}}, {}),
    "owned": ({}, {"key": ["id", "region"]}),
    "large": ({"mapping": {"properties": {"body": {"type": "text", "index": False}}}}, {}),
    "orders": ({"document": "jsonb_build_object('id', id, 'name', public.customer_name(customer))"},
               {"document": lambda row: {"id": row["id"], "name": f"customer {row['customer']}"}}),
}
WEIGHTS = {"key type changed": 4, "partition of an ordinary owner": 4, "large row": 2,
           "syncs come and go": 1, "migration of a looked-up table": 5}
KEY_TYPES = ["integer", "bigint", "numeric", "text", "short_number"]


class DefinitionFaults:
    """Beside the other faults; needs their db, sql, ask and create_sync."""

    migrations = 0

    # A key of another type, whatever the sync is doing.

    def _key_type_changed(self, lasts, sync, chooser):
        change = (f"ALTER TABLE typed ALTER id TYPE {{0}} USING id::text::{{0}}"
                  .format(chooser.choice(KEY_TYPES)))
        write = f"UPDATE typed SET v = {chooser.randrange(1000)} WHERE length(v) < 3"
        state = chooser.choice(["as it is", "paused", "parked", "refused", "rebuilding", "at once"])
        getattr(self, "_typed_" + state.replace(" ", "_"))(change, write, lasts)
        self.count(f"key type changed: {state}")

    def _typed_as_it_is(self, change, write, lasts):
        self.sql(change)

    def _typed_at_once(self, change, write, lasts):
        self.sql(f"BEGIN; {write}; SELECT polyglot.requeue('typed'); {change}; {write};"
                 " SELECT polyglot.enqueue('typed', id) FROM typed WHERE length(v) < 2; COMMIT")

    def _typed_paused(self, change, write, lasts):
        self.sql("SELECT polyglot.pause_sync('typed')::text")
        for statement in (write, change, write):
            self.sql(statement)
        time.sleep(lasts)
        self.sql("SELECT polyglot.resume_sync('typed')::text")

    def _typed_parked(self, change, write, lasts):
        self._set("typed", "write", True)
        for statement in (write, change, write):
            self.sql(statement)
            time.sleep(lasts / 3)
        self._set("typed", "write", None)

    def _typed_refused(self, change, write, lasts):
        """Dead letters of keys of both types, which are gone when their rows are right again."""
        for where, statement in (("%", change), ("%5", "")):
            self.sql(f"UPDATE typed SET v = 'no number' WHERE id::text LIKE '{where}7'")
            time.sleep(lasts / 2)
            if statement:
                self.sql(statement)
        self.sql("UPDATE typed SET v = 7 WHERE v = 'no number'")

    def _typed_rebuilding(self, change, write, lasts):
        self.sql("SELECT polyglot.rebuild_sync('typed')::text")
        self.sql(write)
        self.sql(change)

    # A partition that comes and goes by the hand of somebody who owns his table, and no more.

    def _partition_of_an_ordinary_owner(self, lasts, sync, chooser):
        region = chooser.choice("bcd")
        table = f"owned_{region}"
        if self.sql("SELECT to_regclass(%s)", (table,)) != [(None,)]:
            end = chooser.choice([f"DROP TABLE {table}",
                                  f"ALTER TABLE owned DETACH PARTITION {table}; DROP TABLE {table}"])
            return self.sql(end, wanted=False, user=ORDINARY)
        rows = (f"INSERT INTO {table} SELECT i, '{region}', 0 FROM generate_series(1, 50) i"
                " ON CONFLICT DO NOTHING")
        attached = f"ATTACH PARTITION {table} FOR VALUES IN ('{region}')"
        made = chooser.choice([
            f"CREATE TABLE {table} PARTITION OF owned FOR VALUES IN ('{region}'); {rows}",
            f"CREATE TABLE {table} (LIKE owned INCLUDING ALL); {rows}; ALTER TABLE owned {attached}",
            f"CREATE TABLE {table} PARTITION OF owned FOR VALUES IN ('{region}')"
            f" PARTITION BY HASH (id); CREATE TABLE {table}_0 PARTITION OF {table}"
            f" FOR VALUES WITH (MODULUS 1, REMAINDER 0); {rows}"])
        self.sql(made, wanted=False, user=ORDINARY)

    # Rows of some bytes to 60 MB.

    def _large_row(self, lasts, sync, chooser):
        size = chooser.choice([100, MEGABYTE, 8 * MEGABYTE, 25 * MEGABYTE, LARGEST_ROW])
        key = chooser.randrange(2, 5) if size <= MEGABYTE else 1
        self.sql("INSERT INTO large VALUES (%s, repeat(%s, %s)) ON CONFLICT (id) DO UPDATE"
                 " SET body = excluded.body", (key, chooser.choice("xyz"), size))
        time.sleep(lasts)
        if chooser.random() < 0.7:  # not too much for the comparison at the end of each round
            self.sql("UPDATE large SET body = left(body, 1000) WHERE id = %s", (key,))

    # Syncs that come and go.

    def _syncs_come_and_go(self, lasts, sync, chooser):
        names = [f"passing_{number}" for number in range(chooser.randrange(3, 12))]
        for name in names:
            self.sql(f"CREATE TABLE IF NOT EXISTS {name} (id integer PRIMARY KEY, v text);"
                     f"INSERT INTO {name} SELECT i, 'row' FROM generate_series(1, 20) i"
                     " ON CONFLICT DO NOTHING")
            self._make_passing(name)
        time.sleep(lasts)
        for name in names:
            if chooser.random() < 0.5:
                self.sql("SELECT polyglot.drop_sync(sync, drop_index => true)::text"
                         " FROM polyglot.syncs WHERE sync = %s", (name,))
            self.sql(f"DROP TABLE IF EXISTS {name}")
        for name in names:  # a dropped table leaves its index
            for index in self.ask("GET", f"/{self.db.index(name)}-*/_alias") or []:
                self.ask("DELETE", f"/{index}", repeated=(403,))  # another lane has blocked the cluster

    def _make_passing(self, name):
        deadline = time.monotonic() + 180
        while not self.sql("SELECT 1 FROM polyglot.syncs WHERE sync = %s", (name,)):
            try:
                self.db.create_sync(name)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if time.monotonic() > deadline:
                    raise

    # A migration locks what documents look into, then the table itself, or the other way round.

    def _migration_of_a_looked_up_table(self, lasts, sync, chooser):
        tables = chooser.choice([("customers", "orders"), ("orders", "customers")])
        number = self.migrations = self.migrations + 1
        try:
            with self.db.connect(autocommit=False) as session:
                for table in tables:
                    session.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                    time.sleep(lasts / 2)
                session.execute(f"ALTER TABLE customers ADD COLUMN IF NOT EXISTS c{number} integer,"
                                f" DROP COLUMN IF EXISTS c{number - 1}")
        except psycopg.errors.DeadlockDetected as error:
            self.broken.append(f"a migration was the victim of a deadlock: {error}")
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.db.pg.wait_until_up()
