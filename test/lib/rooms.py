"""The rooms of src, and which way their includes may run: python3 test/lib/rooms.py [ROOT]

A file includes its own room and those that come before it in this list, so no circle of rooms can come to
be. Headers include one another in no circle either. Files that a document names exist.
"""

import pathlib
import re
import sys

ROOMS = [
    "core", "core/queue", "core/delivery", "core/ownership", "core/search", "core/verification",
    "core/status",
    "net",
    "pg", "pg/shared", "pg/source", "pg/server", "pg/catalog",
    "pg/document", "pg/queue", "pg/definition", "pg/launcher", "pg/capture", "pg/sql",
    "pg/worker/state", "pg/worker/search", "pg/worker/verify", "pg/worker/setup", "pg/worker/rebuild",
    "pg/worker/feed", "pg/worker/settle", "pg/worker/status", "pg/worker",
]
# Rooms beside each other, though one of them has to stand first in the list.
APART = [
    {"pg/shared", "pg/source", "pg/server"},
    {"pg/document", "pg/definition", "pg/queue", "pg/launcher"},
    {"core/queue", "core/ownership"},
    {"pg/sql", "pg/worker"},
]
NEEDED = {("pg/definition", "pg/document")}  # what a document may be made of is checked there
TOP = "pg/extension"  # the entry point knows all rooms


def room_of(path):
    return str(pathlib.PurePosixPath(path).parent)


def family(room):
    return "pg/worker" if room.startswith("pg/worker") else room


def apart(one, other):
    pair = {family(one), family(other)}
    return len(pair) == 2 and any(pair <= group for group in APART) and (one, other) not in NEEDED


def includes(root):
    for path in sorted((root / "src").rglob("*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        name = path.relative_to(root / "src").as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if found := re.match(r'#include "((?:core|net|pg)/[^"]+)"', line):
                yield name, number, found.group(1)


def uphill(root):
    for name, number, included in includes(root):
        own, other = room_of(name), room_of(included)
        if name.startswith(TOP):
            continue
        for room in (own, other):
            if room not in ROOMS:
                yield f"src/{name}:{number}: {room} is no room that test/lib/rooms.py knows"
                break
        else:
            if ROOMS.index(other) > ROOMS.index(own) or apart(own, other):
                yield f"src/{name}:{number}: {own} may not include {other}"


def circles(root):
    graph = {}
    for name, _, included in includes(root):
        if name.endswith(".h"):
            graph.setdefault(name, []).append(included)
    done, path = set(), []

    def visit(header):
        if header in path:
            yield "headers in a circle: " + " -> ".join(path[path.index(header):] + [header])
            return
        if header in done:
            return
        path.append(header)
        for included in graph.get(header, []):
            yield from visit(included)
        path.pop()
        done.add(header)

    for header in graph:
        yield from visit(header)


def names_in_documents(root):
    """`pg/guard.h`, `worker/attention.h`, `src/core/lanes.cpp`: with or without the folders above."""
    files = [path.relative_to(root).as_posix() for path in (root / "src").rglob("*") if path.is_file()]
    documents = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md")),
                 *sorted((root / "src").rglob("README.md"))]
    pattern = re.compile(r"`((?:src/)?(?:core|net|pg|worker|capture|catalog|document|queue|sql)/[\w/]+"
                         r"(?:\.(?:h|cpp))?)`")
    for document in documents:
        for number, line in enumerate(document.read_text(encoding="utf-8").split("\n"), 1):
            for name in pattern.findall(line):
                end = r"$" if "." in name else r"" if name.endswith("/") else r"(\.\w+$|/)"
                wanted = re.compile(r"(^|/)" + re.escape(name) + end)
                if not any(wanted.search(file) for file in files):
                    yield f"{document.relative_to(root)}:{number}: there is no {name}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = [*uphill(root), *circles(root), *names_in_documents(root)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
