"""Generations: a new index is filled beside the live one, and searches never see anything half done."""

import threading

import psycopg
import pytest

import processes
from generations import (GapSearcher, Searcher, Writer, generation, indexes, never_fewer, only_index,
                         wait_for_generation)
from scripted_endpoint import ScriptedEndpoint, answer, anything, delay, silence


@pytest.fixture
def t(db):
    # An old index stays for as long as a request may last.
    db.execute("ALTER SERVER search OPTIONS (ADD request_timeout '15s');"
               "CREATE TABLE t (id integer PRIMARY KEY, v text, n integer NOT NULL DEFAULT 0);"
               "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 2000) i")
    db.create_sync("t")
    db.wait()
    return db


def test_rebuild_moves_the_alias_and_drops_the_old_index(t):
    assert indexes(t) == {"t-000001": ["t"]}
    with Searcher(t, wrong=lambda count: count != 2000 and f"{count} documents"):
        t.execute("SELECT polyglot.rebuild_sync('t')")
        wait_for_generation(t, 2)
        only_index(t, 2)
    t.execute("UPDATE t SET v = 'after' WHERE id < 100; DELETE FROM t WHERE id > 1900")
    t.assert_equal("t")
    assert t.query("SELECT sync_id FROM polyglot.sync_state WHERE builds IS NOT NULL") == []


@pytest.mark.slow
def test_rebuild_while_others_insert(t):
    with Searcher(t, wrong=never_fewer()) as searcher, \
            Writer(t, "INSERT INTO t VALUES (10000 + %(n)s, 'live')"):
        for number in (2, 3):
            t.execute("SELECT polyglot.rebuild_sync('t')")
            wait_for_generation(t, number)
        only_index(t, 3)
    assert len(set(searcher.counts)) > 2
    t.assert_equal("t")


def test_rebuild_while_others_change_everything(t):
    with Searcher(t), \
            Writer(t, "INSERT INTO t VALUES (%(n)s %% 3000, 'again', %(n)s) ON CONFLICT (id) DO UPDATE"
                      " SET n = excluded.n"), \
            Writer(t, "DELETE FROM t WHERE id = (%(n)s * 7) %% 3000"):
        t.execute("SELECT polyglot.rebuild_sync('t')")
        wait_for_generation(t, 2)
    t.assert_equal("t")
    only_index(t, 2)


@pytest.mark.slow
def test_a_rebuild_beside_a_live_generation_is_not_waited_for(t):
    t.execute("INSERT INTO t SELECT i, 'more' FROM generate_series(3000, 40000) i")
    t.wait()
    t.execute("SELECT polyglot.rebuild_sync('t')")
    processes.wait_for(lambda: t.status("t")["state"] == "rebuilding", "the rebuild")
    client, number = t.search.client(), 0
    while generation(t) == 1:
        number += 1
        t.execute(f"UPDATE t SET v = 'live {number}' WHERE id = 1")
        assert t.value("SELECT polyglot.wait_for_sync('t', '60s', true)")
        assert client.get(index=t.index("t"), id="1")["_source"]["v"] == f"live {number}"
    assert number > 0
    t.assert_equal("t")


def test_truncate_and_reload_in_one_transaction_is_seen_as_a_whole(t):
    t.execute("UPDATE t SET v = 'old'")
    t.wait()
    old = {"term": {"v.keyword": "old"}}
    with Searcher(t, wrong=lambda count: count not in (2000, 15000) and f"{count} documents") as all_of_it, \
            Searcher(t, old, lambda count: count not in (2000, 0) and f"{count} old documents"):
        with t.connect(autocommit=False) as session:
            session.execute("UPDATE t SET v = 'not seen' WHERE id < 100; TRUNCATE t;"
                            "INSERT INTO t SELECT i, 'new' FROM generate_series(1001, 16000) i")
        t.wait("t")
        processes.wait_for(lambda: all_of_it.counts[-1] == 15000, "a search of the new content")
    assert set(all_of_it.counts) == {2000, 15000}
    t.assert_equal("t")
    assert generation(t) == 2


