"""TLS, users and API keys of an Elasticsearch whose distribution has hardly any modules."""

import json
import pathlib
import shutil
import zipfile

import processes
from certificates import Authority

# What docs/operations.md says that the worker needs, and no more: the names of the tests' databases
# begin those of their indexes.
INDEXES = ["db*", "shop_*", "slots*", "polyglot-sync-owners"]
WORKER_ROLE = {"cluster": ["monitor"],
               "indices": [{"names": INDEXES, "privileges": ["manage", "read", "write"]}]}
ADMIN, WORKER = ("admin", "admin-secret"), ("worker", "worker-secret")
SETTINGS = {
    "xpack.security.enabled": "true",
    "xpack.security.authc.api_key.enabled": "true",
    "xpack.security.http.ssl.enabled": "true",
    "xpack.security.http.ssl.key": "certs/node.key",
    "xpack.security.http.ssl.certificate": "certs/node.pem",
}
PLUGIN = {"name": "analysis-parts", "description": "analysis parts that the .security index names",
          "version": "1", "classname": "parts.AnalysisParts"}
PLUGIN_SOURCE = pathlib.Path(__file__).with_name("AnalysisParts.java")


class Security:
    """Belongs to one server; `variant` is tls-basic or tls-apikey."""

    def __init__(self, server, variant: str):
        self.server, self.with_api_key = server, variant == "tls-apikey"
        self.authority = None
        self.api_key = None

    def install(self) -> None:
        """Into an unpacked distribution, before its first start."""
        folder = self.server.folder
        self.authority = Authority(folder.with_name(folder.name + ".authority"))
        certificates = folder / "config" / "certs"
        certificates.mkdir()
        for file, name in zip(self.authority.issue("node"), ("node.pem", "node.key"), strict=True):
            shutil.copy(file, certificates / name)
        with open(folder / "config" / "roles.yml", "w") as file:
            json.dump({"worker": WORKER_ROLE}, file)  # JSON is YAML
        processes.own(folder)
        self._add_user(*ADMIN, "superuser")
        if self.with_api_key:
            self._build_plugin()
        else:
            self._add_user(*WORKER, "worker")

    def _add_user(self, name: str, password: str, role: str) -> None:
        folder = self.server.folder
        processes.run([folder / "bin" / "elasticsearch-users", "useradd", name, "-p", password,
                       "-r", role], env=self.server.environment())

    def _build_plugin(self) -> None:
        """Without it the index of the API keys cannot be created."""
        folder, java = self.server.folder, self.server.java
        plugin, classes = folder / "plugins" / PLUGIN["name"], folder / "classes"
        plugin.mkdir(parents=True)
        classes.mkdir()
        processes.own(classes)
        source = shutil.copy(PLUGIN_SOURCE, classes)
        processes.run([f"{java}/bin/javac", "--release", "21", "-cp", f"{folder}/lib/*",
                       "-d", classes, source])
        with zipfile.ZipFile(plugin / "parts.jar", "w") as archive:
            for file in classes.rglob("*.class"):
                archive.write(file, file.relative_to(classes))
        lines = {**PLUGIN, "java.version": "21", "elasticsearch.version": self.server.version}
        (plugin / "plugin-descriptor.properties").write_text(
            "".join(f"{name}={value}\n" for name, value in lines.items()))
        processes.own(plugin)

    def make_api_key(self) -> None:
        """Once; the node's data keep it."""
        if self.with_api_key and self.api_key is None:
            answer = self.server.request("POST", "/_security/api_key", {
                "name": "worker", "role_descriptors": {"worker": WORKER_ROLE}}, timeout=60)
            self.api_key = answer["encoded"]

    def worker_credentials(self) -> dict:
        """As options of a user mapping."""
        if self.with_api_key:
            return {"api_key": self.api_key}
        return dict(zip(("user", "password"), WORKER, strict=True))
