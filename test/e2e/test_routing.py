"""Routing: a document is where its routing says, and nowhere else."""

import threading

import pytest

import processes
from scripted_endpoint import ScriptedEndpoint, answer


@pytest.fixture
def r(db):
    db.execute("CREATE TABLE r (id integer PRIMARY KEY, tenant text, v integer);"
               "INSERT INTO r SELECT i, 'tenant ' || i % 11, i FROM generate_series(1, 300) i")
    db.create_sync("r", routing="tenant", settings={"number_of_shards": 5})
    db.wait()
    return db


def test_documents_carry_their_routing(r):
    r.assert_equal("r", routing="tenant")


def test_a_changed_routing_moves_the_document(r):
    r.execute("UPDATE r SET tenant = 'moved' WHERE id % 3 = 0")
    r.assert_equal("r", routing="tenant")


def test_a_move_on_one_shard_counts_as_one_delivery(db):
    """The delete of the former place finds the document itself, which is no other writer's."""
    db.execute("CREATE TABLE one (id integer PRIMARY KEY, tenant text);"
               "INSERT INTO one SELECT i, 'here' FROM generate_series(1, 100) i")
    db.create_sync("one", routing="tenant")
    db.wait()
    before = db.status("one")["delivered"]
    db.execute("UPDATE one SET tenant = 'there'")
    db.assert_equal("one", routing="tenant")
    status = db.status("one")
    assert (status["delivered"], status["deleted"], status["stale"]) == (before + 100, 0, 0)


def test_a_routing_changed_back_and_forth(r):
    for number in range(10):
        r.execute("UPDATE r SET tenant = %s WHERE id <= 50", (f"round {number % 3}",))
    r.assert_equal("r", routing="tenant")


def test_deletes_go_to_the_right_shard(r):
    r.execute("UPDATE r SET tenant = 'z' WHERE id < 20; DELETE FROM r WHERE id < 40;"
              "INSERT INTO r VALUES (5, 'elsewhere', 0)")
    r.assert_equal("r", routing="tenant")


def test_moved_while_paused(r):
    r.execute("SELECT polyglot.pause_sync('r')")
    r.wait_for_state("r", "paused")
    r.execute("UPDATE r SET tenant = 'one' WHERE id <= 30")
    r.execute("UPDATE r SET tenant = 'two' WHERE id <= 20; DELETE FROM r WHERE id <= 10")
    r.execute("SELECT polyglot.resume_sync('r')")
    r.assert_equal("r", routing="tenant")


def test_moved_with_a_restart_in_between(r):
    r.execute("SELECT polyglot.stop_workers(); UPDATE r SET tenant = 'one' WHERE id <= 30")
    r.execute("UPDATE r SET tenant = 'two' WHERE id <= 20")
    r.pg.restart("immediate")
    r.execute("SELECT polyglot.start_workers(); DELETE FROM r WHERE id <= 5")
    r.assert_equal("r", routing="tenant")


def save_position(db):
    """Until what has been parked is not read again by a worker that starts: one more event, and the
    row in the queue that says how far it was read."""
    tables = [oid for row in db.query("SELECT table_a, table_b FROM polyglot.queue") for oid in row]

    def rows():
        return sum(db.value(f"SELECT count(*) FROM {db.value('SELECT %s::regclass::text', (oid,))}")
                   for oid in tables)
    before = rows()
    db.execute("SELECT polyglot.enqueue('r', 1)")
    processes.wait_for(lambda: rows() >= before + 2, "the saved position")


@pytest.fixture
def scripted(new_database, search):
    """A synced table behind a scripted endpoint; on one shard a delete for a former routing meets the
    document itself."""
    with ScriptedEndpoint(search) as endpoint:
        db = new_database(server=False)
        db.create_server(url=endpoint.url)
        db.execute("CREATE TABLE r (id integer PRIMARY KEY, tenant text, v integer);"
                   "INSERT INTO r SELECT i, 'here', i FROM generate_series(1, 20) i")
        db.create_sync("r", routing="tenant")
        db.wait()
        db.execute("SELECT polyglot.pause_sync('r')")
        db.wait_for_state("r", "paused")
        yield db, endpoint


