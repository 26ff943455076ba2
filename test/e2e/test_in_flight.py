"""Requests that are under way when their sync ends, or goes on with other credentials."""

import threading

import pytest

import processes
from scripted_endpoint import ScriptedEndpoint, error, hang_up, silence


@pytest.fixture
def scripted(new_database, search):
    """Function: a database with the synced tables t and u behind a scripted endpoint, and that."""
    with ScriptedEndpoint(search) as endpoint:
        def make(**options):
            db = new_database(server=False)
            db.create_server(url=endpoint.url, **options)
            for name in ("t", "u"):
                db.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, v text);"
                           f"INSERT INTO {name} SELECT i, 'row' FROM generate_series(1, 20) i")
                db.create_sync(name)
            db.wait()
            return db, endpoint
        yield make


def test_a_deleted_index_does_not_come_back(scripted, search):
    """Nobody would know of what a request that is sent again makes in its place."""
    db, endpoint = scripted(request_timeout="2s")
    hanging = endpoint.script(silence)
    db.execute("UPDATE t SET v = 'late'")
    processes.wait_for(lambda: hanging.used, "a request that hangs")
    db.execute("SELECT polyglot.drop_sync('t', drop_index => true)")
    processes.wait_for(lambda: not db.query("SELECT FROM polyglot.dropped_index"), "the deletion")
    endpoint.heal()
    db.execute("UPDATE u SET v = 'changed'")
    db.assert_equal("u")
    assert list(search.client().indices.get(index=db.prefix + "*")) == [db.index("u-000001")]


def test_two_indexes_of_one_name_that_are_dropped_one_after_the_other(scripted, search):
    """The second one has the first one's name and is another one."""
    db, _ = scripted(request_timeout="5s")
    db.execute("SELECT polyglot.drop_sync('t', drop_index => true)")
    processes.wait_for(lambda: not search.client().indices.exists(index=db.index("t-000001")), "gone")
    db.create_sync("t")
    db.wait("t")
    db.execute("SELECT polyglot.drop_sync('t', drop_index => true)")
    processes.wait_for(lambda: not db.query("SELECT FROM polyglot.dropped_index"), "the deletion")
    assert list(search.client().indices.get(index=db.prefix + "*")) == [db.index("u-000001")]


def test_the_index_of_a_sync_whose_owner_alone_has_credentials(scripted, search):
    """Who may delete it is asked after the sync has gone."""
    db, endpoint = scripted(request_timeout="5s")
    db.execute("CREATE USER MAPPING FOR postgres SERVER search OPTIONS (user 'u', password 'p')")
    endpoint.script(error(401, "security_exception"),
                    lambda request: not request.headers.get("Authorization"))
    db.execute("UPDATE t SET v = 'changed'")
    db.assert_equal("t")
    db.execute("SELECT polyglot.stop_workers()")
    db.execute("SELECT polyglot.drop_sync('t', drop_index => true)")
    db.execute("SELECT polyglot.start_workers()")
    processes.wait_for(lambda: not db.query("SELECT FROM polyglot.dropped_index"), "the deletion")
    assert list(search.client().indices.get(index=db.prefix + "*")) == [db.index("u-000001")]


def test_credentials_that_end_while_a_request_is_under_way(scripted):
    """What they are refused for goes on with the ones that took their place."""
    db, endpoint = scripted()
    go = threading.Event()

    def refuse(handler, request):
        go.wait(60)
        handler.answer(401, b"{}")
    former = endpoint.script(refuse, lambda request: request.is_bulk and
                             not request.headers.get("Authorization"))
    db.execute("UPDATE t SET v = 'changed' WHERE id < 10")
    processes.wait_for(lambda: former.used, "a request with the former credentials")
    db.execute("CREATE USER MAPPING FOR postgres SERVER search OPTIONS (user 'u', password 'p')")
    db.execute("DELETE FROM t WHERE id = 10")
    processes.wait_for(lambda: any(request.headers.get("Authorization")
                                   for request in endpoint.bulks()), "the new ones")
    go.set()
    db.assert_equal("t")
    assert len(former.used) == 1


def test_nodes_are_shown_as_those_see_them_who_use_them(scripted):
    """What a user mapping that nobody has any more has seen last is of no interest."""
    db, endpoint = scripted()
    endpoint.script(hang_up(), lambda request: not request.headers.get("Authorization"))

    def state():
        return db.value("SELECT state FROM polyglot.servers")
    db.execute("UPDATE t SET v = 'changed'")
    processes.wait_for(lambda: state() == "dead", state)
    db.execute("CREATE USER MAPPING FOR postgres SERVER search OPTIONS (user 'u', password 'p')")
    db.assert_equal("t")
    processes.wait_for(lambda: state() == "healthy", state)
