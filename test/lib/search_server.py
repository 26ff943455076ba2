"""Real Elasticsearch and OpenSearch servers of any version, from Maven Central.

POLYGLOT_SEARCH=KIND-VERSION chooses the server of the tests, such as opensearch-2.19.5. A VERSION may
end with +VARIANT, such as 9.4.3+splits:
  splits      every bulk request above 10 kB is run in pieces while its body still arrives
  tls-basic   TLS, users with passwords; the worker has the rights that docs/operations.md names
  tls-apikey  TLS; the worker has an API key with these rights

As a program (standard library only):
  search_server.py names                       the servers that the end-to-end suite is for
  search_server.py java KIND VERSION           the JDK that would run it; fails without one
  search_server.py fetch KIND VERSION          downloads into the cache, prints the file
  search_server.py start FOLDER KIND VERSION   starts one there, prints its URL
  search_server.py stop FOLDER
"""

import base64
import glob
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
import zipfile

import processes
from server_security import ADMIN, SETTINGS, Security

SUPPORTED = ["elasticsearch-8.19.9", "elasticsearch-7.17.29", "opensearch-2.19.5",
             "elasticsearch-9.4.3", "opensearch-3.8.0", "elasticsearch-9.4.3+splits",
             "elasticsearch-9.4.3+tls-basic", "elasticsearch-9.4.3+tls-apikey"]
WATERMARK = "indexing_pressure.memory.split_bulk.watermark"
SPLITS = {f"{WATERMARK}.low": "1kb", f"{WATERMARK}.low.bulk_size": "10kb",
          f"{WATERMARK}.high": "2kb", f"{WATERMARK}.high.bulk_size": "10kb"}
VARIANTS = {"elasticsearch": ("", "splits", "tls-basic", "tls-apikey"), "opensearch": ("",)}
DEFAULT_KIND, _, DEFAULT_VERSION = os.environ.get("POLYGLOT_SEARCH", SUPPORTED[0]).partition("-")
HEAP = "512m"
JAVA_OPTIONS = os.environ.get("POLYGLOT_SEARCH_JAVA", "")  # more options for the node's JVM
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def cache_folder() -> pathlib.Path:
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return pathlib.Path(os.environ.get("POLYGLOT_CACHE") or default / "polyglot_sync")


def with_variant(kind: str, version: str) -> tuple:
    """A version that was asked for: its number and its variant."""
    number, _, variant = version.partition("+")
    if variant not in VARIANTS[kind]:
        raise ValueError(f"{kind} has no variant {variant!r}")
    return number, variant


