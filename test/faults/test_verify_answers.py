"""A verification that gets no answer: narrowed down to the document, and no bar to others."""

import json

import pytest

import processes
from scripted_endpoint import ScriptedEndpoint, answer


@pytest.fixture
def scripted(new_database, search):
    """Function: a database with the synced tables t and u behind a scripted endpoint, and that."""
    with ScriptedEndpoint(search) as endpoint:
        def make():
            db = new_database(server=False)
            db.create_server(url=endpoint.url)
            for name in ("t", "u"):
                db.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, v text);"
                           f"INSERT INTO {name} SELECT i, 'row' FROM generate_series(1, 20) i")
                db.create_sync(name)
            db.wait()
            return db, endpoint
        yield make


def verify(db, sync):
    with db.connect() as session:
        session.execute("SET statement_timeout = '120s'")
        return session.execute("SELECT document_id, problem, detail FROM polyglot.verify_sync(%s)",
                               (sync,)).fetchall()


def asks_for(document, source=True):
    def wants(request):
        if not request.path.endswith("_mget"):
            return False
        docs = json.loads(request.body)["docs"]
        return any(d["_id"] == document and (d.get("_source", True) or not source) for d in docs)
    return wants


@pytest.mark.parametrize("status", (500, 503, 429))
def test_a_document_that_breaks_every_request_is_found(scripted, status):
    """Whatever the server says whenever it is to give that one document."""
    db, endpoint = scripted()
    endpoint.script(answer(status), asks_for("7"))
    ((name, problem, detail),) = verify(db, "t")
    assert (name, problem) == ("7", "different") and f"cannot be read back (HTTP status {status})" in detail
    endpoint.heal()


def test_an_index_that_gives_no_answer_does_not_hold_up_others(scripted):
    db, endpoint = scripted()
    index = db.index("t") + "-000001"
    rule = endpoint.script(answer(503), lambda request: index in request.path and "_mget" in request.path)
    db.value("SELECT count(*) FROM polyglot.verify_sync('t', wait => false)")
    processes.wait_for(lambda: rule.used, "a comparison that gets no answer")
    assert verify(db, "u") == []
    endpoint.heal()
    assert verify(db, "t") == []


def test_a_pause_of_the_server_accuses_no_document(scripted):
    """The only candidate cannot be asked for while the server is away for some seconds."""
    db, endpoint = scripted()
    db.search.client().index(index=db.index("t"), id="5", body={"id": 5, "v": "vandal"})
    endpoint.script(answer(503), lambda request: request.path.endswith("_mget")
                    and len(json.loads(request.body)["docs"]) == 1, times=5)
    ((name, problem, detail),) = verify(db, "t")
    assert (name, problem) == ("5", "different") and "fields: v" in detail
