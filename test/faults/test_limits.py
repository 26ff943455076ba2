"""Out of memory and a full disk, met by a real worker: limits of a build made for this test only."""

import os
import pathlib
import shutil
import subprocess

import pytest

import postgres
import processes
from conftest import Database, running_cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What knows of the limits; everything else is taken over from the build of the run.
REBUILT = ("src/pg/settings.o", "src/pg/worker/worker.o")


def directory(kind):
    done = subprocess.run([postgres.PG_CONFIG, f"--{kind}"], capture_output=True, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


def build_with_limits(folder):
    built = processes.work_folder() / "source"
    shutil.copytree(built if built.exists() else ROOT, folder,
                    ignore=shutil.ignore_patterns(".git", "*.so"))
    for name in REBUILT:
        (folder / name).unlink(missing_ok=True)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", f"PG_CONFIG={postgres.PG_CONFIG}",
                    "POLYGLOT_FAULT_LIMITS=1", "all"], cwd=folder, check=True)


def copy_postgresql(prefix, build):
    """PostgreSQL finds its files from where its programs are: a copy of the tree is another one."""
    folders = [directory(kind) for kind in ("bindir", "pkglibdir", "sharedir")]
    common = os.path.commonpath(folders)
    new_bin, new_lib, new_share = [prefix / folder.relative_to(common) for folder in folders]
    for folder, new in zip(folders, (new_bin, new_lib, new_share)):
        shutil.copytree(folder, new, symlinks=True, dirs_exist_ok=True)
    shutil.copy(build / "polyglot_sync.so", new_lib)
    for file in [build / "polyglot_sync.control", *build.glob("extension/polyglot_sync--*.sql")]:
        shutil.copy(file, new_share / "extension")
    return new_bin / "pg_config"


@pytest.fixture(scope="module")
def pg():
    folder = processes.work_folder() / "limits"
    shutil.rmtree(folder, ignore_errors=True)
    build_with_limits(folder / "source")
    shipped = postgres.PG_CONFIG
    try:
        postgres.PG_CONFIG = copy_postgresql(folder / "postgresql", folder / "source")
        yield from running_cluster(settings={"polyglot_sync.worker_restart_delay": "1s"})
    finally:
        postgres.PG_CONFIG = shipped
        shutil.rmtree(folder)


@pytest.fixture
def t(pg, search):
    database = Database(pg, search)
    database.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                     "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 100) i")
    database.create_sync("t")
    database.wait()
    yield database
    limit(database, memory=0, file_size=0)
    database.drop()


def limit(db, **limits):
    for name, value in limits.items():
        db.pg.execute(f"ALTER SYSTEM SET polyglot_sync.fault_{name} = '{value}'")
    db.pg.reload()


def restart_worker(db):
    db.execute("SELECT pg_terminate_backend(%s)", (db.wait_for_worker(),))


def count(db, text):
    return db.pg.log().count(text)


def assert_fails_cleanly_and_heals(db, error):
    """The worker ends with this error at least twice: it was started again, and nothing crashed."""
    processes.wait_for(lambda: count(db, error) >= 2, f"two times {error!r}", 240)
    assert db.value("SELECT count(*) FROM t") > 0
    limit(db, memory=0, file_size=0)
    db.wait(timeout="240s")
    db.assert_equal("t", wait=False)
    assert db.dead_letters() == []


def test_out_of_memory_in_a_worker_ends_only_the_worker(t):
    """pg_net#45: a backlog ended in a crash loop of the whole cluster."""
    limit(t, memory="12MB")
    restart_worker(t)
    t.execute("INSERT INTO t SELECT i, repeat(md5(i::text), 120)"
              " FROM generate_series(1001, 13000) i")
    assert_fails_cleanly_and_heals(t, "out of memory")


def test_a_full_disk_ends_only_the_worker(t):
    """Above the size of a WAL segment, which is written by everybody: parked keys need more."""
    t.execute("CREATE TABLE w (id text PRIMARY KEY, v text)")
    t.create_sync("w")
    t.wait()
    t.execute("SELECT polyglot.pause_sync('w')")
    limit(t, file_size="17MB")
    restart_worker(t)
    t.execute("INSERT INTO w SELECT lpad(i::text, 500, 'x'), 'bulk' FROM generate_series(1, 25000) i")
    processes.wait_for(lambda: count(t, "could not extend file") >= 2, "a full disk, twice", 240)
    t.execute("UPDATE t SET v = 'on a full disk'")
    limit(t, file_size=0)
    t.execute("SELECT polyglot.resume_sync('w')")
    t.wait(timeout="240s")
    t.assert_equal("t", wait=False)
    t.assert_equal("w", wait=False)
