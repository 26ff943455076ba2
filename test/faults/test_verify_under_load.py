"""What writers change while it runs is no difference: verify_sync beside pgbench."""

import pytest

import compare
from conftest import Database
from pgbench import Load

OWN = {
    "\\set id random(1, 60000)\n"
    "INSERT INTO own VALUES (:id, 'x', 1) ON CONFLICT (id) DO UPDATE SET n = own.n + 1;\n": 5,
    "\\set id random(1, 60000)\nUPDATE own SET v = v || '.', n = 1 WHERE id = :id;\n": 3,
    "\\set id random(1, 60000)\nDELETE FROM own WHERE id = :id;\n": 3,
    "\\set id random(1, 10)\nUPDATE own SET n = n + 1 WHERE id = :id;\n": 3,
    "\\set id random(1, 60000)\nUPDATE own SET id = nextval('moved') WHERE id = :id;\n": 2,
    "\\set id random(1, 60000)\nBEGIN;\nDELETE FROM own WHERE id BETWEEN :id AND :id + 20;\n"
    "INSERT INTO own SELECT i, 'again', 2 FROM generate_series(:id, :id + 20) i"
    " ON CONFLICT DO NOTHING;\nEND;\n": 1,
}


@pytest.fixture
def database(pg, search):
    database = Database(pg, search)
    yield database
    database.drop()


def verify_again_and_again(db, syncs, load, times):
    """Each of them, several times; how many rows a second were written meanwhile."""
    for _ in range(times):
        for sync in syncs:
            assert db.query("SELECT * FROM polyglot.verify_sync(%s)", (sync,)) == []
    assert load.is_running()
    return load.rate()


def report(db, name, rate):
    rows = db.query("SELECT sync, count(*), sum(compared), sum(extract(epoch FROM finished_at - started_at))"
                    " FROM polyglot.verifications WHERE finished_at IS NOT NULL GROUP BY 1 ORDER BY 1")
    for sync, count, compared, seconds in rows:
        print(f"{name}: {count} verifications of {sync}, {compared} rows in {seconds:.0f} s, beside"
              f" {rate:.0f} rows written/s")


def test_verify_beside_pgbench_reports_nothing(database):
    """TPC-B-like: the one row of pgbench_branches changes with each transaction."""
    database.pg.program("pgbench", "-i", "-q", "-s", "1", database.name)
    syncs = {"pgbench_accounts": "aid", "pgbench_tellers": "tid", "pgbench_branches": "bid"}
    for table in syncs:
        database.create_sync(table)
    database.wait(timeout="300s")
    with Load(database, {}, "pgbench_accounts", clients=3) as load:
        rate = verify_again_and_again(database, syncs, load, 4)
    report(database, "TPC-B", rate)
    database.wait(timeout="300s")
    for table, key in syncs.items():
        assert database.query("SELECT * FROM polyglot.verify_sync(%s)", (table,)) == []
        database.assert_equal(table, wait=False, key=[key])


def test_verify_beside_all_kinds_of_changes_reports_nothing(database):
    database.execute("CREATE TABLE own (id integer PRIMARY KEY, v text, n integer);"
                     "CREATE SEQUENCE moved START 60001;"
                     "INSERT INTO own SELECT i, 'row', 0 FROM generate_series(1, 60000) i")
    database.create_sync("own")
    database.wait(timeout="300s")
    with Load(database, OWN, "own", clients=3) as load:
        rate = verify_again_and_again(database, ["own"], load, 6)
        client, index = database.search.client(), database.index("own")
        client.index(index=index, id="4711999", body={"v": "nobody"})
        client.index(index=index, id="none", body={"v": "nobody"})
        found = database.query("SELECT document_id, problem FROM polyglot.verify_sync('own')")
        assert sorted(found) == [("4711999", "orphan"), ("none", "orphan")]
        assert database.value("SELECT polyglot.repair_sync('own')") == 2
        assert database.query("SELECT * FROM polyglot.verify_sync('own')") == []
    report(database, "all kinds", rate)
    database.assert_equal("own")
    assert not compare.read_documents(client, index).keys() & {"4711999", "none"}
