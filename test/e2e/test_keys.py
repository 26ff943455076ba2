"""Document ids: injective, readable, and true to the id rather than to equality."""

import hashlib


def test_composite_keys_are_joined_and_escaped(db):
    db.execute("CREATE TABLE k (a text, b text, c integer, PRIMARY KEY (a, b, c))")
    db.create_sync("k")
    db.execute("INSERT INTO k VALUES ('x,y', 'z', 1), ('x', 'y,z', 1), ('\\', ',', 2), ('', '', 3)")
    db.assert_equal("k", key=["a", "b", "c"])
    assert "x\\,y,z,1" in db.documents("k")
    db.execute("DELETE FROM k WHERE a = 'x'; UPDATE k SET b = 'q' WHERE c = 2")
    db.assert_equal("k", key=["a", "b", "c"])


def test_long_empty_and_tilde_keys_become_hashes(db):
    db.execute("CREATE TABLE k (a text PRIMARY KEY)")
    db.create_sync("k")
    texts = ["", "~", "~x", "é" * 256, "é" * 257, "x" * 512, "x" * 513, "y" * 2000, "a b", "ü/?#"]
    with db.connect() as session:
        for text in texts:
            session.execute("INSERT INTO k VALUES (%s)", (text,))
    db.assert_equal("k", key=["a"])
    assert "~" + hashlib.sha256(b"x" * 513).hexdigest() in db.documents("k")
    assert "x" * 512 in db.documents("k")
    db.execute("DELETE FROM k WHERE length(a) > 300 OR a = ''")
    db.assert_equal("k", key=["a"])


def test_padded_characters_are_trimmed_in_ids(db):
    db.execute("CREATE TABLE k (a char(8) PRIMARY KEY, v integer)")
    db.create_sync("k")
    db.execute("INSERT INTO k VALUES ('ab', 1), ('', 2); UPDATE k SET v = 3 WHERE a = 'ab'")
    db.assert_equal("k", key=["a"])
    assert db.documents("k")["ab"] == {"a": "ab", "v": 3}


def test_equal_keys_with_other_ids(db):
    """numeric 1.0 → 1.00, citext a → A: equal for PostgreSQL, another document id."""
    db.execute("CREATE EXTENSION citext; CREATE TABLE n (k numeric PRIMARY KEY, v integer);"
               "CREATE TABLE c (k citext PRIMARY KEY, v integer);"
               "CREATE TABLE f (k double precision PRIMARY KEY, v integer);"
               "INSERT INTO n VALUES (1.0, 1), (2, 2); INSERT INTO c VALUES ('a', 1), ('b', 2);"
               "INSERT INTO f VALUES (0, 1)")
    for table in "ncf":
        db.create_sync(table)
    db.wait()
    db.execute("UPDATE n SET k = 1.00 WHERE k = 1; UPDATE c SET k = 'A' WHERE k = 'a';"
               "UPDATE f SET k = '-0'")
    for table in "ncf":
        db.assert_equal(table, key=["k"])
    assert sorted(db.documents("n")) == ["1.00", "2"]
    assert sorted(db.documents("c")) == ["A", "b"]
    assert sorted(db.documents("f")) == ["-0"]
    db.execute("DELETE FROM n WHERE k = 1; DELETE FROM c WHERE k = 'a';"
               "INSERT INTO n VALUES (1, 5); INSERT INTO c VALUES ('a', 5)")
    for table in "nc":
        db.assert_equal(table, key=["k"])


def test_a_unique_index_as_key(db):
    db.execute("CREATE TABLE u (id integer PRIMARY KEY, code text NOT NULL UNIQUE, v integer);"
               "INSERT INTO u VALUES (1, 'one', 1), (2, 'two', 2)")
    db.create_sync("u", key=["code"])
    db.execute("UPDATE u SET code = 'uno' WHERE id = 1; UPDATE u SET id = 20 WHERE id = 2")
    db.assert_equal("u", key=["code"])
    assert sorted(db.documents("u")) == ["two", "uno"]


def test_keys_of_many_types(db):
    kinds = {"uuid": "gen_random_uuid()", "bigint": "i", "text": "'t' || i", "date": "now()::date + i",
             "timestamptz": "'2024-01-01'::timestamptz + i * interval '1 s 1 us'",
             "inet": "'10.0.0.0'::inet + i", "boolean": "i % 2 = 0", "bytea": "int4send(i)",
             "numeric": "i / 7.0", "interval": "i * interval '1 s'", "mood": "'sad'::mood",
             "macaddr": "'08:00:2b:01:02:03'::macaddr", "bit(8)": "i::bit(8)", "name": "('n'||i)::name"}
    db.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    for number, (kind, value) in enumerate(kinds.items()):
        db.execute(f"CREATE TABLE k{number} (k {kind}, n integer, PRIMARY KEY (k, n));"
                   f"INSERT INTO k{number} SELECT {value}, i FROM generate_series(1, 20) i")
        db.create_sync(f"k{number}")
    for number in range(len(kinds)):
        db.execute(f"DELETE FROM k{number} WHERE n = 3; UPDATE k{number} SET n = 100 WHERE n = 4")
    db.wait()
    for number in range(len(kinds)):
        db.assert_equal(f"k{number}", key=["k", "n"], wait=False)
