"""A document that an ingest pipeline drops, or moves to another index, was not delivered, though the
server says that all went well. (The distribution for tests has no processors: test/faults/test_pipelines
brings its own. Here the answers of the server are changed.)"""

import pytest

import processes
from conftest import Database
from scripted_endpoint import ScriptedEndpoint, bulk, edit, refuse


@pytest.fixture
def scene(pg, search):
    with ScriptedEndpoint(search) as endpoint:
        db = Database(pg, search, server=False)
        db.create_server(url=endpoint.url)
        db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                   "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 8) i")
        db.create_sync("t")
        db.wait()
        db.endpoint = endpoint
        yield db
        endpoint.heal()
        db.drop()


def says(**more):
    """Each item says this instead."""
    def change(body):
        for item in body["items"]:
            for answer in item.values():
                answer.update(more)
        return body
    return edit(change)


DROPPED = {"status": 200, "result": "noop"}
MOVED = {"_index": "somewhere-else"}


@pytest.mark.parametrize("item, word", [(DROPPED, "dropped"), (MOVED, "moved")])
def test_a_document_that_a_pipeline_takes_is_a_dead_letter(scene, item, word):
    rule = scene.endpoint.script(says(**item), bulk(holding="3"))
    scene.execute("UPDATE t SET v = 'taken' WHERE id = 3")
    processes.wait_for(scene.dead_letters, lambda: scene.status("t"))
    assert rule.used
    (sync, document, operation, status, error, reason), = scene.dead_letters()
    assert (sync, document, operation, status) == ("t", "3", "index", item.get("status", 200))
    assert error == f"{word}_by_pipeline"
    assert f"pipeline of the index {word} this document" in reason
    scene.endpoint.heal()
    scene.execute("UPDATE t SET v = 'back' WHERE id = 3")
    scene.assert_equal("t")
    assert scene.dead_letters() == []


def test_a_delete_of_what_is_not_there_is_no_dropped_document(scene):
    scene.execute("INSERT INTO t VALUES (9, 'new'); DELETE FROM t WHERE id IN (3, 9)")
    scene.assert_equal("t")
    assert scene.dead_letters() == []


def test_a_sync_all_of_whose_documents_are_dropped_is_blocked(scene):
    scene.endpoint.script(says(**DROPPED))
    scene.execute("INSERT INTO t SELECT i, 'row' FROM generate_series(10, 1200) i")
    scene.wait_for_state("t", "blocked")
    assert "pipeline of the index dropped" in scene.status("t")["last_error"]
    scene.endpoint.heal()
    scene.execute("SELECT polyglot.requeue(max => 10000)")
    scene.execute("SELECT sync FROM polyglot.run_sync()")
    scene.assert_equal("t")
    assert scene.dead_letters() == []


def test_repair_does_not_count_a_taken_document_as_repaired(scene):
    client = scene.search.client()
    scene.endpoint.script(refuse(["3"], 200, result="noop"), bulk(holding="3"))
    scene.execute("UPDATE t SET v = 'taken' WHERE id = 3")
    processes.wait_for(scene.dead_letters, lambda: scene.status("t"))
    client.delete(index=scene.index("t"), id="3")
    for _ in range(2):
        scene.execute("SELECT polyglot.repair_sync('t')")
        found = scene.query("SELECT document_id, problem, repaired, detail FROM polyglot.differences")
        assert [(name, repaired) for name, _, repaired, _ in found] == [("3", False)], found
        assert "dead letter" in found[0][3]
