"""Plugins of a page for Elasticsearch, compiled for the server that is to have them."""

import pathlib
import shutil
import zipfile

import processes

HERE = pathlib.Path(__file__).parent


def install(server, source: str, release="21") -> None:
    """`source`.java, class parts.`source`, into an unpacked distribution before its first start."""
    folder, java = server.folder, server.java
    plugin, classes = folder / "plugins" / source.lower(), folder / "classes"
    plugin.mkdir(parents=True)
    classes.mkdir(exist_ok=True)
    processes.own(classes)
    file = shutil.copy(HERE / f"{source}.java", classes)
    processes.run([f"{java}/bin/javac", "--release", release, "-cp", f"{folder}/lib/*", "-d", classes, file])
    with zipfile.ZipFile(plugin / "parts.jar", "w") as archive:
        for compiled in classes.rglob("*.class"):
            archive.write(compiled, compiled.relative_to(classes))
    lines = {"name": source.lower(), "description": "parts that a distribution for tests lacks",
             "version": "1", "classname": f"parts.{source}", "java.version": release,
             "elasticsearch.version": server.version}
    (plugin / "plugin-descriptor.properties").write_text(
        "".join(f"{name}={value}\n" for name, value in lines.items()))
    processes.own(plugin)
