"""The tables of the torture and their writers: the end-to-end suite's, and large rows, long keys."""

import threading
import uuid

import mixed_writers
import torture_definitions
from mixed_writers import MixedWriters

SCHEMA = mixed_writers.SCHEMA + """;
CREATE TABLE texts (tenant text, name text, body text, facts jsonb, PRIMARY KEY (tenant, name));
ALTER TABLE texts ALTER body SET STORAGE EXTERNAL;
CREATE TABLE routed (id bigint, region text, tenant text NOT NULL, v integer,
  PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE routed_a PARTITION OF routed FOR VALUES IN ('a');
CREATE TABLE routed_b PARTITION OF routed FOR VALUES IN ('b');
""" + torture_definitions.SCHEMA
SYNCS = {
    **mixed_writers.SYNCS,
    "texts": ({}, {"key": ["tenant", "name"]}),
    "routed": ({"routing": "tenant"}, {"key": ["id", "region"], "routing": "tenant"}),
    **torture_definitions.SYNCS,
}


class TortureWriters(MixedWriters):
    """As MixedWriters; a pause slows all of them so that a run's cost is bounded."""

    def __init__(self, db, writers, seed, pause):
        self.pause = pause
        self.sessions = {}
        super().__init__(db, writers, seed)

    def _transaction(self, session, number, chooser):
        if self.sessions.get(number) is not session:
            self._decide_prepared(session, number)
            self.sessions[number] = session
        if chooser.random() < 0.25:
            kind = chooser.choice([self._large, self._text_key, self._routed, self._routed_key,
                                   self._typed, self._owned, self._orders])
            kind(session, self._own_id(number, chooser), number, chooser)
        else:
            super()._transaction(session, number, chooser)
        self.ended.wait(self.pause)

    def _decide_prepared(self, session, number):
        """As a coordinator does after a crash: they would hold their locks for ever."""
        for name, in session.execute("SELECT gid FROM pg_prepared_xacts WHERE database ="
                                     " current_database() AND gid LIKE %s", (f"{number}-%",)):
            session.execute(f"COMMIT PREPARED '{name}'")

    def _two_phases(self, session, key, number, chooser):
        name = f"{number}-{uuid.uuid4().hex}"
        with session.transaction():
            session.execute("INSERT INTO items VALUES (%s, %s, 'two phases') ON CONFLICT (id)"
                            " DO UPDATE SET name = 'prepared'", (key, number))
            session.execute(f"PREPARE TRANSACTION '{name}'")
        if chooser.random() < 0.3:
            self.ended.wait(chooser.random())  # while it is prepared, the others go on
        end = "COMMIT" if chooser.random() < 0.8 else "ROLLBACK"
        session.execute(f"{end} PREPARED '{name}'")

    def _large(self, session, key, number, chooser):
        """Bodies of up to 200 kB, out of line."""
        session.execute("INSERT INTO texts VALUES (%s, 'large ' || %s, repeat(%s, %s), '{}')"
                        " ON CONFLICT (tenant, name) DO UPDATE SET body = excluded.body,"
                        " facts = jsonb_build_object('was', length(texts.body))",
                        (f"t{number}", key % 40, chooser.choice("xyzäß"),
                         chooser.choice([10, 3000, 50_000, 100_000])))

    def _text_key(self, session, key, number, chooser):
        name = chooser.choice(["a,b", "a\\b", "ü", "~x", "", "k" * 300]) + str(key % 100)
        session.execute("INSERT INTO texts VALUES (%s, %s, 'body', %s) ON CONFLICT (tenant, name)"
                        " DO UPDATE SET facts = excluded.facts", (f"t,{number}", name,
                                                                  f'{{"n": {key}}}'))
        if chooser.random() < 0.3:
            session.execute("UPDATE texts SET name = name || '!' WHERE tenant = %s AND name = %s"
                            " AND NOT EXISTS (SELECT FROM texts t WHERE t.tenant = %s"
                            " AND t.name = %s)", (f"t,{number}", name, f"t,{number}", name + "!"))
        elif chooser.random() < 0.3:
            session.execute("DELETE FROM texts WHERE tenant = %s AND name = %s",
                            (f"t,{number}", name))

    def _routed(self, session, key, number, chooser):
        session.execute("INSERT INTO routed VALUES (%s, %s, %s, 1) ON CONFLICT (id, region) DO"
                        " UPDATE SET tenant = excluded.tenant, v = routed.v + 1",
                        (key % 400 * self.count + number, chooser.choice("ab"),
                         f"tenant {chooser.randrange(7)}"))

    def _routed_key(self, session, key, number, chooser):
        key = key % 400 * self.count + number
        session.execute("UPDATE routed r SET region = translate(region, 'ab', 'ba') WHERE id = %s"
                        " AND (SELECT count(*) FROM routed o WHERE o.id = r.id) = 1", (key,))
        if chooser.random() < 0.3:
            session.execute("DELETE FROM routed WHERE id = %s", (key,))

    def _typed(self, session, key, number, chooser):
        """Literals, which fit a key of any type."""
        name = key % 200 * self.count + number
        session.execute(f"INSERT INTO typed VALUES ('{name}', {key}) ON CONFLICT (id) DO UPDATE"
                        " SET v = excluded.v")
        if chooser.random() < 0.3:
            session.execute(f"DELETE FROM typed WHERE id = '{name}'")

    def _owned(self, session, key, number, chooser):
        session.execute("INSERT INTO owned VALUES (%s, 'a', 1) ON CONFLICT (id, region) DO UPDATE"
                        " SET v = owned.v + 1", (key % 400 * self.count + number,))

    def _orders(self, session, key, number, chooser):
        session.execute("INSERT INTO orders VALUES (%s, %s) ON CONFLICT (id) DO UPDATE"
                        " SET customer = excluded.customer",
                        (key % 400 * self.count + number, chooser.randrange(100)))
