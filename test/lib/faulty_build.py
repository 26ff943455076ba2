"""A build made for tests only: limits of memory and disk, and points at which a worker dies."""

import os
import pathlib
import shutil
import subprocess

import postgres
import processes
from conftest import running_cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What knows of the limits; everything else is taken over from the build of the run.
REBUILT = ("src/pg/settings.o", "src/pg/worker/worker.o", "src/pg/worker/rebuild.o",
           "src/pg/worker/rebuild_steps.o", "src/pg/worker/change_feed.o",
           "src/pg/worker/rereading.o", "src/pg/worker/fault_limits.o", "src/pg/worker/index_keeper.o",
           "src/pg/worker/index_drops.o", "src/pg/worker/findings.o",
           "src/pg/worker/hand_over.o", "src/pg/worker/index_creation.o", "src/pg/config_change.o",
           "src/pg/worker/verification.o")


def directory(kind):
    done = subprocess.run([postgres.PG_CONFIG, f"--{kind}"], capture_output=True, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


def build(folder):
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


def faulty_cluster(name, settings):
    """Yields a running cluster with this build."""
    folder = processes.work_folder() / name
    shutil.rmtree(folder, ignore_errors=True)
    build(folder / "source")
    shipped = postgres.PG_CONFIG
    try:
        postgres.PG_CONFIG = copy_postgresql(folder / "postgresql", folder / "source")
        yield from running_cluster(settings=settings)
    finally:
        postgres.PG_CONFIG = shipped
        shutil.rmtree(folder)
