"""Reads Debian's package catalogue (apt-cache dumpavail) into tables."""

import re

from psycopg.types.json import Jsonb

SCHEMA = """
CREATE TABLE sections (name text PRIMARY KEY, packages integer NOT NULL);
CREATE TABLE maintainers (email text PRIMARY KEY, name text NOT NULL, packages integer NOT NULL);
CREATE TABLE packages (
  name text, version text, architecture text,
  summary text NOT NULL, section text REFERENCES sections, maintainer text REFERENCES maintainers,
  homepage text, tags text[] NOT NULL, depends text[] NOT NULL,
  installed_kb bigint, download_bytes bigint, compression numeric(10,3),
  essential boolean NOT NULL, facts jsonb NOT NULL,
  installs integer NOT NULL DEFAULT 0, updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, version, architecture));
CREATE TABLE dependencies (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  package text NOT NULL, version text NOT NULL, architecture text NOT NULL,
  kind text NOT NULL, alternatives text[] NOT NULL,
  FOREIGN KEY (package, version, architecture) REFERENCES packages ON DELETE CASCADE);
CREATE INDEX ON dependencies (package, version, architecture);
CREATE TABLE reviews (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  package text NOT NULL, stars numeric(2,1) NOT NULL, body text NOT NULL,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp());
"""

KINDS = ("Pre-Depends", "Depends", "Recommends")
OWN_COLUMN = {"Package", "Version", "Architecture", "Description", "Section", "Maintainer",
              "Homepage", "Tag", "Installed-Size", "Size", "Essential", "Filename", "MD5sum",
              "SHA256", "Description-md5", *KINDS}


def stanzas(file):
    """Each package as a dictionary of its fields; continued lines are joined."""
    fields, name = {}, None
    for line in file:
        line = line.rstrip("\n")
        if not line:
            if fields:
                yield fields
            fields, name = {}, None
        elif line[0] in " \t":
            fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    if fields:
        yield fields


def parts(text, separator=","):
    return [part.strip() for part in text.split(separator) if part.strip()] if text else []


def person(text):
    """("name", "email") of a maintainer field."""
    found = re.match(r"(.*?)\s*<(.*)>", text)
    return (found.group(1).strip('" '), found.group(2)) if found else (text, text)


def package_row(fields):
    size = int(fields["Size"]) if "Size" in fields else None
    installed = int(fields["Installed-Size"]) if "Installed-Size" in fields else None
    ratio = round(installed * 1024 / size, 3) if installed and size else None
    facts = {name.lower(): value for name, value in fields.items() if name not in OWN_COLUMN}
    depends = sorted({re.split(r"[ :(]", word)[0] for kind in KINDS
                      for word in parts(fields.get(kind, ""))})
    return (fields["Package"], fields["Version"], fields["Architecture"], fields["Description"],
            fields["Section"], person(fields["Maintainer"])[1], fields.get("Homepage"),
            parts(fields.get("Tag", "")), depends, installed, size, ratio,
            fields.get("Essential") == "yes", Jsonb(facts))


def dependency_rows(fields):
    for kind in KINDS:
        for word in parts(fields.get(kind, "")):
            yield (fields["Package"], fields["Version"], fields["Architecture"], kind.lower(),
                   parts(word, "|"))


def copy_rows(session, table, columns, rows):
    with session.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def load(session, path):
    """Makes and fills the tables; returns the number of rows of each."""
    with open(path, encoding="utf-8", errors="replace") as file:
        found = {(f["Package"], f["Version"], f["Architecture"]): f for f in stanzas(file)}
    packages = list(found.values())
    sections, people = {}, {}
    for fields in packages:
        sections[fields["Section"]] = sections.get(fields["Section"], 0) + 1
        name, email = person(fields["Maintainer"])
        people[email] = (name, people.get(email, ("", 0))[1] + 1)
    session.execute(SCHEMA)
    copy_rows(session, "sections", "name, packages", sections.items())
    copy_rows(session, "maintainers", "email, name, packages",
              ((email, name, count) for email, (name, count) in people.items()))
    copy_rows(session, "packages", "name, version, architecture, summary, section, maintainer,"
              " homepage, tags, depends, installed_kb, download_bytes, compression, essential,"
              " facts", map(package_row, packages))
    copy_rows(session, "dependencies", "package, version, architecture, kind, alternatives",
              (row for fields in packages for row in dependency_rows(fields)))
    session.execute("ANALYZE")
    return {table: session.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("packages", "dependencies", "maintainers", "sections")}
