"""Compares every document of an index with every row of a table.

Written from the documented rules, with the official client, independent of the extension's code:
each column is read as PostgreSQL's own text and turned into the JSON value that the rules ask for.
"""

import base64
import dataclasses
import decimal
import hashlib
import json
import struct
import uuid

import pg_text
import search_client

SESSION = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lc_monetary = 'C';
SET search_path = pg_catalog, pg_temp; SET row_security = off
"""


@dataclasses.dataclass
class Difference:
    problem: str  # missing | orphan | different
    document_id: str
    detail: str = ""


BPCHAR = 1042  # char(n): padding is trimmed


class Number:
    """The number that a text stands for; several JSON numbers may be right for it."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self):
        return f"{type(self).__name__}({self.text})"

    def __str__(self):
        return self.text


class Real(Number):
    """Right is every number that reads back as the same four bytes."""

    def matches(self, found) -> bool:
        return is_number(found) and \
            struct.unpack("f", struct.pack("f", float(found)))[0] == \
            struct.unpack("f", struct.pack("f", float(self.text)))[0]


class Double(Number):
    def matches(self, found) -> bool:
        return is_number(found) and float(self.text) == float(found)


class Numeric(Number):
    """The very digits count: 1.0 is not 1.00. Longer ones than servers take are strings."""

    def matches(self, found) -> bool:
        if sum(letter.isdigit() for letter in self.text) > 1000:
            return found == self.text
        return is_number(found) and decimal.Decimal(self.text).as_tuple() == \
            decimal.Decimal(found).as_tuple()


def is_number(value) -> bool:
    return isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool)


def equal(expected, found) -> bool:
    """Equality of JSON values that tells true from 1 and 1 from 1.0."""
    if isinstance(expected, Number):
        return expected.matches(found)
    if isinstance(expected, dict):
        return isinstance(found, dict) and expected.keys() == found.keys() and \
            all(equal(expected[name], found[name]) for name in expected)
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and \
            all(map(equal, expected, found))
    return type(expected) is type(found) and expected == found


def finite(kind):
    return lambda text: None if text in ("NaN", "Infinity", "-Infinity") else kind(text)


def json_value(text):
    return json.loads(text, parse_float=decimal.Decimal)


SCALARS = {
    "int2": int, "int4": int, "int8": int, "oid": int,
    "float4": finite(Real), "float8": finite(Double), "numeric": finite(Numeric),
    "bool": lambda text: text == "t",
    "bpchar": lambda text: text.rstrip(" "),
    "date": pg_text.iso_date, "timestamp": pg_text.iso_timestamp,
    "timestamptz": pg_text.iso_timestamptz,
    "bytea": lambda text: base64.b64encode(bytes.fromhex(text[2:])).decode(),
    "json": json_value, "jsonb": json_value,
}


class Types:
    """The JSON value of a text by type oid; looks types up in the catalog once."""

    def __init__(self, session):
        self.session = session
        self.known = {}

    def value(self, oid: int, text):
        if text is None:
            return None
        if oid not in self.known:
            self.known[oid] = self._converter(oid)
        return self.known[oid](text)

    def _converter(self, oid: int):
        name, kind, element, base, relation, delimiter = self.session.execute(
            "SELECT typname, typtype, CASE WHEN typsubscript = 'array_subscript_handler'::regproc"
            " THEN typelem ELSE 0 END, typbasetype, typrelid, typdelim"
            " FROM pg_type WHERE oid = %s", (oid,)).fetchone()
        if kind == "d":
            return lambda text: self.value(base, text)
        if name in ("int2vector", "oidvector"):  # arrays whose text has no braces
            return lambda text: [int(item) for item in text.split()]
        if element:
            return lambda text: pg_text.array(text, delimiter,
                                              lambda item: self.value(element, item))
        if kind == "c":
            return self._composite(relation)
        if kind == "r":
            return self._range(oid, "rngtypid")
        if kind == "m":
            one = self._range(oid, "rngmultitypid")
            return lambda text: [one(item) for item in pg_text.multirange(text)]
        return SCALARS.get(name, str)

    def _composite(self, relation: int):
        fields = self.session.execute(
            "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum", (relation,)).fetchall()

        def convert(text):
            values = pg_text.composite(text)
            return {name: self.value(oid, value)
                    for (name, oid), value in zip(fields, values, strict=True)}
        return convert

    def _range(self, oid: int, column: str):
        subtype = self.session.execute(
            f"SELECT rngsubtype FROM pg_range WHERE {column} = %s", (oid,)).fetchone()[0]

        def convert(text):
            bounds = pg_text.range_bounds(text)
            if bounds is None:
                return None
            found = {word: self.value(subtype, bound) for word, bound in bounds.items()}
            return {word: value for word, value in found.items() if value is not None}
        return convert


