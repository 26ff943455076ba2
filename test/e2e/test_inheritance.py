"""Plain inheritance: a sync of the parent covers every table below it, whenever it came there."""

import psycopg
import pytest

SCHEMA = """
CREATE SEQUENCE number;
CREATE TABLE p (id bigint PRIMARY KEY DEFAULT nextval('number'), v text);
CREATE TABLE a (extra integer, PRIMARY KEY (id)) INHERITS (p);
CREATE TABLE b (v text, id bigint DEFAULT nextval('number'), PRIMARY KEY (id));
ALTER TABLE b ALTER id SET NOT NULL;
ALTER TABLE b INHERIT p;
CREATE TABLE aa (PRIMARY KEY (id)) INHERITS (a);
INSERT INTO p (v) SELECT 'p' || i FROM generate_series(1, 1500) i;
INSERT INTO a (v) SELECT 'a' || i FROM generate_series(1, 1500) i;
INSERT INTO b (v) SELECT 'b' || i FROM generate_series(1, 1500) i;
INSERT INTO aa (v) SELECT 'aa' || i FROM generate_series(1, 1500) i
"""


@pytest.fixture
def tree(db):
    db.execute(SCHEMA)
    db.create_sync("p")
    db.assert_equal("p")
    return db


def resyncs(db):
    """How often an index was built anew for a sync of this database, as the log says."""
    return db.pg.log().count('sync "p" is rebuilt as')


def test_statements_on_the_parent_and_on_children(tree):
    tree.execute("UPDATE p SET v = 'x' WHERE id % 7 = 0; DELETE FROM p WHERE id % 11 = 0;"
                 "UPDATE ONLY p SET v = 'only' WHERE id % 5 = 0; DELETE FROM ONLY a WHERE id % 3 = 0;"
                 "INSERT INTO b (v) VALUES ('new b'); INSERT INTO aa (v, extra) VALUES ('new aa', 1);"
                 "UPDATE a SET v = 'y' WHERE id % 13 = 0; UPDATE b SET id = id + 100000 WHERE id % 9 = 0")
    tree.assert_equal("p")


def test_copy_into_a_child(tree):
    with tree.connect() as session, session.cursor().copy("COPY b (id, v) FROM STDIN") as copy:
        for number in range(100):
            copy.write_row((200000 + number, "copied"))
    tree.assert_equal("p")
    assert tree.documents("p")["200099"] == {"id": 200099, "v": "copied"}


def test_truncate_of_a_child_and_of_the_parent_only(tree):
    tree.execute("TRUNCATE b")
    tree.assert_equal("p")
    tree.execute("TRUNCATE ONLY a; INSERT INTO a (v) VALUES ('after')")
    tree.assert_equal("p")
    tree.execute("TRUNCATE p; INSERT INTO aa (v) VALUES ('last')")
    tree.assert_equal("p")
    assert len(tree.documents("p")) == 1


def test_a_new_child_is_captured_without_a_resync(tree):
    before = resyncs(tree)
    tree.execute("CREATE TABLE c (PRIMARY KEY (id)) INHERITS (p);"
                 "CREATE TABLE cc (PRIMARY KEY (id)) INHERITS (c);"
                 "INSERT INTO c (v) VALUES ('c'); INSERT INTO cc (v) VALUES ('cc')")
    tree.assert_equal("p")
    assert resyncs(tree) == before


def test_a_table_that_comes_under_the_parent_brings_its_rows(tree):
    tree.execute(
        "CREATE TABLE d (v text, id bigint PRIMARY KEY);"
        "INSERT INTO d SELECT 'd', 300000 + i FROM generate_series(1, 500) i;"
        "CREATE TABLE dd (PRIMARY KEY (id)) INHERITS (d); INSERT INTO dd VALUES ('dd', 310000);"
        "ALTER TABLE d INHERIT p")
    tree.execute("INSERT INTO dd VALUES ('later', 310001); UPDATE d SET v = 'e' WHERE id < 300010")
    tree.assert_equal("p")
    assert tree.documents("p")["310001"]["v"] == "later"


def test_a_child_that_leaves_takes_its_rows_along(tree):
    tree.execute("ALTER TABLE a NO INHERIT p")
    tree.assert_equal("p")
    tree.execute("INSERT INTO a (id, v) VALUES (400000, 'gone'); INSERT INTO aa (id, v) VALUES (400001, '')")
    tree.assert_equal("p")
    assert tree.value("SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('a'::regclass, 'aa'::regclass)") == 0


def test_a_dropped_child_leaves_the_index(tree):
    tree.execute("DROP TABLE b; DROP TABLE a CASCADE")
    tree.assert_equal("p")
    assert len(tree.documents("p")) == 1500


