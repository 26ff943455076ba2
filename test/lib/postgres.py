"""Private PostgreSQL clusters with the extension's library preloaded."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import psycopg

import processes

PG_CONFIG = os.environ.get("PG_CONFIG", "/usr/lib/postgresql/15/bin/pg_config")
SUPERUSER = "postgres"


def bin_folder() -> pathlib.Path:
    done = subprocess.run([PG_CONFIG, "--bindir"], capture_output=True, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


class Postgres:
    """One cluster on loopback and a socket of its own. `killed` counts processes a test killed."""

    def __init__(self, name="pg", preload=True, settings=None, folder=None, port=None):
        self.bin = bin_folder()
        self.folder = pathlib.Path(folder or processes.work_folder() / name)
        self.data = self.folder / "data"
        self.port = port or processes.free_port()
        self.log_file = self.folder / "log"
        self.killed = 0
        self.pid = None
        if not self.data.exists():
            self._initialise(preload, settings or {})

    def _initialise(self, preload: bool, settings: dict) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        processes.own(self.folder)
        processes.run([self.bin / "initdb", "-D", self.data, "-U", SUPERUSER, "-A", "trust",
                       "-E", "UTF8", "--no-locale", "--no-sync"])
        lines = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": str(self.folder), "wal_level": "logical",
            "max_prepared_transactions": 20, "max_worker_processes": 32,
            "max_replication_slots": 20, "max_wal_senders": 20, "max_connections": 60,
            "shared_buffers": "128MB", "max_wal_size": "2GB", "log_line_prefix": "%m [%p] %b ",
            "timezone": "UTC", "log_timezone": "UTC", "fsync": "on",
            **({"shared_preload_libraries": "polyglot_sync"} if preload else {}),
            **settings,
        }
        with open(self.data / "postgresql.conf", "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())

    def configure(self, **settings) -> None:
        """Settings of the file; they take effect at the next start or reload."""
        with open(self.data / "postgresql.conf", "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> "Postgres":
        processes.run([self.bin / "pg_ctl", "-D", self.data, "-l", self.log_file, "-w", "-t", "120",
                       "start", "-s"])
        self.pid = int((self.data / "postmaster.pid").read_text().split()[0])
        processes.register(self.pid)
        return self

    def stop(self, mode="fast") -> None:
        if self.pid is None:
            return
        processes.run([self.bin / "pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "120", "stop",
                       "-s"])
        processes.forget(self.pid)
        self.pid = None

    def restart(self, mode="fast") -> None:
        self.stop(mode)
        self.start()

    def reload(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def dsn(self, database="postgres", user=SUPERUSER) -> str:
        return f"host={self.folder} port={self.port} dbname={database} user={user}"

    def connect(self, database="postgres", user=SUPERUSER, autocommit=True, **more):
        return psycopg.connect(self.dsn(database, user), autocommit=autocommit, **more)

    def execute(self, statement, parameters=None, database="postgres", user=SUPERUSER) -> None:
        """One statement, or several without parameters, each call in a session of its own."""
        with self.connect(database, user) as session:
            session.execute(statement, parameters)

    def query(self, statement, parameters=None, database="postgres", user=SUPERUSER) -> list:
        with self.connect(database, user) as session:
            return session.execute(statement, parameters).fetchall()

    def value(self, statement, parameters=None, database="postgres", user=SUPERUSER):
        """The first column of the first row; None when there is none."""
        rows = self.query(statement, parameters, database, user)
        return rows[0][0] if rows else None

    def program(self, name: str, *words, database=None):
        """psql, pg_dump, vacuumdb …; returns what it printed."""
        target = [] if database is None else ["-d", database]
        return processes.run([self.bin / name, "-h", self.folder, "-p", self.port, "-U", SUPERUSER,
                              *target, *words]).stdout

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def is_up(self) -> bool:
        try:
            self.value("SELECT 1")
            return True
        except psycopg.OperationalError:
            return False

    def wait_until_up(self, timeout=120.0) -> None:
        """After a crash that PostgreSQL recovers from by itself."""
        processes.wait_for(self.is_up, "PostgreSQL accepts connections", timeout)

    def server_processes(self, kind: str) -> list:
        """Pids of this cluster's background processes whose title holds `kind`."""
        found = []
        for pid in processes.children_of(self.pid):
            try:
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:
                continue
            if kind in title:
                found.append(pid)
        return found

    def kill(self, pid: int) -> None:
        """kill -9 of one server process: PostgreSQL then restarts all of them."""
        self.killed += 1
        processes.end(pid, signal.SIGKILL)

    def destroy(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def main(words: list) -> int:
    """postgres.py run FOLDER COMMAND…: a command as the service user beside a new cluster."""
    if words[:1] != ["run"] or len(words) < 3:
        sys.exit(main.__doc__)
    cluster = Postgres(folder=words[1]).start()
    environment = {**os.environ, "HOME": "/tmp", "PGHOST": str(cluster.folder),
                   "PGPORT": str(cluster.port), "PGUSER": SUPERUSER,
                   "PATH": f"{cluster.bin}:{os.environ['PATH']}"}
    arguments = {**processes.unprivileged(), "cwd": os.getcwd()}
    code = subprocess.run(words[2:], stdin=subprocess.DEVNULL, env=environment,
                          **arguments).returncode
    cluster.stop("immediate")
    crashes = [line for line in cluster.log().splitlines()
               if re.search("terminated by signal|PANIC:|TRAP:", line)]
    print("\n".join(crashes))
    return code or len(crashes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
