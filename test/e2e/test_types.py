"""Documents equal rows: every type, with its edge values."""

from decimal import Decimal

import pytest

import compare

SCHEMA = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy');
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN price AS numeric(12,2);
CREATE TYPE address AS (street text, zip char(6), since date, floors numeric, tags text[]);
CREATE TABLE types (id integer PRIMARY KEY)
"""

# (type, values): every value becomes a row of its own column, next to NULL.
VALUES = [
    ("smallint", ["-32768", "0", "32767"]),
    ("integer", ["-2147483648", "2147483647"]),
    ("bigint", ["-9223372036854775808", "9223372036854775807", "9007199254740993"]),
    ("oid", ["0", "4294967295"]),
    ("real", ["0", "-0", "0.1", "3.4028235e38", "1e-45", "1.17549435e-38", "16777217", "NaN",
              "Infinity", "-Infinity", "123456.78"]),
    ("double precision", ["0", "-0", "0.1", "1.7976931348623157e308", "5e-324", "NaN", "Infinity",
                          "-Infinity", "9007199254740993", "0.30000000000000004", "1e22"]),
    ("numeric", ["0", "0.00", "1.0", "1.00", "-0.000001", "NaN", "Infinity", "-Infinity",
                 "123456789012345678901234567890.123456789", "1e500", "1e-300", "9" * 999,
                 "9" * 1000, "9" * 1001, "-" + "7" * 1500 + ".25"]),
    ("numeric(12,2)", ["0", "19.90", "-9999999999.99"]),
    ("numeric(18,0)", ["999999999999999999", "-1"]),
    ("numeric(40,0)", ["9" * 40]),
    ("boolean", ["true", "false"]),
    ("text", ["", " ", "plain", "quote \" backslash \\ slash /", "tab\tnewline\nreturn\r", "\x01\x1f",
              "\x7f", "ü€𝄞\u2028\u2029\ufeff", "NULL", "x" * 40000, "é" * 200000]),
    ("varchar(20)", ["", "twenty characters..."]),
    ("citext", ["MiXed", "straße"]),
    ("xml", ["<a b=\"c\">d &amp; e</a>", "plain"]),
    ("char(10)", ["", "a", " a b ", "0123456789"]),
    ("name", ["a_name"]),
    ('"char"', ["x"]),
    ("uuid", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]),
    ("mood", ["sad", "very happy"]),
    ("macaddr", ["08:00:2b:01:02:03"]),
    ("macaddr8", ["08:00:2b:01:02:03:04:05"]),
    ("bit(5)", ["10101"]),
    ("varbit", ["", "1"]),
    ("pg_lsn", ["16/B374D848"]),
    ("tsvector", ["'a':1A 'fat':2,4 'quo''te'"]),
    ("tsquery", ["'fat' & ( 'rat' | 'cat' )"]),
    ("time", ["00:00:00", "23:59:59.999999", "24:00:00"]),
    ("timetz", ["04:05:06.7-08:30"]),
    ("interval", ["1 year 2 months -3 days 04:05:06.789", "0", "-1 day", "178000000 years"]),
    ("money", ["1234.56", "-0.01"]),
    ("point", ["(1.5,-2)"]), ("line", ["{1,2,3}"]), ("lseg", ["[(0,0),(1,1)]"]),
    ("box", ["(2,2),(0,0)"]), ("path", ["((0,0),(1,1))"]), ("polygon", ["((0,0),(1,1),(1,0))"]),
    ("circle", ["<(0,0),2.5>"]),
    ("inet", ["192.168.0.1", "192.168.0.1/24", "::1", "2001:db8::/32"]),
    ("cidr", ["10.0.0.0/8", "2001:db8::/32", "1.2.3.4/32"]),
    ("date", ["2024-02-29", "0001-01-01", "9999-12-31", "10000-01-01", "0044-03-15 BC",
              "4714-11-24 BC", "5874897-12-31", "infinity", "-infinity"]),
    ("timestamp", ["2024-02-29 12:34:56.789012", "1999-12-31 23:59:59", "0001-01-01 00:00:00",
                   "9999-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999",
                   "4714-11-24 00:00:00 BC", "0044-03-15 12:00:00.5 BC", "infinity", "-infinity"]),
    ("timestamptz", ["2024-02-29 12:34:56.789012+05:30", "1969-12-31 23:59:59.999999+00",
                     "10000-01-01 00:00:00+00", "0001-01-01 00:00:00+00 BC", "infinity"]),
    ("bytea", ["", "\\x00", "\\x" + "00ff10" * 500]),
    ("jsonb", ["{}", "[]", "null", "5", '"text"', "true", '{"a": {"b": [1, 2.50, null, {"c": ""}]}}',
               "[" * 100 + "]" * 100, '{"big": 12345678901234567890.123456789, "u": "\\u20ac"}',
               '{"a.b": 1, "": 2, "_id": 3}']),
    ("json", ['{"a": 1,  "a": 2}', "[1, 2]", '"x"']),
    ("integer[]", ["{}", "{1,2,NULL}", "{{1,2},{3,4}}", "[0:1]={7,8}"]),
    ("text[]", ['{a,"b c","quo\\"te","",NULL,"NULL"}', "{}"]),
    ("numeric[]", ["{1.0,2.50,NaN,NULL}"]),
    ("boolean[]", ["{t,f,NULL}"]),
    ("timestamptz[]", ['{"2024-01-01 00:00:00+02",infinity}']),
    ("jsonb[]", ['{"{\\"a\\": 1}","[2]"}']),
    ("mood[]", ['{sad,"very happy"}']),
    ("bytea[]", ['{"\\\\x0102"}']),
    ("box[]", ["{(2,2),(0,0);(3,3),(1,1)}"]),
    ("address", ['("Main ""St"", 1",12345,2020-01-01,1.50,"{a,b}")', "(,,,,)", '("",,infinity,NaN,{})']),
    ("address[]", ['{"(a,b,2020-01-01,1,\\"{x,y}\\")",NULL}']),
    ("int4range", ["[1,5)", "(,5)", "[1,)", "(,)", "empty"]),
    ("int8range", ["[-9223372036854775808,9223372036854775807)"]),
    ("numrange", ["[1.50,2.25]", "(0,1)"]),
    ("daterange", ["[2024-01-01,2024-02-01)"]),
    ("tsrange", ['["2024-01-01 00:00:00","2024-01-02 12:30:00.5")', "[infinity,)"]),
    ("tstzrange", ['["2024-01-01 00:00:00+00",)']),
    ("int4multirange", ["{}", "{[1,3),[7,9)}"]),
    ("datemultirange", ["{[2024-01-01,2024-01-05),[2024-02-01,2024-02-02)}"]),
    ("email", ["a@b.c"]),
    ("price", ["12.30"]),
    ("email[]", ["{a@b,c@d}"]),
    ("hstore", ['"a"=>"1", "b"=>NULL']),
    ("ltree", ["Top.Science"]),
    ("int2vector", ["1 2 3"]),
]

# OpenSearch takes 20 arrays in each other unless the index says otherwise.
SETTINGS = {"opensearch": {"index.mapping.depth.limit": 200}}

# What a server cannot take although it is right: Elasticsearch 7.17 has no moment before 1970 in
# milliseconds that is not a whole second.
REFUSED = {"elasticsearch 7": [("timestamp", "0044-03-15 12:00:00.5 BC")]}


def column(number, kind):
    return compare.quote(f"c{number} {kind}")


@pytest.fixture
def types(db):
    db.execute(SCHEMA)
    with db.connect() as session:
        for number, (kind, _) in enumerate(VALUES):
            session.execute(f'ALTER TABLE types ADD COLUMN {column(number, kind)} {kind}')
    return db


def insert_all(db, first_id):
    """One row for each value; returns type and value by document id."""
    inserted, number = {}, first_id
    with db.connect() as session:
        session.execute("INSERT INTO types (id) VALUES (%s)", (first_id,))
        for position, (kind, values) in enumerate(VALUES):
            for value in values:
                number += 1
                session.execute(f'INSERT INTO types (id, {column(position, kind)})'
                                " VALUES (%s, %s)", (number, value))
                inserted[str(number)] = (kind, value[:60])
    return inserted


def create_sync(db):
    db.create_sync("types", settings=SETTINGS.get(db.search.kind, {}))
    db.wait()


def assert_all_equal(db, inserted):
    server = f"{db.search.kind} {db.search.version.split('.')[0]}"
    refused = {letter[1]: letter[2:] for letter in db.dead_letters()}
    assert [inserted[name] for name in refused] == REFUSED.get(server, []), refused
    found = [difference for difference in db.differences("types")
             if difference.problem != "missing" or difference.document_id not in refused]
    assert [(inserted.get(difference.document_id), difference) for difference in found] == []


def test_every_type_is_equal_after_the_backfill(types):
    inserted = insert_all(types, 0)
    create_sync(types)
    assert_all_equal(types, inserted)


def test_every_type_is_equal_after_live_changes(types):
    create_sync(types)
    inserted = insert_all(types, 0)
    types.wait()
    assert_all_equal(types, inserted)


def test_documents_are_what_the_manual_says(db):
    """The comparison's own rules, once more as plain text."""
    db.execute("""
CREATE TABLE t (id integer PRIMARY KEY, n numeric(6,2), d date, ts timestamptz, b bytea, r int4range,
  f real, c char(5), j jsonb, a integer[], i interval, m money, old date, far timestamp);
SET TimeZone = 'Asia/Kolkata';
INSERT INTO t VALUES (1, 12.50, '2024-05-06', '2024-05-06 05:30:00.000001+05:30', '\\x0001ff',
  '[1,9]', 'NaN', 'ab', '{"x": 1.10}', '{{1,NULL}}', '1 day 2 hours', 3.5, '0044-03-15 BC',
  '20000-01-01 00:00:00')""")
    db.create_sync("t")
    db.wait()
    assert db.documents("t") == {"1": {
        "id": 1, "n": Decimal("12.50"), "d": "2024-05-06", "ts": "2024-05-06T00:00:00.000001Z",
        "b": "AAH/", "r": {"gte": 1, "lt": 10}, "f": None, "c": "ab", "j": {"x": Decimal("1.10")},
        "a": [[1, None]], "i": "P1DT2H", "m": "$3.50", "old": -63517824000000,
        "far": 568971820800000}}


