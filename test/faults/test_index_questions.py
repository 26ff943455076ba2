"""What is asked of a server beside bulk requests, when it is refused: for one index, or for all."""

import psycopg
import pytest

from conftest import Database
from scripted_endpoint import ScriptedEndpoint, error


@pytest.fixture
def scene(pg, search):
    """Function: a database with these tables, in step, whose server is the endpoint."""
    made = []

    def make(*tables):
        endpoint, db = ScriptedEndpoint(search), Database(pg, search, server=False)
        made.append((endpoint, db))
        db.create_server(url=endpoint.url, request_timeout="10s")
        for table in tables:
            db.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, v text);"
                       f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, 8) i")
            db.create_sync(table)
        db.wait()
        return endpoint, db
    yield make
    for endpoint, db in made:
        endpoint.heal()
        db.drop()
        endpoint.__exit__()


def test_a_refused_refresh_is_asked_for_at_leisure(scene):
    endpoint, db = scene("t")
    rule = endpoint.script(error(403, "security_exception"),
                           lambda request: request.path.endswith("/_refresh"))
    with db.connect() as session, pytest.raises(psycopg.errors.QueryCanceled):
        session.execute("SET statement_timeout = '4s'")
        session.execute("SELECT polyglot.refresh_index('t')")
    assert 2 <= len(rule.used) <= 8
    endpoint.heal()
    db.execute("SELECT polyglot.refresh_index('t')")
