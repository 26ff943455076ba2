"""Ingest pipelines of a real server that drop documents, or move them to another index: whichever
setting brings them, such a document is a dead letter and not delivered."""

import json

import pytest

import processes
import search_plugin
from conftest import Database
from search_server import SearchServer

TAKEN = {"3": "dropped_by_pipeline", "5": "moved_by_pipeline"}


@pytest.fixture(scope="module")
def taking():
    server = SearchServer(kind="elasticsearch", version="8.19.9")
    server._install()
    search_plugin.install(server, "PipelineParts", release="17")
    server.start()
    server.request("PUT", "/_ingest/pipeline/takes", {"processors": [{"take": {}}]})
    yield server
    server.kill()


@pytest.fixture
def db(pg, taking):
    database = Database(pg, taking)
    database.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                     "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 8) i")
    yield database
    database.drop()


def letters(db):
    return {name: error for _, name, _, _, error, _ in db.dead_letters()}


def by_settings(db, name):
    db.create_sync("t", settings={name: "takes"})


def by_template(db, name):
    db.search.request("PUT", f"/_index_template/takes-{db.name}", {
        "index_patterns": [db.index("t") + "*"], "template": {"settings": {name: "takes"}}})
    db.create_sync("t")


@pytest.mark.parametrize("brought", [by_settings, by_template])
@pytest.mark.parametrize("name", ["index.default_pipeline", "index.final_pipeline"])
def test_a_document_that_a_pipeline_takes_was_not_delivered(db, brought, name):
    brought(db, name)
    db.wait()
    # A final pipeline may not move a document: that is a refusal.
    found = letters(db)
    assert set(found) == set(TAKEN), found
    assert found["3"] == TAKEN["3"]
    if name == "index.default_pipeline":
        assert found["5"] == TAKEN["5"]
    assert sorted(db.documents("t")) == ["1", "2", "4", "6", "7", "8"]
    for _ in range(2):
        db.execute("SELECT polyglot.repair_sync('t')")
        assert db.query("SELECT document_id, repaired FROM polyglot.differences ORDER BY 1") == [
            ("3", False), ("5", False)]
    db.search.request("PUT", f"/{db.index('t')}/_settings", {name: None})
    db.execute("SELECT polyglot.requeue('t')")
    processes.wait_for(lambda: not letters(db), lambda: db.status("t"))
    db.assert_equal("t")


def test_updates_and_deletes_of_taken_documents(db):
    by_settings(db, "index.default_pipeline")
    db.wait()
    db.execute("UPDATE t SET v = 'changed' WHERE id IN (2, 3); DELETE FROM t WHERE id IN (4, 5)")
    db.wait()
    assert set(letters(db)) == {"3"}
    assert sorted(db.documents("t")) == ["1", "2", "6", "7", "8"]
    assert json.dumps(db.documents("t")["2"]).count("changed") == 1
