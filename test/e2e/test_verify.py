"""verify_sync finds exactly the damage that was done to an index; repair_sync ends it."""

import random

import psycopg
import pytest

ROWS = 3000


@pytest.fixture
def t(db):
    db.execute(f"CREATE TABLE t (id integer PRIMARY KEY, v text, n numeric);"
               f"INSERT INTO t SELECT i, 'row ' || i, i / 4.0 FROM generate_series(1, {ROWS}) i")
    db.create_sync("t")
    db.wait()
    return db


def verify(db, sync="t", **arguments):
    """document id → problem."""
    words = "".join(f", {name} => %({name})s" for name in arguments)
    rows = db.query(f"SELECT document_id, problem FROM polyglot.verify_sync(%(sync)s{words})",
                    {"sync": sync, **arguments})
    assert len(rows) == len(set(rows))
    found = {}
    for document_id, problem in rows:
        found.setdefault(document_id, set()).add(problem)
    return {name: "+".join(sorted(problems)) for name, problems in found.items()}


def last_verification(db, sync="t"):
    with db.connect(row_factory=psycopg.rows.dict_row) as session:
        return session.execute("SELECT * FROM polyglot.verifications WHERE sync = %s"
                               " ORDER BY started_at DESC LIMIT 1", (sync,)).fetchone()


def test_an_index_in_step_has_no_differences(t):
    assert verify(t) == {}
    last = last_verification(t)
    assert last["finished_at"] > last["started_at"]
    assert [last[name] for name in ("compared", "missing", "orphan", "different", "stale")] == \
        [ROWS, 0, 0, 0, 0]
    status = t.status("t")
    assert status["last_verified"] == last["finished_at"] and status["last_differences"] == 0


def test_each_kind_of_damage_is_found_and_repaired(t):
    client, index = t.search.client(), t.index("t")
    client.delete(index=index, id="17")
    client.index(index=index, id="18", body={"id": 18, "v": "vandal", "n": 4.5})
    client.index(index=index, id="4711", body={"id": 4711, "v": "nobody", "n": 1})
    client.index(index=index, id="no number", body={"v": "nobody"})
    client.index(index=index, id="0019", body={"id": 19, "v": "row 19", "n": 4.75})
    expected = {"17": "missing", "18": "different", "4711": "orphan", "no number": "orphan",
                "0019": "orphan"}
    assert verify(t) == expected
    rows = t.query("SELECT key, document_id, problem, detail FROM polyglot.differences"
                   " WHERE document_id IN ('18', 'no number') ORDER BY document_id")
    assert rows[0][:3] == ({"id": 18}, "18", "different") and "v" in rows[0][3]
    assert rows[1][:3] == (None, "no number", "orphan")
    assert t.value("SELECT polyglot.repair_sync('t')") == len(expected)
    assert verify(t) == {}
    t.assert_equal("t")
