"""pgbench as a load of a given rate that runs beside a test."""

import signal
import subprocess
import time

import processes
from postgres import SUPERUSER


class Load:
    """Runs scripts, {text: weight}, or without any the TPC-B-like one, at `rate` transactions a
    second (None: as many as it can) until it is left.

    What it achieved is counted by PostgreSQL, as rows written to `table`.
    """

    def __init__(self, db, scripts, table, rate=None, clients=4):
        self.db, self.table, self.clients = db, table, clients
        folder = processes.work_folder() / f"pgbench-{db.name}"
        folder.mkdir(exist_ok=True)
        self.output = folder / "output"
        self.words = ["-n", "-c", str(clients), "-j", "1", "-T", "36000", "-M", "prepared",
                      "--max-tries", "100"]  # of a deadlock's victim
        if rate:
            self.words += ["-R", str(rate)]
        for number, (text, weight) in enumerate(scripts.items()):
            script = folder / f"{number}.sql"
            script.write_text(text)
            self.words += ["-f", f"{script}@{weight}"]
        processes.own(folder)

    def written(self):
        return self.db.value("SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
                             " WHERE relid = %s::regclass", (self.table,))

    def rate(self):
        """Rows written a second since the load began."""
        return (self.written() - self.before) / (time.monotonic() - self.began)

    def is_running(self):
        return self.process.poll() is None

    def __enter__(self):
        self.before, self.began = self.written(), time.monotonic()
        pg = self.db.pg
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                [pg.bin / "pgbench", "-h", pg.folder, "-p", str(pg.port), "-U", SUPERUSER, *self.words,
                 self.db.name], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                **processes.unprivileged())
        processes.register(self.process.pid)
        processes.wait_for(lambda: self.written() > self.before or not self.is_running(),
                           "writes of pgbench")
        return self

    def __exit__(self, kind, value, traceback):
        was_running = self.is_running()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        processes.forget(self.process.pid)
        assert was_running, "pgbench has ended: " + self.output.read_text()
        processes.wait_for(lambda: not self.db.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'"),
            "the end of its sessions")