def document_id(values: list) -> str:
    """The document id of a key given as PostgreSQL's texts."""
    if len(values) == 1:
        text = values[0]
    else:
        text = ",".join(v.replace("\\", "\\\\").replace(",", "\\,") for v in values)
    if text == "" or text.startswith("~") or len(text.encode()) > 512:
        return "~" + hashlib.sha256(text.encode()).hexdigest()
    return text


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def output_text(name: str) -> str:
    """SQL for what the type's output function gives: a cast to text shows inet and boolean otherwise."""
    return (f"CASE WHEN t.{quote(name)} IS DISTINCT FROM NULL"
            f" THEN pg_catalog.format('%s', t.{quote(name)}) END")


def read_rows(session, table: str, key: list, columns, where):
    """Yields (document id, expected document) of every row of a table."""
    table = session.execute(
        "SELECT format('%%I.%%I', nspname, relname) FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = relnamespace WHERE c.oid = %s::text::regclass", (table,)).fetchone()[0]
    session.execute(SESSION)
    attributes = session.execute(
        "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s::text::regclass"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum", (table,)).fetchall()
    type_of = dict(attributes)
    columns = columns or [name for name, _ in attributes]
    wanted = columns + [name for name in key if name not in columns]
    texts = ", ".join(map(output_text, wanted))
    types = Types(session)
    name = f"rows_{uuid.uuid4().hex}"
    condition = f" WHERE {where}" if where else ""
    with session.transaction():
        cursor = session.cursor(name)
        cursor.itersize = 5000
        cursor.execute(f"SELECT {texts} FROM {table} t{condition}")
        read = session.cursor()
        types.session = read
        for row in cursor:
            found = dict(zip(wanted, row, strict=True))
            identity = document_id([found[name].rstrip(" ") if type_of[name] == BPCHAR
                                    else found[name] for name in key])
            yield identity, {name: types.value(type_of[name], found[name]) for name in columns}
        cursor.close()


def read_documents(client, index: str) -> dict:
    """Every document of an index: id → (source, routing)."""
    client.indices.refresh(index=index)
    return {hit["_id"]: (hit["_source"], hit.get("_routing"))
            for hit in search_client.scan(client, index)}


def compare(session, client, table: str, index: str = None, key=("id",), columns=None, where=None,
            document=None, routing=None) -> list:
    """All differences between a table and an index; an empty list means that they are equal.

    session: a psycopg connection in autocommit mode (its settings change); columns, where: as given
    to create_sync, names must be schema-qualified in `where`; document: function of a row's
    documented column values to the expected document; routing: column whose text is the routing.
    """
    index = index or table
    documents = read_documents(client, index)
    differences = []
    read_columns = None if document or routing else (list(columns) if columns else None)
    for identity, row in read_rows(session, table, list(key), read_columns, where):
        expected = document(row) if document else \
            {name: row[name] for name in (columns or row)}
        found = documents.pop(identity, None)
        if found is None:
            differences.append(Difference("missing", identity))
            continue
        if not equal(expected, found[0]):
            differences.append(Difference("different", identity, describe(expected, found[0])))
        if routing and found[1] != str(row[routing]):
            differences.append(Difference("different", identity, f"routing {found[1]!r}"))
    differences += [Difference("orphan", identity) for identity in documents]
    return differences


def describe(expected: dict, found) -> str:
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return f"expected {expected!r}, found {found!r}"
    names = [name for name in {**expected, **found}
             if name not in expected or name not in found or not equal(expected[name], found[name])]
    return "; ".join(f"{name}: expected {expected.get(name, '(no field)')!r},"
                     f" found {found.get(name, '(no field)')!r}" for name in sorted(names))
