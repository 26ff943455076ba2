"""verify_sync finds exactly the damage that was done to an index; repair_sync ends it."""

import random
import threading
import time

import psycopg
import pytest

import processes
from scripted_endpoint import silence
from test_in_flight import scripted  # noqa: F401, a fixture

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
    casts = {"sample": "::real"}
    words = "".join(f", {name} => %({name})s{casts.get(name, '')}" for name in arguments)
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


def test_routing(db):
    """A document at another routing is an orphan there and missing where it belongs; on the same
    shard it can be but one of both."""
    db.execute("CREATE TABLE r (id integer, part text, tenant text, PRIMARY KEY (part, id));"
               "INSERT INTO r SELECT i, 'a,' || i % 3, 'tenant ' || i % 7 FROM generate_series(1, 500) i")
    db.create_sync("r", routing="tenant", settings={"number_of_shards": 5})
    db.wait()
    client, index = db.search.client(), db.index("r")
    rows = db.query("SELECT id, part, tenant FROM r ORDER BY id LIMIT 20")
    expected = {}
    for number, part, tenant in rows:
        name = part.replace(",", "\\,") + f",{number}"
        source = client.get(index=index, id=name, routing=tenant)["_source"]
        if number % 2:
            client.delete(index=index, id=name, routing=tenant)
        client.index(index=index, id=name, routing=f"wrong {number}", body=source)
        found = client.mget(index=index, body={"docs": [{"_id": name, "routing": tenant}]})["docs"][0]
        if not found["found"]:
            expected[name] = "missing+orphan"
        else:
            expected[name] = "orphan" if found["_routing"] == tenant else "different"
    assert set(expected.values()) > {"orphan", "missing+orphan"}

    assert verify(db, "r") == expected
    assert db.value("SELECT polyglot.repair_sync('r')") >= len(expected)
    assert verify(db, "r") == {}
    db.assert_equal("r", key=["part", "id"], routing="tenant")


def test_a_filter_a_document_expression_and_partitions(db):
    db.execute("CREATE TABLE p (id bigint PRIMARY KEY, live boolean, v text) PARTITION BY HASH (id);"
               "CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
               "CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
               "INSERT INTO p SELECT i, i % 2 = 0, 'row ' || i FROM generate_series(1, 1000) i")
    db.create_sync("p", filter="live", document="jsonb_build_object('word', v)")
    db.wait()
    client, index = db.search.client(), db.index("p")
    client.index(index=index, id="1", body={"word": "row 1"})
    client.index(index=index, id="2", body={"word": "row 2", "more": None})
    client.delete(index=index, id="4")
    assert verify(db, "p") == {"1": "orphan", "2": "different", "4": "missing"}
    assert db.value("SELECT polyglot.repair_sync('p')") == 3
    assert verify(db, "p") == {}
    assert last_verification(db, "p")["compared"] == 500


def test_ids_that_are_hashes(db):
    """Nothing but the whole table tells which row such an id stands for."""
    db.execute("CREATE TABLE h (k text PRIMARY KEY, v integer);"
               "INSERT INTO h SELECT repeat('x', 600) || i, i FROM generate_series(1, 300) i")
    db.create_sync("h")
    db.wait()
    client, index = db.search.client(), db.index("h")
    by_value = {source["v"]: name for name, source in db.documents("h").items()}
    client.delete(index=index, id=by_value[1])
    client.index(index=index, id=by_value[2], body={"v": 2})
    nobody = "~" + "0" * 64
    client.index(index=index, id=nobody, body={"v": 2})
    client.index(index=index, id="~short", body={"v": 2})
    assert verify(db, "h") == {by_value[1]: "missing", by_value[2]: "different", nobody: "orphan",
                               "~short": "orphan"}
    assert db.value("SELECT polyglot.repair_sync('h')") == 4
    assert verify(db, "h") == {}
    db.assert_equal("h", key=["k"])


def test_an_old_version_that_was_put_back(db):
    db.execute("CREATE TABLE o (id integer PRIMARY KEY, v text); INSERT INTO o VALUES (1, 'new'), (2, 'new')")
    db.create_sync("o", settings={"gc_deletes": "0s"})
    db.wait()
    client, index = db.search.client(), db.index("o")
    client.delete(index=index, id="1")

    def put_back():
        client.indices.refresh(index=index)
        try:
            return client.index(index=index, id="1", body={"id": 1, "v": "old"}, version=5,
                                version_type="external")
        except Exception as error:  # the tombstone is still there
            assert "version_conflict" in str(error)
    processes.wait_for(put_back, "the tombstone has gone")
    assert verify(db, "o") == {"1": "stale"}
    assert db.value("SELECT polyglot.repair_sync('o')") == 1
    db.assert_equal("o")