def fetch(kind: str, version: str) -> pathlib.Path:
    """The distribution's zip, downloaded once."""
    folder, version = cache_folder() / "zip", with_variant(kind, version)[0]
    archive = folder / f"{kind}-{version}.zip"
    if archive.exists():
        return archive
    group = {"elasticsearch": "org.elasticsearch", "opensearch": "org.opensearch"}[kind]
    partial = folder / f"partial-{os.getpid()}"
    partial.mkdir(parents=True, exist_ok=True)
    artifact = f"{group}.distribution.integ-test-zip:{kind}:{version}:zip"
    done = subprocess.run(["mvn", "-q", "-B", MAVEN_COPY, f"-Dartifact={artifact}",
                           f"-DoutputDirectory={partial}"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"cannot download {artifact}:\n{done.stdout}")
    (partial / archive.name).rename(archive)
    shutil.rmtree(partial)
    return archive


def java_home(kind: str, version: str) -> str:
    """A JDK that runs this server: 17, for the newest ones 21 or later."""
    major = int(version.split(".")[0])
    needed = 21 if (kind, major) in (("elasticsearch", 9), ("opensearch", 3)) else 17
    found = {}
    for folder in [os.environ.get("JAVA_HOME", "")] + sorted(glob.glob("/usr/lib/jvm/*")):
        java = pathlib.Path(folder, "bin", "java")
        if not folder or not java.exists():
            continue
        text = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
        number = re.search(r'version "(\d+)', text)
        if number:
            found.setdefault(int(number.group(1)), str(java.resolve().parent.parent))
    usable = sorted(number for number in found if number >= needed)
    if not usable:
        raise RuntimeError(f"{kind} {version} needs a JDK {needed} or later; found {sorted(found)}")
    return found[usable[0]]


class SearchServer:
    """One node on loopback in a folder of its own; its data survive kill() and start()."""

    def __init__(self, folder=None, kind=DEFAULT_KIND, version=DEFAULT_VERSION, port=None,
                 config=None):
        self.kind = kind
        self.version, self.variant = with_variant(kind, version)
        self.port = port or processes.free_port()
        self.folder = pathlib.Path(folder or processes.work_folder() / f"{kind}-{self.port}")
        self.config = {**(SPLITS if self.variant == "splits" else {}), **(config or {})}
        self.security = Security(self, self.variant) if self.variant.startswith("tls-") else None
        self.java = java_home(self.kind, self.version)
        self.pid = None

    @property
    def url(self) -> str:
        return f"{'https' if self.security else 'http'}://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict:
        """What CREATE SERVER needs to reach it."""
        found = {"url": self.url}
        return {**found, "ca_file": self.security.authority.file} if self.security else found

    @property
    def credentials(self) -> dict:
        """What CREATE USER MAPPING needs: not those of the tests, who may do everything."""
        return self.security.worker_credentials() if self.security else {}

    @property
    def log_file(self) -> pathlib.Path:
        return self.folder / "logs" / "test.log"

    def _install(self) -> None:
        if (self.folder / "config").exists():
            return
        unpacked = self.folder.with_name(self.folder.name + ".unpacked")
        with zipfile.ZipFile(fetch(self.kind, self.version)) as archive:
            for member in archive.infolist():
                path = archive.extract(member, unpacked)
                mode = member.external_attr >> 16
                if mode and not member.is_dir():
                    os.chmod(path, mode)
        next(unpacked.iterdir()).rename(self.folder)
        unpacked.rmdir()
        lines = {
            "cluster.name": "test", "node.name": "n1", "network.host": "127.0.0.1",
            "http.port": self.port, "transport.port": processes.free_port(),
            "discovery.type": "single-node",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            **({"xpack.security.enabled": "false"} if self.kind == "elasticsearch" else {}),
            **(SETTINGS if self.security else {}),
            **self.config,
        }
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        (self.folder / "config" / f"{self.kind}.yml").write_text(text)
        processes.own(self.folder)
        if self.security:
            self.security.install()

    def environment(self) -> dict:
        prefix = {"elasticsearch": "ES", "opensearch": "OPENSEARCH"}[self.kind]
        return {**os.environ, "HOME": str(self.folder), f"{prefix}_JAVA_HOME": self.java}

    def start(self, timeout=300.0) -> "SearchServer":
        """Starts the node and waits until it answers; its data are those of the last run."""
        self._install()
        pid_file = self.folder / "pid"
        pid_file.unlink(missing_ok=True)
        options = {"elasticsearch": "ES_JAVA_OPTS", "opensearch": "OPENSEARCH_JAVA_OPTS"}
        environment = {**self.environment(), options[self.kind]: f"-Xms{HEAP} -Xmx{HEAP} {JAVA_OPTIONS}"}
        # The node inherits the launcher's output: a file, since a pipe would never end.
        with open(self.folder / "launch.log", "w") as output:
            started = subprocess.run([self.folder / "bin" / self.kind, "-d", "-p", pid_file],
                                     stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                     env=environment, start_new_session=True,
                                     timeout=timeout, **processes.unprivileged())
        if started.returncode != 0:
            raise RuntimeError("the search server did not start:\n" + self.describe())
        self.pid = int(processes.wait_for(lambda: pid_file.exists() and pid_file.read_text(),
                                          "pid file of the search server"))
        processes.register(self.pid)
        processes.wait_for(self._is_ready, lambda: "search server ready\n" + self.describe(),
                           timeout, 0.2)
        if self.security:
            self.security.make_api_key()
        return self

    def attach(self) -> "SearchServer":
        """Uses the node that runs in this folder already; it outlives us."""
        text = (self.folder / "config" / f"{self.kind}.yml").read_text()
        self.port = int(re.search(r"^http.port: (\d+)$", text, re.MULTILINE).group(1))
        self.pid = int((self.folder / "pid").read_text())
        processes.wait_for(self._is_ready, "search server ready")
        return self

    def _is_ready(self) -> bool:
        if not processes.is_alive(self.pid):
            raise RuntimeError("the search server ended:\n" + self.describe())
        try:
            return self.request("GET", "/_cluster/health")["status"] in ("green", "yellow")
        except (OSError, KeyError, ValueError):
            return False

    def describe(self) -> str:
        for file in (self.log_file, self.folder / "launch.log"):
            if file.exists() and file.stat().st_size:
                return "".join(file.read_text(errors="replace").splitlines(True)[-40:])
        return "(no log)"

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9: no farewell, as when a machine dies."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, signal_number) -> None:
        if self.pid is None:
            return
        processes.end(self.pid, signal_number)
        processes.forget(self.pid)
        self.pid = None

    def suspend(self) -> None:
        """The node holds its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def request(self, method: str, path: str, body=None, timeout=10.0):
        """One request without any client library: for waiting and for faults."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method, headers={
            "Content-Type": "application/json", **self.authorization})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=self._tls()))
        with opener.open(request, timeout=timeout) as answer:
            return json.loads(answer.read() or b"null")

    def _tls(self):
        return ssl.create_default_context(cafile=self.security.authority.file) \
            if self.security else None

    @property
    def authorization(self) -> dict:
        """The header of a request of the tests."""
        if not self.security:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(":".join(ADMIN).encode()).decode()}

    def connection(self) -> http.client.HTTPConnection:
        """For those who want to see or to cut the bytes."""
        if self.security:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                               context=self._tls())
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def client(self):
        """The official client; decimals are read as decimals, so that no digit is lost."""
        from search_client import connect
        if self.security:
            return connect(self.kind, self.url, ca_certs=str(self.security.authority.file),
                           basic_auth=ADMIN)
        return connect(self.kind, self.url)


def main(words: list) -> None:
    if words == ["names"]:
        print("\n".join(SUPPORTED))
    elif words[:1] == ["java"] and len(words) == 3:
        print(java_home(words[1], words[2]))
    elif words[:1] == ["fetch"] and len(words) == 3:
        print(fetch(words[1], words[2]))
    elif words[:1] == ["start"] and len(words) == 4:
        server = SearchServer(words[1], words[2], words[3])
        print(server.start().url)
    elif words[:1] == ["stop"] and len(words) == 2:
        processes.end(int(pathlib.Path(words[1], "pid").read_text()), signal.SIGTERM)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