def test_truncate_while_changes_wait_keeps_the_old_content(t):
    """Rows that are read again after a TRUNCATE are not there: that must not delete documents."""
    with Searcher(t, wrong=lambda count: count not in (2000, 1) and f"{count} documents"):
        t.execute("UPDATE t SET v = v || 'x'")
        t.execute("TRUNCATE t; INSERT INTO t VALUES (1, 'one')")
        t.assert_equal("t")


def test_truncate_is_not_settled_before_the_new_content_is_there(t):
    t.execute("INSERT INTO t SELECT i, 'more' FROM generate_series(3000, 20000) i")
    t.wait()
    t.execute("TRUNCATE t; INSERT INTO t VALUES (7, 'seven')")
    t.execute("UPDATE t SET v = 'after'")
    t.wait("t")
    assert t.documents("t") == {"7": {"id": 7, "v": "after", "n": 0}}
    assert t.status("t")["lag"].total_seconds() < 5


@pytest.mark.parametrize("change", [
    "ALTER TABLE t ALTER COLUMN n TYPE text USING 'number ' || n",
    "ALTER TABLE t DROP COLUMN n",
    "ALTER TABLE t RENAME COLUMN n TO number",
    "ALTER TABLE t ADD COLUMN extra integer DEFAULT 7",
    "SELECT polyglot.alter_sync('t', mapping => '{\"properties\": {\"v\": {\"type\": \"keyword\"}}}')",
    "SELECT polyglot.alter_sync('t', settings => '{\"number_of_shards\": 2}')"])
def test_changed_definitions_build_a_new_index(t, change):
    with Searcher(t, wrong=lambda count: count != 2000 and f"{count} documents"):
        t.execute(change)
        t.wait()
    t.assert_equal("t", wait=False)
    assert generation(t) == 2
    client = t.search.client()
    if "mapping" in change:
        (found,) = client.indices.get_mapping(index=t.index("t")).values()
        assert found["mappings"]["properties"]["v"] == {"type": "keyword"}
    if "number_of_shards" in change:
        (found,) = client.indices.get_settings(index=t.index("t")).values()
        assert found["settings"]["index"]["number_of_shards"] == "2"


DOCUMENT = "jsonb_build_object('word', v, 'twice', 2 * n)"


@pytest.mark.parametrize("change, arguments, expected", [
    ("document => $$" + DOCUMENT + "$$", {"document": lambda row: {
        "word": row["v"], "twice": 2 * row["n"]}}, {2000}),
    ("columns => '{id,v}'", {"columns": ["id", "v"]}, {2000}),
    ("filter => 'id > 500'", {"where": "id > 500"}, {2000, 1500}),
    ("routing => 'v'", {"routing": "v"}, {2000})])
def test_changed_documents_build_a_new_index(t, change, arguments, expected):
    with Searcher(t, wrong=lambda count: count not in expected and f"{count} documents") as searcher:
        t.execute(f"SELECT polyglot.alter_sync('t', {change})")
        t.wait()
        last = min(expected)
        processes.wait_for(lambda: searcher.counts[-1] == last, "a search of the new content")
    t.assert_equal("t", wait=False, **arguments)
    assert set(searcher.counts) == expected
    assert generation(t) == 2