def test_an_index_of_somebody_else(db):
    client = db.search.client()
    client.indices.create(index=db.index("u"), body={"mappings": {"dynamic": False}})
    db.execute("CREATE TABLE u (id uuid PRIMARY KEY, v text);"
               "INSERT INTO u SELECT gen_random_uuid(), i FROM generate_series(1, 100) i")
    db.create_sync("u", manage_index=False)
    db.wait()
    client.index(index=db.index("u"), id="x", body={})
    assert verify(db, "u") == {"x": "orphan"}
    assert db.value("SELECT polyglot.repair_sync('u')") == 1
    assert verify(db, "u") == {}


def test_changes_while_it_runs_are_no_differences(t):
    """Writers touch a few rows over and over, and many rows once."""
    stop = threading.Event()

    def write(seed):
        random_ = random.Random(seed)
        with t.connect() as session:
            while not stop.is_set():
                number = random_.choice([random_.randint(1, 20), random_.randint(1, 2 * ROWS)])
                statement = random_.choice([
                    "INSERT INTO t VALUES (%(id)s, 'again', 1) ON CONFLICT (id) DO UPDATE SET v = t.v || '.'",
                    "UPDATE t SET n = n + 1 WHERE id = %(id)s",
                    "DELETE FROM t WHERE id = %(id)s",
                    "UPDATE t SET id = -id WHERE id = %(id)s AND NOT EXISTS"
                    " (SELECT FROM t o WHERE o.id = -%(id)s)"])
                session.execute(statement, {"id": number})
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(4):
            assert verify(t) == {}
        client = t.search.client()
        client.index(index=t.index("t"), id="4711999", body={"v": "nobody"})
        assert verify(t) == {"4711999": "orphan"}
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert verify(t) == {"4711999": "orphan"}


@pytest.mark.slow
def test_a_thousand_damages_of_a_larger_table(db):
    rows, damages = 100_000, 1000
    db.execute(f"CREATE TABLE l (id integer PRIMARY KEY, v text, w text);"
               f"INSERT INTO l SELECT i, 'row ' || i, md5(i::text) FROM generate_series(1, {rows}) i")
    db.create_sync("l")
    db.wait()
    client, index, random_ = db.search.client(), db.index("l"), random.Random(5)
    expected, lines = {}, []
    for number in random_.sample(range(1, 2 * rows), damages):
        name = str(number)
        if number > rows:
            expected[name] = "orphan"
            lines += [{"index": {"_id": name}}, {"id": number, "v": "nobody"}]
        elif number % 2:
            expected[name] = "missing"
            lines += [{"delete": {"_id": name}}]
        else:
            expected[name] = "different"
            lines += [{"index": {"_id": name}}, {"id": number, "v": f"row {number}", "w": "altered"}]
    assert not client.bulk(index=index, body=lines)["errors"]
    assert verify(db, "l") == expected
    assert db.value("SELECT polyglot.repair_sync('l')") == damages
    assert verify(db, "l") == {}
    found = client.count(index=index)["count"]
    assert found == rows
    assert verify(db, "l", sample=0.05) == {}
    assert 0 < last_verification(db, "l")["compared"] < rows / 5


def test_it_survives_the_worker(t):
    t.search.client().delete(index=t.index("t"), id="17")
    with t.connect(autocommit=False) as session:
        session.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        assert verify(t, wait=False) == {}
        processes.wait_for(lambda: last_verification(t), "a verification that has begun")
        assert last_verification(t)["finished_at"] is None
        t.execute("SELECT pg_terminate_backend(%s)", (t.worker_pids()[0],))
    processes.wait_for(lambda: (last_verification(t) or {}).get("finished_at"), "it has ended")
    assert t.query("SELECT document_id, problem FROM polyglot.differences") == [("17", "missing")]
    assert t.status("t")["last_differences"] == 1


def test_what_cannot_be_verified(t):
    for statement, error in (("verify_sync('nobody')", psycopg.errors.UndefinedObject),
                             ("verify_sync('t', 0)", psycopg.errors.InvalidParameterValue),
                             ("verify_sync('t', 'NaN')", psycopg.errors.InvalidParameterValue)):
        with pytest.raises(error):
            t.query(f"SELECT * FROM polyglot.{statement}")
    t.execute("SELECT polyglot.pause_sync('t')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="paused"):
        t.query("SELECT * FROM polyglot.repair_sync('t')")
    t.execute("SELECT polyglot.resume_sync('t'); SELECT polyglot.stop_workers()")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stopped"):
        t.query("SELECT * FROM polyglot.verify_sync('t')")
    t.execute("SELECT polyglot.start_workers()")
    assert verify(t) == {}


def test_waiting_ends_with_the_sync(t):
    """Who waits is told when the sync is paused meanwhile, and can be cancelled."""
    with t.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.QueryCanceled), t.connect() as session:
            session.execute("SET statement_timeout = '1s'")
            session.execute("SELECT * FROM polyglot.verify_sync('t')")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="paused"), \
                t.connect() as session:
            threading.Timer(1, t.execute, ("SELECT polyglot.pause_sync('t')",)).start()
            session.execute("SELECT * FROM polyglot.verify_sync('t')")