def test_numeric_digits_are_kept(db):
    db.execute("CREATE TABLE n (id integer PRIMARY KEY, v numeric);"
               "INSERT INTO n VALUES (1, 1.0), (2, 1.00), (3, 1.000000000000000000000000000001)")
    db.create_sync("n")
    db.wait()
    assert [str(db.documents("n")[name]["v"]) for name in "123"] == \
        ["1.0", "1.00", "1.000000000000000000000000000001"]


def test_the_index_has_the_derived_mapping(db):
    db.execute("CREATE TABLE m (id bigint PRIMARY KEY, s smallint, t text, u uuid, n numeric(10,0),"
               " p numeric, d timestamptz, j jsonb, i inet, c cidr, r tstzrange, a text[], b bytea)")
    db.create_sync("m")
    db.wait()
    mapping = db.search.client().indices.get_mapping(index=db.index("m"))
    (found,) = [entry["mappings"] for entry in mapping.values()]
    fields = found["properties"]
    assert str(found["dynamic"]).lower() == "false"
    kinds = {name: field.get("type", "object") for name, field in fields.items()}
    assert kinds == {"id": "long", "s": "short", "t": "text", "u": "keyword", "n": "long",
                     "p": "double", "d": "date", "j": "object", "i": "keyword", "c": "keyword",
                     "r": "date_range", "a": "text", "b": "binary"}
    assert fields["t"]["fields"]["keyword"] == {"type": "keyword", "ignore_above": 8191}
    assert fields["i"]["fields"]["ip"]["type"] == "ip"
    assert fields["c"]["fields"]["range"]["type"] == "ip_range"
    assert fields["j"]["enabled"] is False
    assert fields["p"]["ignore_malformed"] is True