def test_definitions_change_under_writers(t):
    """Each change waits for open writers and they for it; nobody waits for anybody else."""
    changes = ["ADD COLUMN extra integer DEFAULT 7", "ALTER COLUMN n TYPE bigint",
               "RENAME COLUMN extra TO more", "ALTER COLUMN more TYPE text", "DROP COLUMN more",
               "ADD COLUMN last text DEFAULT 'last'"]
    with Searcher(t, wrong=never_fewer()), \
            Writer(t, "INSERT INTO t (id, v) VALUES (10000 + %(n)s, 'live')") as inserts, \
            Writer(t, "UPDATE t SET n = n + 1 WHERE id = %(n)s %% 2000"):
        for number, change in enumerate(changes):
            before = inserts.number
            t.execute(f"ALTER TABLE t {change}")
            processes.wait_for(lambda: inserts.number > before + 50, f"writes after {change}")
            if number % 2:
                t.wait(timeout="180s")
    t.assert_equal("t")
    assert t.dead_letters() == []
    found = t.documents("t")
    assert all(source["last"] == "last" and "more" not in source for source in found.values())


@pytest.mark.parametrize("column", ["n", "id"])
def test_a_table_that_is_rewritten_while_its_changes_wait(t, column):
    """To a snapshot from before such an ALTER TABLE the table is empty: that deletes no document. Nor
    does a key that was recorded with another type than it has now."""
    t.execute("CREATE FUNCTION slow(integer) RETURNS integer LANGUAGE plpgsql AS"
              " $$BEGIN IF $1 = 2000 THEN PERFORM pg_sleep(2); END IF; RETURN 0; END$$")
    change = threading.Thread(target=t.execute, args=(
        f"ALTER TABLE t ALTER COLUMN {column} TYPE bigint USING {column} + slow(id)",))
    with Searcher(t, wrong=lambda count: count != 2000 and f"{count} documents"):
        with t.connect(autocommit=False) as writer:
            writer.execute("UPDATE t SET v = 'changed' WHERE id <= 500")
            change.start()
            processes.wait_for(lambda: t.query("SELECT FROM pg_locks WHERE relation = 't'::regclass"
                                               " AND NOT granted"), "the change waits for the writer")
        change.join()
        t.wait()
    t.assert_equal("t", wait=False)
    assert t.dead_letters() == []


def test_a_transaction_that_is_open_all_through_a_rebuild(t):
    """What it wrote before the rebuild and during it is seen after its end, in the new index."""
    with t.connect(autocommit=False) as early, t.connect(autocommit=False) as late, \
            Searcher(t, wrong=never_fewer()):
        early.execute("INSERT INTO t VALUES (5001, 'early'); UPDATE t SET v = 'early' WHERE id = 1;"
                      "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'again')")
        t.execute("SELECT polyglot.rebuild_sync('t')")
        processes.wait_for(lambda: "t-000002" in indexes(t), "the new index")
        late.execute("INSERT INTO t VALUES (5002, 'late'); UPDATE t SET v = 'late' WHERE id = 3")
        wait_for_generation(t, 2)
        assert t.documents("t")["1"]["v"] == "row 1"
        early.commit()
        t.assert_equal("t")
        only_index(t, 2)
        late.commit()
    t.assert_equal("t")


def test_a_rebuild_while_the_table_is_truncated_again_and_again(t):
    """Each search finds one of the contents as a whole."""
    sizes = {2000: 0}

    def wrong(count):
        return count not in sizes and f"{count} documents"
    with Searcher(t, wrong=wrong):
        for number in range(1, 5):
            sizes[2000 + number] = number
            t.execute("SELECT polyglot.rebuild_sync('t')")
            with t.connect(autocommit=False) as session:
                session.execute("TRUNCATE t")
                session.execute("INSERT INTO t SELECT i, 'content' FROM generate_series(1, %s) i",
                                (2000 + number,))
            if number % 2:
                t.wait()
    t.assert_equal("t")


def test_a_dropped_table_leaves_its_index_searchable(t):
    t.execute("UPDATE t SET v = 'last words'; SELECT polyglot.rebuild_sync('t')")
    with Searcher(t, wrong=lambda count: count != 2000 and f"{count} documents"):
        t.execute("DROP TABLE t")
        processes.wait_for(lambda: not t.worker_pids(), "the worker's end", 120)
        assert len(indexes(t)) == 1 and list(indexes(t).values()) == [["t"]]
    assert t.status() == []


