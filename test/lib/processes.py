"""Starting processes as the unprivileged service user, and never leaving one behind.

Standard library only: test/run calls `processes.py cleanup` with the system's Python.
"""

import atexit
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SERVICE_USER = os.environ.get("SERVICE_USER", "postgres")


def work_folder() -> pathlib.Path:
    """The private folder of this run; made here when no script has made one."""
    if "POLYGLOT_WORK" not in os.environ:
        folder = tempfile.mkdtemp(prefix="polyglot.")
        os.chmod(folder, 0o755)
        os.mkdir(os.path.join(folder, "processes"))
        os.environ["POLYGLOT_WORK"] = folder
        owner = os.getpid()
        atexit.register(_remove_work_folder, folder, owner)
    return pathlib.Path(os.environ["POLYGLOT_WORK"])


def _remove_work_folder(folder: str, owner: int) -> None:
    if os.getpid() == owner and "POLYGLOT_KEEP" not in os.environ:
        cleanup(pathlib.Path(folder))
        shutil.rmtree(folder, ignore_errors=True)


def unprivileged() -> dict:
    """Arguments for subprocess that make a child run as the service user when we are root."""
    if os.geteuid() != 0:
        return {"cwd": "/"}
    return {"user": SERVICE_USER, "group": SERVICE_USER, "extra_groups": [], "cwd": "/"}


def own(path: os.PathLike) -> None:
    """Gives a folder and all in it to the service user."""
    if os.geteuid() != 0:
        return
    account = pwd.getpwnam(SERVICE_USER)
    os.chown(path, account.pw_uid, account.pw_gid)
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            os.chown(os.path.join(folder, name), account.pw_uid, account.pw_gid,
                     follow_symlinks=False)


def run(command: list, **more) -> subprocess.CompletedProcess:
    """Runs a command as the service user; raises with its output when it fails."""
    environment = {**os.environ, "HOME": "/tmp", "TZ": "UTC", **more.pop("env", {})}
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=environment, **unprivileged(), **more)
    if result.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {result.returncode}:\n{result.stdout}")
    return result


def free_port() -> int:
    """A loopback port outside the range the system hands out itself."""
    chooser = random.SystemRandom()
    for _ in range(200):
        port = chooser.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free loopback port found")


def wait_for(condition, message="condition", timeout=60.0, interval=0.05):
    """Polls until condition() is true, returns its value; the deadline is generous on purpose."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = message() if callable(message) else message
            raise AssertionError(f"not within {timeout:.0f} s: {text}")
        time.sleep(interval)


def _start_time(pid: int) -> str:
    """Tells a process from a later one with the same pid; empty when there is none."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def is_alive(pid: int) -> bool:
    return _start_time(pid) != ""


def register(pid: int) -> None:
    """Notes a process that cleanup() has to end if nobody else does."""
    (work_folder() / "processes" / str(pid)).write_text(_start_time(pid))


def forget(pid: int) -> None:
    (work_folder() / "processes" / str(pid)).unlink(missing_ok=True)


def children_of(pid: int) -> list:
    try:
        found = []
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
        return found
    except OSError:
        return []


def end(pid: int, signal_number=signal.SIGKILL, timeout=60.0) -> None:
    """Sends a signal and waits until the process is gone."""
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return
    wait_for(lambda: not is_alive(pid), f"end of process {pid}", timeout)


def cleanup(folder: pathlib.Path) -> None:
    for note in (folder / "processes").glob("*"):
        pid = int(note.name)
        if _start_time(pid) != "" and _start_time(pid) == note.read_text():
            # A postmaster stops its children on SIGQUIT; a search server needs no farewell.
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            try:
                end(pid, signal.SIGQUIT if name == "postgres" else signal.SIGKILL, 10)
            except AssertionError:
                end(pid, signal.SIGKILL, 10)
        note.unlink(missing_ok=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["cleanup"] and "POLYGLOT_WORK" in os.environ:
        cleanup(pathlib.Path(os.environ["POLYGLOT_WORK"]))