def test_leaving_is_undone_with_its_transaction(tree):
    with tree.connect(autocommit=False) as session:
        session.execute("ALTER TABLE b NO INHERIT p; CREATE TABLE c () INHERITS (p)")
        session.rollback()
    tree.execute("UPDATE b SET v = 'still here' WHERE id % 2 = 0")
    tree.assert_equal("p")


def test_a_child_of_several_parents(tree):
    tree.execute("CREATE TABLE q (id bigint PRIMARY KEY, w text);"
                 "CREATE TABLE pq (PRIMARY KEY (id)) INHERITS (a, b, q);"
                 "INSERT INTO pq (id, v, w) VALUES (500000, 'v', 'w')")
    tree.create_sync("q")
    tree.execute("UPDATE a SET v = 'both' WHERE id = 500000")
    tree.assert_equal("p")
    tree.assert_equal("q")
    tree.execute("ALTER TABLE pq NO INHERIT a; UPDATE pq SET v = 'through b'")
    tree.assert_equal("p")
    tree.execute("ALTER TABLE pq NO INHERIT b; UPDATE pq SET v = 'q only', w = 'x'")
    tree.assert_equal("p")
    tree.assert_equal("q")


def test_a_table_that_becomes_a_parent(db):
    db.execute("CREATE TABLE p (id integer PRIMARY KEY, v text); INSERT INTO p VALUES (1, 'p')")
    db.create_sync("p")
    db.wait()
    db.execute("CREATE TABLE c () INHERITS (p); INSERT INTO c VALUES (2, 'c')")
    db.assert_equal("p")
    db.execute("DELETE FROM p; DROP TABLE c; INSERT INTO p VALUES (3, 'alone')")
    db.assert_equal("p")


def test_of_rows_with_the_same_key_the_first_table_counts(db):
    """Nothing keeps it unique: one row has a document, always the same one, and nothing gets stuck."""
    db.execute("CREATE TABLE p (id integer PRIMARY KEY, v text);"
               "CREATE TABLE c (PRIMARY KEY (id)) INHERITS (p);"
               "CREATE TABLE d (PRIMARY KEY (id)) INHERITS (p);"
               "INSERT INTO d SELECT i, 'd' FROM generate_series(1, 2500) i;"
               "INSERT INTO c SELECT i, 'c' FROM generate_series(1, 2500) i WHERE i % 2 = 0;"
               "INSERT INTO p SELECT i, 'p' FROM generate_series(1, 2500) i WHERE i % 3 = 0")
    db.create_sync("p")

    def assert_first_counts():
        db.wait()
        expected = dict(db.query("SELECT DISTINCT ON (id) id::text, v FROM p ORDER BY id, tableoid"))
        assert {name: source["v"] for name, source in db.documents("p").items()} == expected
        assert db.dead_letters() == []

    assert_first_counts()
    db.execute("UPDATE d SET v = 'new d'")
    assert_first_counts()
    db.execute("DELETE FROM ONLY p WHERE id < 1000; UPDATE c SET v = 'new c' WHERE id < 500;"
               "DELETE FROM d WHERE id > 2000")
    assert_first_counts()


def test_equal_keys_that_are_not_the_same(db):
    db.execute("CREATE TABLE p (id numeric, w text, v text, PRIMARY KEY (id, w));"
               "CREATE TABLE c (PRIMARY KEY (id, w)) INHERITS (p)")
    db.create_sync("p")
    db.execute("INSERT INTO p VALUES (1.0, 'a', 'p'); INSERT INTO c VALUES (1.00, 'a', 'c'), (2, 'b', 'c')")
    db.wait()
    assert {name: source["v"] for name, source in db.documents("p").items()} == {"1.0,a": "p", "2,b": "c"}
    db.execute("DELETE FROM ONLY p")
    db.assert_equal("p", key=["id", "w"])


def test_children_that_make_the_sync_impossible(tree):
    tree.execute("ALTER TABLE b DROP CONSTRAINT b_pkey; ALTER TABLE b ALTER id DROP NOT NULL")
    assert tree.status("p")["state"] == "failed"
    assert 'key column "id" of table "b" may be null' in tree.status("p")["last_error"]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        tree.execute("SELECT polyglot.resume_sync('p')")
    tree.execute("UPDATE b SET v = 'meanwhile'; ALTER TABLE b ALTER id SET NOT NULL;"
                 "SELECT polyglot.resume_sync('p')")
    tree.assert_equal("p")


def test_temporary_children_do_not_count(tree):
    with tree.connect() as session:
        session.execute("CREATE TEMP TABLE mine () INHERITS (p); INSERT INTO mine (v) VALUES ('mine')")
        tree.execute("UPDATE a SET v = 'next to it'")
        tree.create_sync("p", name="second")
        tree.wait()
        assert len(tree.documents("p")) == len(tree.documents("second")) == 6000
    tree.assert_equal("p")


def test_the_triggers_go_with_the_sync(tree):
    tree.execute("SELECT polyglot.drop_sync('p')")
    assert tree.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'polyglot%'") == 0