def test_a_dropped_key_column_fails_its_sync_alone(t):
    t.execute("CREATE TABLE u (id integer PRIMARY KEY)")
    t.create_sync("u")
    t.wait()
    with t.connect(autocommit=False) as session:
        session.execute("UPDATE t SET v = 'before'; INSERT INTO u VALUES (1)")
        session.execute("ALTER TABLE t DROP COLUMN id")
    t.wait_for_state("t", "failed")
    t.execute("UPDATE t SET v = 'after'; INSERT INTO u VALUES (2)")
    t.wait("u")
    t.assert_equal("u", wait=False)
    assert t.query("SELECT key FROM polyglot.outbox WHERE sync = 't' AND key IS NOT NULL") == []
    assert "key" in t.status("t")["last_error"]
    assert len(t.documents("t")) == 2000


def test_dropped_events_build_a_new_index(t):
    t.execute("ALTER SERVER search OPTIONS (ADD max_queue_size '1MB')")
    t.search.client().indices.put_settings(index=t.index("t-000001"),
                                           body={"index.blocks.write": True})
    with Searcher(t, wrong=lambda count: count not in (2000, 30000) and f"{count} documents") as searcher:
        t.execute("INSERT INTO t SELECT i, 'blocked' FROM generate_series(2001, 30000) i;"
                  "UPDATE t SET n = 1")
        wait_for_generation(t, 2)
        t.wait()
        processes.wait_for(lambda: searcher.counts[-1] == 30000, "a search of the new content")
    assert "events dropped: max_queue_size" in t.pg.log()
    t.assert_equal("t")


def only_whole(count):
    return count not in (2000, None) and f"{count} documents"


def test_an_index_that_somebody_deletes_is_built_again_behind_the_alias(t):
    client = t.search.client()
    with GapSearcher(t, "t-000001", wrong=only_whole) as searcher:
        client.indices.delete(index=t.index("t-000001"))
        wait_for_generation(t, 2)
        processes.wait_for(lambda: searcher.counts[-1] == 2000, "a search of the new index")
    assert None in searcher.counts
    t.execute("UPDATE t SET v = 'after'")
    t.assert_equal("t")
    assert indexes(t) == {"t-000002": ["t"]}


def test_an_index_that_somebody_replaces_is_left_to_him(t):
    client = t.search.client()
    with GapSearcher(t, "t-000001", wrong=only_whole) as searcher:
        client.indices.delete(index=t.index("t-000001"))
        client.indices.create(index=t.index("t-000001"))
        client.index(index=t.index("t-000001"), id="x", body={"not": "ours"}, refresh=True)
        wait_for_generation(t, 2)
        processes.wait_for(lambda: searcher.counts[-1] == 2000, "a search of the new index")
    assert None in searcher.counts
    t.execute("UPDATE t SET v = 'after'")
    t.assert_equal("t")
    assert indexes(t) == {"t-000001": [], "t-000002": ["t"]}
    assert t.documents("t-000001") == {"x": {"not": "ours"}}


@pytest.fixture
def large(t):
    """A rebuild of this one lasts for a while."""
    t.execute("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(3001, 60000) i")
    t.wait()
    return t


def begin_rebuild(db):
    db.execute("SELECT polyglot.rebuild_sync('t')")
    processes.wait_for(lambda: "t-000002" in indexes(db), "the new index")


def test_drop_sync_in_the_middle_leaves_no_index_behind(large):
    begin_rebuild(large)
    large.execute("SELECT polyglot.drop_sync('t')")
    only_index(large, 1)
    processes.wait_for(lambda: not large.worker_pids(), "the worker's end", 120)
    assert indexes(large) == {"t-000001": ["t"]}


@pytest.mark.slow
def test_pause_in_the_middle_then_resume(large):
    begin_rebuild(large)
    large.execute("SELECT polyglot.pause_sync('t'); UPDATE t SET v = 'paused' WHERE id < 100")
    large.wait_for_state("t", "paused")
    large.execute("SELECT polyglot.resume_sync('t')")
    wait_for_generation(large, 2)
    large.assert_equal("t")
    only_index(large, 2)