def index_operations(request):
    return request.is_bulk and any(operation.action == "index" for operation in request.operations)


def delete_operations(request):
    return request.is_bulk and any(operation.action == "delete" for operation in request.operations)


def terminate_worker(db):
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE backend_type = 'polyglot_sync worker'")


@pytest.mark.parametrize("half", [index_operations, delete_operations])
def test_a_move_that_is_cut_off_after_its_first_half(scripted, half):
    """A parked key of a former routing makes the document and a delete. The worker may die between."""
    db, endpoint = scripted
    db.execute("UPDATE r SET tenant = 'there'")
    db.execute("UPDATE r SET tenant = 'here'")
    processes.wait_for(lambda: db.status("r")["parked"] == 40, "parked keys")
    save_position(db)
    # As when the others were on an earlier page, and are in the index already.
    db.execute("DELETE FROM polyglot.parked_key WHERE routing = 'here'")
    rule = endpoint.script(answer(503), half)
    db.execute("SELECT polyglot.resume_sync('r')")
    processes.wait_for(lambda: rule.used, "a half")
    terminate_worker(db)
    endpoint.heal()
    db.assert_equal("r", routing="tenant")


def test_a_move_that_is_tried_anew_beside_its_first_try(scripted):
    """The first try is acknowledged at last, and its parked keys go; the second one is cut off."""
    db, endpoint = scripted
    db.execute("UPDATE r SET tenant = 'there'")
    processes.wait_for(lambda: db.status("r")["parked"] == 40, "parked keys")
    save_position(db)
    go = threading.Event()

    def late(handler, request):
        go.wait(60)
        handler.answer(*handler.ask(request.body))
    first = endpoint.script(late, index_operations, times=1)
    db.execute("SELECT polyglot.resume_sync('r')")
    processes.wait_for(lambda: first.used, "the first try")
    db.execute("SELECT polyglot.pause_sync('r')")
    db.wait_for_state("r", "paused")
    db.execute("SELECT polyglot.resume_sync('r')")
    assert not db.value("SELECT polyglot.wait_for_sync('r', '2s')")  # the second one stands behind it
    second = endpoint.script(answer(503), index_operations)
    go.set()
    processes.wait_for(lambda: second.used, "the second try")
    terminate_worker(db)
    endpoint.heal()
    db.assert_equal("r", routing="tenant")


@pytest.mark.parametrize("end", ["UPDATE t SET n = 1 WHERE id = 1", "DELETE FROM t WHERE id = 1"])
@pytest.mark.parametrize("first, others", [("a", "bcdefg"), (None, "b")])
def test_a_move_whose_row_cannot_be_read_leaves_no_copy(db, end, first, others):
    """Only the move tells where the document was; the row can be read, or is gone, later."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, tenant text, n integer)")
    db.execute("INSERT INTO t SELECT i, %s, 1 FROM generate_series(1, 20) i", (first,))
    db.create_sync("t", routing="tenant", settings={"number_of_shards": 5},
                   document="pg_catalog.jsonb_build_object('id', id, 'tenant', tenant, 'q', 100 / n)")
    db.wait()
    for tenant in others:  # on five shards
        db.execute("UPDATE t SET tenant = %s, n = 0 WHERE id = 1", (tenant,))
        db.wait()
    assert {letter[1] for letter in db.dead_letters()} == {"1"}
    db.execute(end)
    db.wait()
    assert db.dead_letters() == []
    count = db.value("SELECT count(*) FROM t")
    db.search.client().indices.refresh(index=db.index("t"))
    assert db.search.client().count(index=db.index("t"))["count"] == count
