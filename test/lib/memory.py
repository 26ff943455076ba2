"""Private memory of server processes, as Linux counts it."""

import pathlib
import re
import threading


def rss_anon(pid: int) -> int:
    """RssAnon of a process in kB; 0 when it has gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+)", status)
    return int(found.group(1)) if found else 0


def most_resident(pid: int) -> int:
    """The most memory, shared pages too, that a process ever had, in kB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1))


class Sampler:
    """The largest RssAnon, in kB, that a worker of this cluster had since the sampler was made."""

    def __init__(self, pg):
        self.pg, self.largest, self.ended = pg, 0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.wait(0.2):
            for pid in self.pg.server_processes("polyglot_sync worker"):
                self.largest = max(self.largest, rss_anon(pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