def test_a_rebuild_goes_on_after_a_crash(large):
    begin_rebuild(large)
    processes.wait_for(lambda: large.value("SELECT backfill_key FROM polyglot.sync_state"
                                           " WHERE builds IS NOT NULL"), "some progress stored")
    large.pg.kill(large.wait_for_worker())
    large.pg.wait_until_up()
    large.execute("DELETE FROM t WHERE id > 59000; UPDATE t SET v = 'after' WHERE id < 10")
    wait_for_generation(large, 2)
    large.assert_equal("t")
    only_index(large, 2)


def test_a_truncated_table_stays_so_over_a_crash(large):
    large.execute("TRUNCATE t; INSERT INTO t SELECT i, 'new' FROM generate_series(1, 30000) i")
    large.pg.kill(large.wait_for_worker())
    large.pg.wait_until_up()
    large.execute("UPDATE t SET v = 'changed' WHERE id < 100")
    large.assert_equal("t")


def test_a_rebuild_whose_index_is_lost_is_begun_again(large):
    begin_rebuild(large)
    large.search.client().indices.delete(index=large.index("t-000002"))
    wait_for_generation(large, 3)
    large.assert_equal("t")
    only_index(large, 3)


@pytest.mark.slow
@pytest.mark.parametrize("with_record", [False, True])
def test_what_is_made_in_place_of_a_lost_index_goes(large, with_record):
    """As a late bulk request makes it, and the record of the bound."""
    begin_rebuild(large)
    indices, name = large.search.client().indices, large.index("t-000002")
    record = indices.get_mapping(index=name)[name]["mappings"]["_meta"] if with_record else {}
    indices.delete(index=name)
    try:
        indices.create(index=name, body={"mappings": {"_meta": record}})
    except Exception as error:  # a late bulk request was faster
        assert "resource_already_exists" in str(error)
        indices.put_mapping(index=name, body={"_meta": record})
    wait_for_generation(large, 3)
    large.assert_equal("t")
    only_index(large, 3)


def test_an_index_that_lacks_documents_is_not_searched(large):
    begin_rebuild(large)
    client = large.search.client()

    def is_there():
        try:
            return client.exists(index=large.index("t-000002"), id="5")
        except Exception:  # its shard is not there yet
            return False
    processes.wait_for(is_there, "a document")
    client.delete(index=large.index("t-000002"), id="5")
    with Searcher(large, {"term": {"id": 5}}, lambda count: count != 1 and "the document is missing"):
        wait_for_generation(large, 3)
    assert "documents instead of" in large.pg.log()
    large.assert_equal("t")


def test_only_a_managed_index_can_be_rebuilt(db):
    db.search.client().indices.create(index=db.index("own"))
    db.execute("CREATE TABLE own (id integer PRIMARY KEY)")
    db.create_sync("own", index=db.index("own"), manage_index=False)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        db.execute("SELECT polyglot.rebuild_sync('own')")


@pytest.fixture
def scripted(new_database, search):
    """A table whose server is a scripted endpoint; not in any index yet."""
    with ScriptedEndpoint(search) as endpoint:
        db = new_database(server=False)
        db.create_server(url=endpoint.url)
        db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 50)")
        yield db, endpoint


def request_is_taken(db):
    processes.wait_for(lambda: db.value("SELECT count(*) FROM polyglot.rebuild_request") == 0, "the request")


def fields(db):
    (found,) = db.search.client().indices.get_mapping(index=db.index("t")).values()
    return set(found["mappings"]["properties"])