def test_a_repair_whose_deletes_are_held_up(t):
    """What no key can ask for again is not taken for done."""
    client, index = t.search.client(), t.index("t")
    client.index(index=index, id="no number", body={"v": "nobody"}, refresh=True)
    client.indices.put_settings(index=index, body={"index.blocks.write": True})
    repair = threading.Thread(target=t.execute, args=("SELECT polyglot.repair_sync('t')",))
    repair.start()
    t.wait_for_state("t", "blocked")
    client.indices.put_settings(index=index, body={"index.blocks.write": None})
    t.execute("SELECT polyglot.run_sync(timeout => '0s')")
    repair.join()
    assert verify(t) == {}
    t.assert_equal("t")


@pytest.fixture
def held(scripted):  # noqa: F811
    """`t` is being verified by a question that is not answered, beside `u`."""
    db, endpoint = scripted()
    rule = endpoint.script(silence, lambda request: request.path.endswith("_mget")
                           and db.index("t-") in request.path)
    db.execute("SELECT polyglot.verify_sync('t', wait => false)")
    processes.wait_for(lambda: rule.used, "the question")
    db.heal = endpoint.heal
    return db


@pytest.mark.slow
def test_a_verification_that_cannot_go_on_holds_up_no_other(held, search):
    client, index = search.client(), held.index("t")
    client.indices.put_settings(index=index, body={"index.blocks.write": True})
    held.execute("UPDATE t SET v = 'waits'")
    held.wait_for_state("t", "blocked")
    with held.connect() as session:
        session.execute("SET statement_timeout = '60s'")
        assert session.execute("SELECT * FROM polyglot.verify_sync('u')").fetchall() == []
    held.heal()
    client.indices.put_settings(index=index, body={"index.blocks.write": None})
    held.execute("SELECT polyglot.run_sync(timeout => '0s')")
    assert verify(held) == {}
    held.assert_equal("t")


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_an_open_drop_of_a_sync_that_is_verified_holds_up_no_other(held, end):
    with held.connect() as session:
        session.execute("BEGIN; SELECT polyglot.drop_sync('t')")
        held.heal()
        for number in range(100, 110):
            held.execute("INSERT INTO u VALUES (%s, 'x')", (number,))
            held.wait("u", timeout="30s")
            time.sleep(0.5)  # it is stored every 2 s
        session.execute(end)
    held.assert_equal("u")
    if end == "ROLLBACK":
        assert verify(held) == {}
    for table in ("verification", "difference", "parked_key"):
        assert held.query(f"SELECT * FROM polyglot.{table} WHERE sync_id NOT IN"
                          " (SELECT id FROM polyglot.sync_definition)") == []


def test_a_mapping_that_demands_a_routing(db):
    """The server refuses to look for a document without one; it has none."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, r text); INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    db.create_sync("t", routing="r", mapping='{"_routing": {"required": true}}')
    db.wait()
    assert [letter[1] for letter in db.dead_letters()] == ["2"]
    with db.connect() as session:
        session.execute("SET statement_timeout = '60s'")
        found = session.execute("SELECT document_id, problem FROM polyglot.verify_sync('t')").fetchall()
    assert found == [("2", "missing")]


def test_a_row_that_cannot_be_read_keeps_its_document(db):
    """Also one whose key cannot be made of the document's id, at another routing than it has now."""
    db.execute("CREATE TABLE t (id text PRIMARY KEY, shop text, n integer);"
               "INSERT INTO t SELECT repeat('k', 600) || i, 'x', 1 FROM generate_series(1, 5) i")
    db.create_sync("t", routing="shop",
                   document="pg_catalog.jsonb_build_object('shop', shop, 'q', 100 / n)")
    db.wait()
    db.execute("UPDATE t SET n = 0 WHERE id LIKE '%3'")
    db.wait()
    assert set(db.query("SELECT problem FROM polyglot.verify_sync('t')")) == {("different",)}
    db.execute("SELECT polyglot.repair_sync('t')")
    client = db.search.client()
    client.indices.refresh(index=db.index("t"))
    assert client.count(index=db.index("t"))["count"] == 5
