"""A document that is kept but cannot be read back is a difference, and stops nobody's verification."""

import urllib.error

import pytest

import processes

# What servers take and keep as it was sent, but is not the JSON that we read.
FOREIGN = {"lone surrogate": '{"id": %d, "v": "\\ud800"}', "comment": '{"id": %d, /* v */ "v": "x"}'}


def verify(db, sync, function="verify_sync"):
    """Rows of verify_sync; a verification that does not end fails here."""
    with db.connect() as session:
        session.execute("SET statement_timeout = '60s'")
        return session.execute("SELECT document_id, problem, detail FROM polyglot.verify_sync(%s)",
                               (sync,)).fetchall()


def repair(db, sync):
    with db.connect() as session:
        session.execute("SET statement_timeout = '60s'")
        return session.execute("SELECT polyglot.repair_sync(%s)", (sync,)).fetchone()[0]


def write(db, table, document, body):
    """As another client would, byte for byte. False: this server does not take it."""
    try:
        db.search.request("PUT", f"/{db.index(table)}/_doc/{document}", (body % document).encode())
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 400
        return False
    return True


def test_numbers_beyond_every_double_are_compared_by_their_digits(db):
    db.execute("CREATE TABLE n (id integer PRIMARY KEY, v numeric, j jsonb, w numeric);"
               "INSERT INTO n VALUES (1, 1e309, NULL, 1), (2, -1e309, NULL, 1), (3, 1, '{\"a\": 1e400}', 1),"
               " (4, 1, '{\"a\": [1e-900, 2]}', 1);"
               "CREATE TABLE ok (id integer PRIMARY KEY); INSERT INTO ok VALUES (1)")
    mapping = {"properties": {"v": {"type": "keyword"}, "j": {"type": "object", "enabled": False}}}
    db.create_sync("n", mapping=mapping)
    db.create_sync("ok")
    db.wait()
    assert db.dead_letters() == []
    assert verify(db, "n") == [] and verify(db, "ok") == []
    db.search.client().update(index=db.index("n"), id="3", body={"doc": {"w": 2}})
    assert [(name, problem) for name, problem, _ in verify(db, "n")] == [("3", "different")]
    assert repair(db, "n") == 1
    assert verify(db, "n") == []
    assert db.query("SELECT * FROM polyglot.inspect('n', 1)")[0][1] == "in step"


@pytest.fixture
def kept(db):
    """A table whose index holds, in the place of two rows, what cannot be read."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1500) i;"
               "CREATE TABLE ok (id integer PRIMARY KEY); INSERT INTO ok VALUES (1)")
    db.create_sync("t")
    db.create_sync("ok")
    db.wait()
    return db


@pytest.mark.parametrize("body", FOREIGN.values(), ids=list(FOREIGN))
def test_a_document_that_cannot_be_read_back_is_different(kept, body):
    db = kept
    if not all(write(db, "t", document, body) for document in (7, 1400)):
        # Other servers refuse some of them, and so have no such documents.
        assert (db.search.kind, db.search.version.split(".")[0]) != ("elasticsearch", "8")
        return
    found = verify(db, "t")
    assert [(name, problem) for name, problem, _ in found] == [("1400", "different"), ("7", "different")]
    assert all("cannot be read back" in detail for _, _, detail in found)
    assert verify(db, "ok") == []
    lines = {check: (result, detail) for check, result, detail in
             db.query("SELECT * FROM polyglot.inspect('t', 7)")}
    assert lines["comparison"][0] == "different" and "cannot be read back" in lines["comparison"][1]
    assert repair(db, "t") == 2
    assert verify(db, "t") == []
    db.assert_equal("t")


def test_reconciling_goes_on_beside_it(db):
    """Of a view nothing is captured: what the comparison does not deliver, nobody does."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); CREATE VIEW w AS SELECT * FROM t;"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 50) i")
    db.create_sync("w", capture="none", key=["id"], options={"reconcile": "1 second"})
    client, index = db.search.client(), db.index("w")
    processes.wait_for(lambda: db.query("SELECT FROM polyglot.verifications WHERE finished_at > started_at"),
                       "the first comparison")
    assert write(db, "w", 7, FOREIGN["lone surrogate"])
    db.execute("UPDATE t SET v = 'changed' WHERE id = 20")
    for document in ("20", "7"):
        expected = db.value("SELECT v FROM t WHERE id = %s", (int(document),))
        processes.wait_for(lambda: client.get(index=index, id=document)["_source"].get("v") == expected,
                           f"document {document}")


def test_pages_of_a_walk_shrink_until_they_fit(db):
    """Routings may be of any length: an answer of more than 8 MB would be asked for without end."""
    db.execute("CREATE TABLE r (id integer PRIMARY KEY, tenant text);"
               "INSERT INTO r SELECT i, i || repeat('x', 6500) FROM generate_series(1, 1500) i")
    db.create_sync("r", routing="tenant", columns=["id"])
    db.wait()
    db.search.client().index(index=db.index("r"), id="4711", routing="nobody", body={"id": 4711})
    assert [(name, problem) for name, problem, _ in verify(db, "r")] == [("4711", "orphan")]


SOURCES = {"disabled": {"enabled": False}, "leaves out fields": {"excludes": ["secret"]},
           "leaves out": {"includes": ["id"]}}


@pytest.mark.parametrize("source", SOURCES.items(), ids=list(SOURCES))
def test_an_index_that_does_not_keep_documents_is_said_once(db, source):
    words, rule = source
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, secret text);"
               "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 200) i")
    db.create_sync("t", mapping={"_source": rule})
    db.wait()
    client, index = db.search.client(), db.index("t")
    before = client.get(index=index, id="5")["_version"]
    ((name, problem, detail),) = verify(db, "t")
    assert (name, problem) == (None, "incomparable") and words in detail
    assert repair(db, "t") == 0
    assert client.get(index=index, id="5")["_version"] == before
    lines = {check: detail for check, _, detail in db.query("SELECT * FROM polyglot.inspect('t', 5)")}
    assert "cannot be compared" in lines["document"]
    client.delete(index=index, id="7")
    client.index(index=index, id="nobody", body={"id": 1})
    assert [(name, problem) for name, problem, _ in verify(db, "t")] == \
        [(None, "incomparable"), ("7", "missing"), ("nobody", "orphan")]
    assert repair(db, "t") == 2
    assert [problem for _, problem, _ in verify(db, "t")] == ["incomparable"]
    assert db.value("SELECT count(*) FROM polyglot.verifications WHERE note IS NOT NULL") == 5


def test_a_difference_names_the_pipeline_that_may_have_made_it(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')")
    client, name = db.search.client(), db.prefix + "pipeline"
    client.ingest.put_pipeline(id=name, body={"processors": []})
    db.create_sync("t", settings={"index.default_pipeline": name})
    db.wait()
    client.index(index=db.index("t"), id="1", body={"id": 1, "v": "x", "added": "by a pipeline"})
    ((_, problem, detail),) = verify(db, "t")
    assert problem == "different" and "added" in detail and name in detail
    client.indices.put_settings(index=db.index("t"), body={"index.default_pipeline": None})
    client.ingest.delete_pipeline(id=name)