def test_a_definition_that_changes_before_there_is_an_index(scripted):
    db, endpoint = scripted
    rule = endpoint.script(answer(503), anything)
    db.create_sync("t")
    processes.wait_for(lambda: rule.used, "a request")
    db.execute("ALTER TABLE t ADD COLUMN a integer DEFAULT 7")
    request_is_taken(db)
    endpoint.heal()
    db.assert_equal("t")
    assert fields(db) == {"id", "a"}


def test_a_definition_that_changes_again_while_the_next_index_is_made(scripted):
    db, endpoint = scripted
    db.create_sync("t")
    db.wait()
    go = threading.Event()

    def late(handler, request):
        go.wait(60)
        handler.answer(*handler.ask(request.body))
    rule = endpoint.script(late, lambda request: request.command == "PUT", times=1)
    db.execute("ALTER TABLE t ADD COLUMN a integer DEFAULT 7")
    processes.wait_for(lambda: rule.used, "the index is asked for")
    db.execute("ALTER TABLE t ADD COLUMN b integer DEFAULT 8")
    request_is_taken(db)
    go.set()
    db.assert_equal("t")
    assert fields(db) == {"id", "a", "b"}


@pytest.mark.slow
def test_a_definition_that_changes_while_the_first_index_is_made(scripted):
    """The server has it before it answers: the next one is another one, not this one again."""
    db, endpoint = scripted
    go, made = threading.Event(), threading.Event()

    def late(handler, request):
        reply = handler.ask(request.body)
        made.set()
        go.wait(60)
        handler.answer(*reply)
    endpoint.script(late, lambda request: request.command == "PUT" and "-000001" in request.path, times=1)
    second = endpoint.script(delay(0), lambda request: request.command == "PUT"
                             and request.path.endswith("-000002"))
    db.create_sync("t")
    assert made.wait(60)
    db.execute("ALTER TABLE t ADD COLUMN a integer DEFAULT 7")
    request_is_taken(db)
    processes.wait_for(lambda: second.used, "an index of its own")
    go.set()
    wait_for_generation(db, 2)
    db.assert_equal("t")
    assert fields(db) == {"id", "a"}
    processes.wait_for(lambda: not db.query("SELECT FROM polyglot.dropped_index"), "the deletion", 120)
    assert list(indexes(db)) == ["t-000002"]
    db.assert_equal("t")


def test_a_rebuild_that_is_wanted_again_lets_the_live_index_go_on(scripted):
    """It stood still because the other one was about to take its place."""
    db, endpoint = scripted
    db.create_sync("t")
    db.wait()
    refresh = endpoint.script(silence, lambda request: request.path.endswith("-000002/_refresh"))
    making = endpoint.script(silence, lambda request: request.command == "PUT"
                             and request.path.endswith("-000003"))
    db.execute("SELECT polyglot.rebuild_sync('t')")
    processes.wait_for(lambda: refresh.used, "the end of the rebuild")
    db.execute("SELECT polyglot.rebuild_sync('t')")
    request_is_taken(db)
    processes.wait_for(lambda: making.used, "the next one")
    db.execute("INSERT INTO t VALUES (1000)")
    db.wait("t", timeout="20s")
    db.assert_equal("t", wait=False)
    endpoint.heal()
    wait_for_generation(db, 3)
    db.assert_equal("t")


@pytest.mark.slow
def test_a_key_of_another_type_in_an_index_of_somebody_else(db):
    """It is filled anew once, not with each change from then on."""
    db.search.client().indices.create(index=db.index("typed"))
    db.execute("CREATE TABLE typed (id integer PRIMARY KEY, v text);"
               "INSERT INTO typed SELECT i, 'row' FROM generate_series(1, 100) i")
    db.create_sync("typed", index=db.index("typed"), manage_index=False)
    db.wait()
    db.execute("ALTER TABLE typed ALTER COLUMN id TYPE bigint")
    db.wait()
    for value in ("first", "second"):
        db.execute("UPDATE typed SET v = %s WHERE id = 1", (value,))
        db.assert_equal("typed")
    assert 'sync "typed" is brought in step anew: an event' not in db.pg.log()
