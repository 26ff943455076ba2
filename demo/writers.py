"""Applications that keep committing whatever happens to the search server."""

import random
import threading
import time

WORDS = ("fast slow tiny huge robust obscure friendly documented abandoned lovely broken stable "
         "portable elegant").split()


class Writers:
    """Threads that commit small transactions at a steady pace and time each one."""

    def __init__(self, pg, names, threads=4, per_second=50):
        self.pg, self.names, self.pause = pg, names, 1 / per_second
        self.latencies, self.errors = [], []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(seed,), daemon=True)
                        for seed in range(threads)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def take_latencies(self):
        """Milliseconds of the transactions committed since the last call."""
        taken, self.latencies = self.latencies, []
        return taken

    def _write(self, seed):
        chooser = random.Random(seed)
        session = self.pg.connect("demo", autocommit=False)
        while not self.ended.wait(self.pause):
            started = time.perf_counter()
            try:
                self._transaction(session, chooser)
                session.commit()
            except Exception as error:  # any failure of a writer is what the demo must show
                self.errors.append(str(error))
                session.rollback()
            self.latencies.append((time.perf_counter() - started) * 1000)

    def _transaction(self, session, chooser):
        name = chooser.choice(self.names)
        kind = chooser.random()
        if kind < 0.5:
            session.execute("UPDATE packages SET installs = installs + 1, updated_at = now()"
                            " WHERE name = %s", (name,))
        elif kind < 0.85:
            body = " ".join(chooser.choices(WORDS, k=8))
            session.execute("INSERT INTO reviews (package, stars, body) VALUES (%s, %s, %s)",
                            (name, chooser.randrange(10, 51) / 10, body))
        elif kind < 0.95:
            session.execute("DELETE FROM reviews WHERE id = (SELECT id FROM reviews ORDER BY id"
                            " FOR UPDATE SKIP LOCKED LIMIT 1)")
        else:
            session.execute("UPDATE packages SET summary = summary || '!', tags = tags || '{hot}'"
                            " WHERE name = %s", (name,))