def test_generated_dropped_and_added_columns(db):
    db.execute("CREATE TABLE g (id integer PRIMARY KEY, gone text, a integer,"
               " twice integer GENERATED ALWAYS AS (a * 2) STORED);"
               "ALTER TABLE g DROP COLUMN gone; INSERT INTO g (id, a) VALUES (1, 2)")
    db.create_sync("g")
    db.execute("INSERT INTO g (id, a) VALUES (2, 3); UPDATE g SET a = 9 WHERE id = 1")
    db.assert_equal("g")
    assert db.documents("g")["1"] == {"id": 1, "a": 9, "twice": 18}


def test_names_are_quoted_everywhere(db):
    db.execute('CREATE SCHEMA "Odd; schema"; CREATE TABLE "Odd; schema"."Ta""ble ü" '
               '("K ey" integer PRIMARY KEY, "select" text, "a""b" integer)')
    db.create_sync('"Odd; schema"."Ta""ble ü"', name="odd")
    db.execute('INSERT INTO "Odd; schema"."Ta""ble ü" VALUES (1, \'x\', 2), (2, NULL, 3)')
    db.assert_equal('"Odd; schema"."Ta""ble ü"', "odd", key=["K ey"])


def test_preview_document_is_the_document(db):
    db.execute("CREATE TABLE p (id integer PRIMARY KEY, v numeric, at timestamptz);"
               "INSERT INTO p VALUES (1, 2.50, '2024-01-01 00:00:00+00')")
    db.create_sync("p")
    db.wait()
    assert db.value("SELECT polyglot.preview_document('p', 1)::text::jsonb = %s::jsonb",
                    ('{"id": 1, "v": 2.50, "at": "2024-01-01T00:00:00Z"}',))
