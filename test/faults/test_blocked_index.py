"""An index that takes no writes, or answers late, or whose requests are lost, holds nobody up: `lag` of
the syncs beside it stays below two seconds all the time, also while it is found out."""

import pytest

import processes
from conftest import Database
from scripted_endpoint import ScriptedEndpoint, delay, hang_up, refuse, silence
from slow_indexes import (MOST_LAG, SteadyWriter, catch_up, create, describe, sample_lags,
                          wait_for_error)

BAD = "t0"
TABLES = [f"t{number}" for number in range(10)]


@pytest.fixture
def ten(db):
    create(db, TABLES)
    return db


def watch(db, bad, seconds, tables=TABLES):
    """Samples beside a writer; returns the states at the end."""
    writer = SteadyWriter(db, tables)
    try:
        lags, states = sample_lags(db, bad, seconds)
    finally:
        writer.stop()
    print(describe(lags))
    assert lags[-1] < MOST_LAG, describe(lags)
    return states


def test_nine_syncs_keep_their_lag_beside_a_blocked_one(ten):
    client = ten.search.client()
    client.indices.put_settings(index=ten.index(BAD), body={"index.blocks.write": True})
    states = watch(ten, [BAD], 60)
    assert states[BAD] == "blocked"
    assert ten.status(BAD)["parked"] > 0
    client.indices.put_settings(index=ten.index(BAD), body={"index.blocks.write": None})
    catch_up(ten, TABLES)


def test_an_index_without_enough_copies_costs_nobody_elses_lag(ten):
    """The server waits for the copy for two thirds of request_timeout: 20 s."""
    client, setting = ten.search.client(), "index.write.wait_for_active_shards"
    client.indices.put_settings(index=ten.index(BAD), body={setting: "2"})
    ten.execute(f"UPDATE {BAD} SET v = 'waits' WHERE id = 1")
    writer = SteadyWriter(ten, TABLES)
    try:
        wait_for_error(ten, BAD, ["takes longer than 2 s"])
        lags, states = sample_lags(ten, [BAD], 80)
    finally:
        writer.stop()
    print(describe(lags))
    assert lags[-1] < MOST_LAG, describe(lags)
    assert states[BAD] == "blocked"
    client.indices.put_settings(index=ten.index(BAD), body={setting: "1"})
    catch_up(ten, TABLES)


# What no server of one node can be made to do: an endpoint in front of it.

def of(*indexes):
    """Bulk requests that carry operations of one of these."""
    def wants(request):
        return request.is_bulk and any(operation.index.startswith(tuple(indexes))
                                       for operation in request.operations)
    return wants


@pytest.fixture(params=[8, 1], ids=["max_in_flight=8", "max_in_flight=1"])
def scripted(pg, search, request):
    with ScriptedEndpoint(search) as endpoint:
        db = Database(pg, search, server=False)
        db.create_server(url=endpoint.url, max_in_flight=request.param, request_timeout="12s")
        create(db, TABLES)
        db.endpoint = endpoint
        yield db
        endpoint.heal()
        db.drop()


def test_an_index_that_is_slow_without_an_error_costs_nobody_elses_lag(scripted):
    scripted.endpoint.script(delay(5), of(scripted.index(BAD)))
    states = watch(scripted, [BAD], 25)
    assert states[BAD] == "streaming"
    assert "takes longer than 2 s" in scripted.status(BAD)["last_error"]
    scripted.endpoint.heal()
    catch_up(scripted, TABLES)


def test_an_index_that_never_answers_is_blocked_and_costs_nobody_elses_lag(scripted):
    scripted.endpoint.script(silence, of(scripted.index(BAD)))
    states = watch(scripted, [BAD], 30)
    assert states[BAD] == "blocked"
    scripted.endpoint.heal()
    catch_up(scripted, TABLES)


def test_an_index_whose_requests_are_cut_costs_nobody_elses_lag(scripted):
    scripted.endpoint.script(hang_up(reset=True), of(scripted.index(BAD)))
    states = watch(scripted, [BAD], 25)
    assert states[BAD] == "blocked"
    scripted.endpoint.heal()
    catch_up(scripted, TABLES)


def test_rejections_of_one_index_cost_nobody_elses_lag(scripted):
    scripted.endpoint.script(refuse(None, 429, "es_rejected_execution_exception"),
                             lambda request: request.is_bulk and all(
                                 operation.index.startswith(scripted.index(BAD))
                                 for operation in request.operations))
    watch(scripted, [BAD], 15)
    scripted.endpoint.heal()
    catch_up(scripted, TABLES)


def test_eight_slow_indexes_of_ten_leave_the_other_two_alone(scripted):
    bad = TABLES[:8]
    scripted.endpoint.script(delay(7), of(*map(scripted.index, bad)))
    watch(scripted, bad, 25)
    scripted.endpoint.heal()
    catch_up(scripted, TABLES)


def test_a_burst_for_a_slow_index_leaves_room_for_others(scripted):
    scripted.endpoint.script(delay(7), of(scripted.index(BAD)))
    writer = SteadyWriter(scripted, TABLES[1:])
    try:
        scripted.execute(f"INSERT INTO {BAD} SELECT i, 'burst' FROM generate_series(1000, 60000) i")
        lags, _ = sample_lags(scripted, [BAD], 20)
    finally:
        writer.stop()
    print(describe(lags))
    processes.wait_for(lambda: scripted.status(BAD)["parked"] > 0, lambda: scripted.status(BAD))
    # The first of these changes stand behind the burst in the queue.
    assert lags[-1] < 3 * MOST_LAG, describe(lags)
    scripted.endpoint.heal()
    catch_up(scripted, TABLES)


def test_a_burst_for_a_slow_index_that_is_alone_waits_in_the_queue(scripted):
    for table in TABLES[1:]:
        scripted.execute(f"SELECT polyglot.drop_sync('{table}', drop_index => true)")
    scripted.endpoint.script(delay(4), of(scripted.index(BAD)))
    scripted.execute(f"INSERT INTO {BAD} SELECT i, 'burst' FROM generate_series(1000, 60000) i")
    processes.wait_for(lambda: "takes longer" in (scripted.status(BAD)["last_error"] or "")
                       or scripted.status(BAD)["pending"] < 30_000, lambda: scripted.status(BAD), 120)
    assert scripted.status(BAD)["parked"] == 0
    scripted.wait(BAD, timeout="120s")
    assert scripted.value("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'parked_key'") == 0
    scripted.endpoint.heal()
    scripted.assert_equal(BAD)
