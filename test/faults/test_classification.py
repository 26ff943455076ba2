"""Every row of the table of outcomes (src/core/search/classification.h), R for whole requests and I for
items, brought about by a scripted endpoint between a real worker and a real search server.

Each test lets something go wrong, looks at what the worker makes of it, ends it, and wants index and
table equal. R4, our own shortage of memory, is in test_limits.
"""

import json
import math
import socket

import pytest

import processes
from certificates import Authority
from conftest import Database
from scripted_endpoint import (ScriptedEndpoint, answer, anything, bulk, cut, delay, edit, endless,
                               error, hang_up, raw, refuse, silence, trickle)

ROWS = 8
ALL = [str(number) for number in range(1, ROWS + 1)]
BAD = "3"


class Scene:
    """A sync of a small table behind the endpoint, in step."""

    def __init__(self, pg, search, endpoint, rows=ROWS, **sync):
        self.endpoint, self.db = endpoint, Database(pg, search, server=False)
        self.db.create_server(url=endpoint.url, connect_timeout="2s", request_timeout="10s")
        self.db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                        f"INSERT INTO t SELECT i, 'row' FROM generate_series(1, {rows}) i")
        self.db.create_sync("t", **sync)
        self.db.wait()
        self.log_start = len(pg.log())

    def option(self, **values):
        for name, value in values.items():
            self.db.execute(f"ALTER SERVER search OPTIONS (SET {name} '{value}')")

    def change(self, where="true"):
        """One transaction, so that all of it fits into one request."""
        self.db.execute(f"UPDATE t SET v = v || ' changed' WHERE {where}")

    def status(self):
        return self.db.status("t")

    def log(self):
        return self.db.pg.log()[self.log_start:]

    def run_now(self):
        """No back-off is waited for."""
        with self.db.connect() as session:
            session.execute("SELECT polyglot.run_sync(timeout => '0s')")

    def hurry_until(self, condition, what, timeout=60):
        def hurried():
            self.run_now()
            return condition()
        processes.wait_for(hurried, lambda: f"{what}: {self.status()}", timeout, 0.2)

    def wait_for(self, condition, what, timeout=60):
        processes.wait_for(condition, lambda: f"{what}: {self.status()}", timeout)

    def wait_for_state(self, state, words):
        def seen():
            found = self.status()
            return found["state"] == state and words in (found["last_error"] or "")
        self.wait_for(seen, f"{state} because of {words!r}")

    def arrived(self):
        """The ids whose newest row is in the index."""
        self.db.search.client().indices.refresh(index=self.db.index("t"))
        rows = {str(number): text for number, text in self.db.query("SELECT id, v FROM t")}
        found = self.db.documents("t")
        return sorted(name for name, text in rows.items()
                      if name in found and found[name]["v"] == text)

    def assert_healed(self, dead=()):
        """All is well again: nothing is lost, and only these are dead letters; they can be redeemed."""
        self.endpoint.heal()
        self.run_now()
        self.db.wait()
        assert self.dead() == sorted(dead)
        if dead:
            assert self.db.value("SELECT polyglot.requeue('t')") == len(dead)
        self.db.assert_equal("t")
        assert self.dead() == []
        self.wait_for(lambda: self.status()["state"] == "streaming", "streaming")
        assert self.status()["parked"] == 0

    def dead(self):
        return sorted(letter[1] for letter in self.db.dead_letters())


@pytest.fixture
def make_scene(pg, search):
    made = []

    def make(endpoint=None, **more):
        endpoint = endpoint or ScriptedEndpoint(search)
        made.append(Scene(pg, search, endpoint, **more))
        return made[-1]
    yield make
    for scene in made:
        scene.endpoint.heal()
        scene.db.drop()
        scene.endpoint.__exit__()


@pytest.fixture
def scene(make_scene):
    return make_scene()


def assert_same(requests):
    """A retry is the same request: same operations, same versions, same bytes."""
    assert len({request.body for request in requests}) == 1, [r.ids for r in requests]


# ---- whole requests --------------------------------------------------------------------------

def test_r5_success(scene):
    before = len(scene.endpoint.bulks())
    scene.change()
    scene.db.assert_equal("t")
    assert sorted(scene.endpoint.bulks()[before].ids) == ALL
    assert len(scene.endpoint.bulks()) == before + 1
    status = scene.status()
    assert (status["retried"], status["last_error"], status["state"]) == (0, None, "streaming")


def test_r6_errors_of_items(make_scene):
    """The server itself refuses one item of a request and takes its neighbours."""
    scene = make_scene(mapping={"properties": {"v": {"type": "keyword", "ignore_above": 9},
                                               "n": {"type": "integer"}}})
    scene.db.execute("ALTER TABLE t ADD n text")
    scene.db.execute("SELECT polyglot.run_sync()")
    before = len(scene.endpoint.bulks())
    scene.db.execute("UPDATE t SET n = CASE WHEN id = 3 THEN 'no number' ELSE '1' END")
    scene.db.wait()
    assert len(scene.endpoint.bulks()) == before + 1
    assert scene.dead() == [BAD]
    assert scene.status()["retried"] == 0
    scene.db.execute("UPDATE t SET n = '3' WHERE id = 3")
    scene.assert_healed()


def wait_for_tries(scene, rule, count):
    scene.hurry_until(lambda: len(rule.used) >= count, f"{count} tries")


@pytest.mark.parametrize("row, act", [
    ("r13_408", answer(408)),
    ("r13_425", answer(425)),
    ("r16_429", error(429, "es_rejected_execution_exception")),
    ("r16_429_bare", answer(429, b"slow down")),
    ("r16_429_breaker", error(429, "circuit_breaking_exception")),
], ids=lambda value: value if isinstance(value, str) else "")
def test_the_same_again_and_the_server_is_well(scene, row, act):
    rule = scene.endpoint.script(act)
    scene.change()
    wait_for_tries(scene, rule, 5)
    status = scene.status()
    assert (status["state"], status["last_error"]) == ("streaming", None)
    assert status["retried"] >= 4 * ROWS
    assert_same(rule.used)
    scene.assert_healed()
    assert "disconnected" not in scene.log()
    assert [r.body for r in scene.endpoint.bulks()].count(rule.used[0].body) == len(rule.used) + 1


def test_r16_retry_after(scene):
    rule = scene.endpoint.script(error(429, "es_rejected_execution_exception", "r",
                                       ("Retry-After", "3")), times=1)
    scene.change(f"id = {BAD}")
    scene.wait_for(lambda: rule.used, "the refusal")
    scene.change("id = 4")  # nothing else goes out in the meantime either
    scene.db.assert_equal("t")
    later = [r.at for r in scene.endpoint.bulks() if r.at > rule.used[0].at]
    assert min(later) - rule.used[0].at >= 3
    scene.assert_healed()


def assert_away(scene, words):
    """disconnected, and nobody is blamed."""
    scene.change()
    scene.wait_for_state("disconnected", words)
    assert scene.dead() == []


def assert_away_for_long(scene, words):
    """After a while keys are parked, one row for each, and nothing changes until somebody heals it."""
    assert_away(scene, words)
    scene.wait_for(lambda: scene.status()["parked"] == ROWS, "all keys are parked")
    scene.change("id = 1")  # folds into the key that is parked already
    scene.wait_for(lambda: scene.status()["pending"] == ROWS, "what came later is parked, too")
    assert scene.status()["parked"] == ROWS
    scene.wait_for_state("disconnected", words)
    assert scene.dead() == []


@pytest.mark.parametrize("row, url, words", [
    ("r1_resolve", "http://no-such-host.invalid:9200", "resolving the host name"),
    ("r1_connect", None, "connecting"),
    ("r2_tls", "https://127.0.0.1:{port}", "TLS handshake"),
], ids=lambda value: value if str(value)[:1] == "r" else "")
def test_no_connection(scene, row, url, words):
    url = url or f"http://127.0.0.1:{processes.free_port()}"
    scene.option(url=url.format(port=scene.endpoint.port))
    assert_away_for_long(scene, words)
    scene.option(url=scene.endpoint.url)
    scene.assert_healed()


def test_r1_connect_timeout(scene):
    """Nobody takes the connection: the queue of those who wait is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        scene.option(url=f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout="300ms")
        assert_away(scene, "connecting: timed out after 300 ms")
    scene.option(url=scene.endpoint.url, connect_timeout="2s")
    scene.assert_healed()


def test_r2_unknown_authority(scene, search):
    authority = Authority(processes.work_folder() / "r2")
    with ScriptedEndpoint(search, certificate=authority.issue("node")) as secure:
        scene.option(url=secure.url)
        assert_away(scene, "TLS handshake")
        assert secure.requests == []
        scene.db.execute(f"ALTER SERVER search OPTIONS (ADD ca_file '{authority.file}')")
        scene.assert_healed()
        scene.option(url=scene.endpoint.url)
        scene.db.wait()


@pytest.mark.parametrize("row, act, words", [
    ("r3_closed", hang_up(), "waiting for the answer"),
    ("r3_reset", hang_up(reset=True), "waiting for the answer"),
    ("r3_silence", silence, "waiting for the answer: timed out after 1 s"),
    ("r3_slow_loris", trickle(0.3), "the answer: timed out after 1 s"),
    ("r3_cut_status_line", cut(7), "the answer"),
    ("r3_cut_headers", cut(30), "200"),  # libcurl takes it for an answer without a body
    ("r3_cut_body", cut(-1), "receiving the answer"),
    ("r3_reset_in_body", cut(-20, reset=True), "receiving the answer"),
    ("r3_no_http", raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "the answer"),
    ("r3_no_length", raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"), "the answer"),
], ids=lambda value: value if isinstance(value, str) and value.startswith("r3") else "")
def test_no_whole_answer(scene, row, act, words):
    scene.option(request_timeout="1s")
    rule = scene.endpoint.script(act, anything)
    assert_away(scene, words)
    bulks = [request for request in rule.used if request.is_bulk]
    assert_same(bulks[:2])  # after the third it is halved, after 3 s its keys are parked
    scene.option(request_timeout="10s")
    scene.assert_healed()


def test_r3_large_requests_are_cut_in_two(scene):
    """A proxy that hangs up on large requests looks like a server that is away."""
    rule = scene.endpoint.script(hang_up(), bulk(larger_than=1 << 20))
    scene.db.execute("UPDATE t SET v = repeat('x', 300000)")
    scene.hurry_until(lambda: scene.arrived() == ALL, "all documents")
    sizes = [len(request.ids) for request in rule.used]
    whole = sizes.count(8)  # libcurl repeats what fails on connections that it had kept, two of them
    assert 3 <= whole <= 9 and max(sizes[whole:], default=0) <= 4, sizes
    scene.assert_healed()


@pytest.mark.parametrize("row, statuses", [
    ("r8", [201, 204, 302, 307]),
    ("r12", [404, 405, 406, 410, 411, 414, 415, 417, 421, 431, 501, 505]),
    ("r18", [502, 503, 504, 507, 520, 529]),
], ids=lambda value: value if isinstance(value, str) else "")
def test_the_server_is_away_by_status(scene, row, statuses):
    headers = [("Location", "http://127.0.0.1:1/_bulk")]
    for status in statuses:
        rule = scene.endpoint.script(answer(status, b"<html>", *headers))
        scene.change()
        scene.wait_for_state("disconnected", f"HTTP {status}")
        assert sorted(rule.used[0].ids) == ALL
        assert scene.dead() == []
        scene.assert_healed()


@pytest.mark.parametrize("row, act, words", [
    ("r8_302", answer(302, b"", ("Location", "http://127.0.0.1:1/")), "302"),
    ("r12_404", answer(404, b"<html>not here"), "404"),
    ("r18_503", answer(503, b"<html>"), "503"),
    ("r18_504", answer(504, b""), "504"),
], ids=lambda value: value if str(value)[:1] == "r" else "")
def test_the_server_is_away_for_long(scene, row, act, words):
    """Keys are parked though the other requests of the worker are answered."""
    scene.endpoint.script(act)
    assert_away_for_long(scene, words)
    scene.assert_healed()


def test_r18_everything_unavailable(scene):
    scene.endpoint.script(answer(503, b"<html>"), anything)
    assert_away_for_long(scene, "503")
    scene.assert_healed()


@pytest.mark.parametrize("wants", [bulk(), anything], ids=["bulk", "everything"])
@pytest.mark.parametrize("row, act, words", [
    ("r10_401", error(401, "security_exception", "missing authentication credentials"), "401"),
    ("r10_407", answer(407, b"Proxy Authentication Required"), "407"),
    ("r11_402", answer(402, b"pay"), "402"),
    ("r11_403", error(403, "security_exception", "action [indices:data/write/bulk] is unauthorized"),
     "403"),
], ids=lambda value: value if str(value)[:1] == "r" else "")
def test_refused_credentials(scene, row, act, words, wants):
    scene.endpoint.script(act, wants)
    look = assert_away_for_long if row in ("r10_401", "r11_403") else assert_away
    look(scene, words)
    scene.assert_healed()


def test_r10_concerns_one_user_mapping_only(scene, search):
    """Another owner with another mapping on the same server goes on."""
    db = scene.db
    db.execute("CREATE ROLE other_owner SUPERUSER;"
               "CREATE USER MAPPING FOR other_owner SERVER search OPTIONS (user 'o', password 'p');"
               "CREATE TABLE u (id integer PRIMARY KEY, v text); ALTER TABLE u OWNER TO other_owner")
    try:
        db.create_sync("u")
        db.wait()
        scene.endpoint.script(error(401, "security_exception"),
                              lambda request: request.headers.get("Authorization"))
        db.execute("INSERT INTO u VALUES (1, 'x')")
        db.wait_for_state("u", "disconnected")
        scene.change()
        assert db.value("SELECT polyglot.wait_for_sync('t', '60s')") is True
        assert db.status("t")["state"] == "streaming"
        assert db.status("u")["state"] == "disconnected"
        scene.assert_healed()
        db.assert_equal("u")
    finally:
        db.execute("SELECT polyglot.drop_sync('u'); DROP TABLE u;"
                   "DROP USER MAPPING FOR other_owner SERVER search; DROP ROLE other_owner")


@pytest.mark.parametrize("status", [403, 429])
def test_r11_a_block_of_the_cluster_is_not_about_credentials(scene, status):
    scene.endpoint.script(error(status, "cluster_block_exception", "blocked by: [FORBIDDEN/6/x]"))
    scene.change()
    scene.wait_for_state("blocked", "cluster_block_exception")
    scene.wait_for(lambda: scene.status()["parked"] == ROWS, "all keys are parked")
    scene.assert_healed()


# An answer that does not add up may be to a request that was applied: nothing follows from it.
SUSPECT = [
    ("r7_html", answer(200, b"<html><body>It works!</body></html>", applied=True), 3),
    ("r7_empty", answer(200, b"", applied=True), 3),
    ("r7_cut_json", edit(lambda body: json.dumps(body).encode()[:-1]), 3),
    ("r7_no_errors", edit(lambda body: {"items": body["items"]}), 3),
    ("r7_no_items", edit(lambda body: {"errors": False}), 3),
    ("r7_item_missing", edit(lambda body: {**body, "items": body["items"][1:]}), 3),
    ("r7_item_too_many", edit(lambda body: {**body, "items": body["items"] * 2}), 3),
    ("r7_operation", edit(lambda body: {**body, "items": [
        {"delete": item} for wrapped in body["items"] for item in wrapped.values()]}), 3),
    ("r7_no_status", edit(lambda body: {**body, "items": [{"index": {}} for _ in body["items"]]}), 3),
    ("r7_flag", edit(lambda body: {**body, "errors": True}), 3),
    ("r7_deep", answer(200, b'{"errors":' + b"[" * 100_000), 3),
    ("r7_garbage", answer(200, bytes(range(256)) * 20), 3),
    ("r7_endless", endless(b" " * 65536, b'{"errors":false,"items":['), 3),
    ("r14_409", answer(409, b"conflict"), 3),
    ("r17_500", error(500, "null_pointer_exception", "oops"), 8),
]


@pytest.mark.parametrize("row, act, tries", SUSPECT, ids=[row for row, _, _ in SUSPECT])
def test_again_then_halves_and_never_a_dead_letter(scene, row, act, tries):
    """Only requests that carry one document get this answer: the others get through, and that one
    waits, disconnected, for as long as it takes."""
    rule = scene.endpoint.script(act, bulk(holding=BAD))
    scene.change()
    scene.hurry_until(lambda: rule.used and rule.used[-1].ids == [BAD], "it travels alone")
    scene.hurry_until(lambda: set(scene.arrived()) >= set(ALL) - {BAD}, "the others")
    scene.wait_for_state("disconnected", "")
    sizes = [len(request.ids) for request in rule.used]
    assert sizes[:tries + 3] == [8] * tries + [4, 2, 1], sizes
    assert set(sizes[tries + 3:]) == {1} or len(sizes) == tries + 3, sizes
    assert_same(rule.used[:tries])
    assert scene.dead() == []
    scene.assert_healed()


def test_r9_the_guilty_document_of_a_refused_request(scene):
    rule = scene.endpoint.script(error(400, "illegal_argument_exception", "id is bad"),
                                 bulk(holding=BAD))
    before = len(scene.endpoint.bulks())
    scene.change()
    scene.db.wait()
    ((sync, document, operation, status, kind, reason),) = scene.db.dead_letters()
    assert (sync, document, operation, status) == ("t", BAD, "index", 400)
    assert (kind, reason) == ("illegal_argument_exception", "id is bad")
    assert [len(request.ids) for request in rule.used] == [8, 4, 2, 1]
    assert len(scene.endpoint.bulks()) - before == 1 + 2 * 3
    assert len(scene.arrived()) == ROWS - 1
    assert (scene.status()["state"], scene.status()["last_error"]) == ("streaming", None)
    scene.endpoint.heal()
    scene.change(f"id = {BAD}")  # a newer version of the same id flows, and clears the letter
    scene.assert_healed()


@pytest.mark.parametrize("row, kind, reason", [
    ("r9_media_type", "media_type_header_exception", "Content-Type header [x] is not supported"),
    ("r9_parameter", "illegal_argument_exception",
     "request [/_bulk] contains unrecognized parameter: [filter_path]"),
], ids=lambda value: value if value.startswith("r9") else "")
def test_a_refusal_that_blames_the_request(scene, row, kind, reason):
    scene.endpoint.script(error(400, kind, reason))
    assert_away_for_long(scene, "HTTP 400")
    scene.assert_healed()


def test_r9_everything_is_refused(make_scene):
    """From the eighth lone refusal in a row on it is the request, not the documents."""
    scene = make_scene(rows=64)
    scene.endpoint.script(error(400, "parse_exception", "request body is required"))
    scene.change()
    scene.wait_for_state("disconnected", "HTTP 400")
    dead = scene.dead()
    assert len(dead) <= 7
    scene.assert_healed(dead)


def test_r15_one_document_is_too_large(scene):
    rule = scene.endpoint.script(answer(413), bulk(holding=BAD))
    scene.change()
    scene.db.wait()
    ((_, document, _, status, _, reason),) = scene.db.dead_letters()
    assert (document, status, reason) == (BAD, 413, "the request is too large")
    assert [len(request.ids) for request in rule.used] == [8, 4, 2, 1]
    assert len(scene.arrived()) == ROWS - 1
    scene.assert_healed([BAD])


def test_r15_the_limit_is_learnt(make_scene):
    """413 splits by bytes, is remembered, and makes no dead letter of what fits alone."""
    scene = make_scene(rows=60)
    limit = 400_000
    rule = scene.endpoint.script(answer(413), bulk(larger_than=limit))
    scene.db.execute("UPDATE t SET v = repeat('x', 20000)")
    scene.db.wait()
    assert rule.used
    learnt = len(rule.used)
    scene.db.execute("UPDATE t SET v = repeat('y', 20000)")
    scene.db.wait()
    assert len(rule.used) == learnt, "requests stay smaller"
    assert scene.status()["state"] == "streaming"
    scene.assert_healed()


def test_a_late_answer_is_an_answer(scene):
    rule = scene.endpoint.script(delay(1.5), times=1)
    scene.change()
    scene.db.assert_equal("t")
    assert len(rule.used) == 1
    assert scene.status()["retried"] == 0


# ---- items -----------------------------------------------------------------------------------

def test_i1_success(scene):
    scene.db.execute("INSERT INTO t VALUES (100, 'new')")  # 201
    scene.change("id = 1")                                 # 200
    scene.db.execute("DELETE FROM t WHERE id = 2")         # 200
    scene.db.assert_equal("t")
    status = scene.status()
    assert (status["deleted"], status["retried"], status["stale"]) == (1, 0, 0)


def test_i1_the_failure_store_is_not_the_index(scene):
    scene.endpoint.script(refuse([BAD], 201, failure_store="used"))
    scene.change()
    scene.db.wait()
    assert [letter[1:5] for letter in scene.db.dead_letters()] == [
        (BAD, "index", 201, "failure_store")]
    assert len(scene.arrived()) == ROWS - 1
    scene.assert_healed([BAD])


def test_i2_a_delete_that_finds_nothing(scene, search):
    """Success, after the index was seen to be the same one."""
    search.client().delete(index=scene.db.index("t"), id=BAD)
    before = len(scene.endpoint.bulks())
    scene.db.execute(f"DELETE FROM t WHERE id = {BAD}")
    scene.db.assert_equal("t")
    assert len(scene.endpoint.bulks()) == before + 1
    sent = scene.endpoint.bulks()[-1].at
    assert any(request.at > sent and request.command == "GET" for request in scene.endpoint.requests)
    assert (scene.status()["deleted"], scene.status()["retried"]) == (1, 0)


def test_i3_a_newer_version_is_there(scene):
    """The answer to a repetition: the first time it was applied, and the answer was lost."""
    rule = scene.endpoint.script(refuse(None, 409, "version_conflict_engine_exception"), times=1)
    scene.change()
    scene.db.wait()
    status = scene.status()
    assert (status["stale"], status["retried"], status["state"]) == (ROWS, 0, "streaming")
    assert len(rule.used) == 1 and scene.dead() == []
    scene.change()  # the conflict was invented: the index does not have it
    scene.assert_healed()


def test_i3_a_repeated_request_is_stale_or_the_same(scene):
    """The server applies it, the answer is lost: the repetition changes nothing."""
    rule = scene.endpoint.script(cut(-1), times=1)
    scene.change()
    scene.db.assert_equal("t")
    assert len(rule.used) == 1
    sent = {frozenset((operation.id, operation.version) for operation in request.operations)
            for request in scene.endpoint.bulks() if request.at >= rule.used[0].at}
    assert len(sent) == 1
    scene.assert_healed()


def assert_item_retried(scene, rule, tries):
    """Only the item itself travels again, with its version; the server counts as well."""
    assert [request.ids for request in rule.used[1:tries]] == [[BAD]] * (tries - 1)
    versions = {operation.version for request in rule.used for operation in request.operations
                if operation.id == BAD}
    assert len(versions) == 1
    assert scene.status()["retried"] >= tries - 1


RETRIED = [
    ("i4_409", 409, "resource_already_exists_exception"),
    ("i5_429_elasticsearch", 429, "es_rejected_execution_exception"),
    ("i5_429_opensearch", 429, "rejected_execution_exception"),
    ("i5_429_breaker", 429, "circuit_breaking_exception"),
    ("i5_503_breaker", 503, "circuit_breaking_exception"),
    ("i14_503", 503, "unavailable_shards_exception"),
    ("i14_503_master", 503, "process_cluster_event_timeout_exception"),
    ("i14_502", 502, "x"),
    ("i14_504", 504, "x"),
    ("i14_404_shard", 404, "shard_not_found_exception"),
    ("i14_500_node", 500, "node_closed_exception"),
    ("i15_500", 500, "string_index_out_of_bounds_exception"),
    ("i15_bare_404", 404, None),
    ("i15_302", 302, "x"),
]


@pytest.mark.parametrize("row, status, kind", RETRIED, ids=[row for row, _, _ in RETRIED])
def test_the_item_again(scene, row, status, kind):
    rule = scene.endpoint.script(refuse([BAD], status, kind), bulk(holding=BAD), times=4)
    scene.change()
    scene.hurry_until(lambda: len(scene.arrived()) == ROWS, "all documents")
    assert_item_retried(scene, rule, 4)
    assert scene.status()["state"] == "streaming"
    scene.assert_healed()


def test_i5_for_as_long_as_it_takes(scene):
    rule = scene.endpoint.script(refuse([BAD], 429, "es_rejected_execution_exception"),
                                 bulk(holding=BAD))
    scene.change()
    wait_for_tries(scene, rule, 15)
    assert_item_retried(scene, rule, 15)
    assert (scene.status()["state"], scene.dead()) == ("streaming", [])
    scene.assert_healed()


@pytest.mark.parametrize("row, status, kind", [
    ("i4_409", 409, "resource_already_exists_exception"),
    ("i15_500", 500, "string_index_out_of_bounds_exception"),
], ids=lambda value: value if str(value).startswith("i") else "")
def test_eight_times_then_a_dead_letter(scene, row, status, kind):
    rule = scene.endpoint.script(refuse([BAD], status, kind), bulk(holding=BAD))
    scene.change()
    scene.hurry_until(scene.dead, "a dead letter")
    assert [letter[1:5] for letter in scene.db.dead_letters()] == [(BAD, "index", status, kind)]
    assert len(rule.used) == 8
    assert_item_retried(scene, rule, 8)
    scene.assert_healed([BAD])


def test_i14_a_shard_that_stays_away_blocks_its_index(scene):
    rule = scene.endpoint.script(refuse(None, 503, "unavailable_shards_exception"))
    scene.change()
    scene.wait_for_state("blocked", "unavailable_shards_exception")
    assert len(rule.used) >= 5
    scene.wait_for(lambda: scene.status()["parked"] == ROWS, "all keys are parked")
    assert scene.dead() == []
    scene.assert_healed()


BLOCKED = [
    ("i6_429_flood_stage", 429, "cluster_block_exception",
     "index [t] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]"),
    ("i6_403_flood_stage", 403, "cluster_block_exception",
     "index [t] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)]"),
    ("i7_403_block", 403, "cluster_block_exception", "index [t] blocked by: [FORBIDDEN/8/x]"),
    ("i7_403_security", 403, "security_exception", "action is unauthorized for API key"),
    ("i7_401_security", 401, "security_exception", "unable to authenticate"),
    ("i10_closed", 400, "index_closed_exception", "closed"),
    ("i10_name", 400, "invalid_index_name_exception", "Invalid index name [T], must be lowercase"),
    ("i10_write_index", 400, "illegal_argument_exception",
     "no write index is defined for alias [t]. The write index may be explicitly disabled"),
    ("i10_pipeline", 400, "illegal_argument_exception", "pipeline with id [p] does not exist"),
    ("i10_data_stream", 400, "illegal_argument_exception",
     "only write ops with an op_type of create are allowed in data streams"),
]


@pytest.mark.parametrize("row, status, kind, reason", BLOCKED, ids=[row for row, *_ in BLOCKED])
def test_the_index_takes_no_writes(scene, row, status, kind, reason):
    rule = scene.endpoint.script(refuse(None, status, kind, reason))
    scene.change()
    scene.wait_for_state("blocked", kind)
    scene.wait_for(lambda: scene.status()["parked"] == ROWS, "all keys are parked")
    tried = len(rule.used)
    scene.run_now()  # a few keys are tried, and it is blocked still
    scene.wait_for(lambda: len(rule.used) > tried, "a probe")
    scene.wait_for_state("blocked", kind)
    assert scene.dead() == []
    assert sum(len(request.ids) for request in rule.used[tried:]) <= 10
    scene.assert_healed()


@pytest.mark.parametrize("action", ["index", "delete"])
def test_i8_a_missing_index_that_is_there(scene, action):
    """The server's word is checked; the index has its UUID: the same operations again."""
    rule = scene.endpoint.script(refuse([BAD], 404, "index_not_found_exception", "no such index"),
                                 bulk(holding=BAD), times=2)
    before = scene.db.query("SELECT * FROM polyglot.syncs")
    if action == "index":
        scene.change()
    else:
        scene.db.execute(f"DELETE FROM t WHERE id = {BAD}")
    scene.hurry_until(lambda: len(rule.used) == 2, "a second try")
    seen = [request for request in scene.endpoint.requests if request.at > rule.used[0].at]
    assert any(request.command == "GET" and not request.is_bulk for request in seen)
    scene.assert_healed()
    assert scene.db.query("SELECT * FROM polyglot.syncs") == before, "no other index was made"


DEAD = [
    ("i9_document_missing", 404, "document_missing_exception", "[3]: document missing"),
    ("i11_mapper", 400, "mapper_parsing_exception", "failed to parse field [v]"),
    ("i11_document", 400, "document_parsing_exception", "[1:9] failed to parse field [v]"),
    ("i11_strict", 400, "strict_dynamic_mapping_exception", "introduction of [x] is not allowed"),
    ("i11_immense", 400, "illegal_argument_exception", "Document contains at least one immense term"),
    ("i11_mapping", 400, "illegal_argument_exception", "mapper [v] cannot be changed from type"),
    ("i11_routing", 400, "routing_missing_exception", "routing is required for [t]/[3]"),
    ("i11_content", 400, "x_content_parse_exception", "[1:2] unexpected character"),
    ("i12_fields", 400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"),
    ("i13_405", 405, "x", "y"),
    ("i13_413", 413, "x", "y"),
    ("i13_418", 418, "x", "y"),
]


@pytest.mark.parametrize("row, status, kind, reason", DEAD, ids=[row for row, *_ in DEAD])
def test_one_dead_letter(scene, row, status, kind, reason):
    rule = scene.endpoint.script(refuse([BAD], status, kind, reason))
    scene.change()
    scene.db.wait()
    assert scene.db.dead_letters() == [("t", BAD, "index", status, kind, reason)]
    (attempts, version, document), = scene.db.query(
        "SELECT attempts, version, document FROM polyglot.dead_letters")
    (sent,) = [operation for operation in rule.used[0].operations if operation.id == BAD]
    assert (attempts, version) == (1, sent.version)
    assert json.loads(document) == json.loads(sent.lines.splitlines()[1])
    assert len(rule.used) == 1 and scene.status()["retried"] == 0
    assert scene.arrived() == sorted(set(ALL) - {BAD})
    assert scene.status()["state"] == "streaming"
    scene.assert_healed([BAD])


def test_i12_twenty_in_a_row(make_scene):
    """Then the mapping is at fault: the index is blocked, what has not failed yet is parked."""
    scene = make_scene(rows=100)
    scene.endpoint.script(refuse(None, 400, "illegal_argument_exception",
                                 "Limit of total fields [1000] has been exceeded"))
    scene.change()
    scene.wait_for_state("blocked", "documents in a row were refused alike")
    dead = scene.dead()
    assert len(dead) == 19
    scene.wait_for(lambda: scene.status()["parked"] == 81, "the other keys are parked")
    scene.assert_healed(dead)


def test_i13_a_refused_group_is_sent_singly(scene):
    """Streamed requests are refused in pieces: the neighbours are innocent."""
    kind = "action_request_validation_exception"
    group = scene.endpoint.script(refuse(["2", BAD, "4"], 400, kind, "id is too long"), times=1)
    alone = scene.endpoint.script(refuse([BAD], 400, kind, "id is too long"), bulk(holding=BAD))
    scene.change()
    scene.db.wait()
    assert [letter[1:5] for letter in scene.db.dead_letters()] == [(BAD, "index", 400, kind)]
    assert [sorted(request.ids) for request in group.used] == [ALL]
    assert [request.ids for request in alone.used] == [[BAD]]
    singly = [request.ids for request in scene.endpoint.bulks() if request.at > group.used[0].at]
    assert sorted(singly) == [["2"], [BAD], ["4"]]
    scene.assert_healed([BAD])


def test_b1_half_of_the_last_thousand_refused_alike(make_scene):
    scene = make_scene(rows=2000)
    scene.endpoint.script(refuse(None, 400, "mapper_parsing_exception", "failed to parse field [v]"))
    scene.change()
    scene.wait_for_state("blocked", "documents were refused alike")
    dead = scene.dead()
    assert len(dead) == 499
    scene.wait_for(lambda: scene.status()["parked"] == 2000 - len(dead), "the other keys are parked")
    scene.assert_healed(dead)


# ---- what one bad document costs ---------------------------------------------------------------

MANY = 10_000


def insert_many(scene):
    """The bulk requests that this costs."""
    before = len(scene.endpoint.bulks())
    scene.db.execute("INSERT INTO t SELECT i, CASE WHEN i = 7777 THEN 'bad' ELSE i::text END"
                     f" FROM generate_series(1001, {1000 + MANY}) i")
    scene.db.wait()
    return scene.endpoint.bulks()[before:]


def repetitions(requests):
    """Requests that carry what was sent before."""
    seen, again = set(), []
    for request in requests:
        sent = {(operation.id, operation.version) for operation in request.operations}
        if sent & seen:
            again.append(request)
        seen |= sent
    assert len({name for name, _ in seen}) == MANY
    return again


def test_an_item_refused_among_ten_thousand_costs_no_request(make_scene):
    scene = make_scene(rows=0, mapping={"properties": {"v": {"type": "integer"}}})
    requests = insert_many(scene)
    again = repetitions(requests)
    print(f"{len(requests)} requests, {len(again)} of them extra")
    assert again == []
    assert scene.dead() == ["7777"]
    scene.db.assert_equal("t", where="id <> 7777")
    assert scene.status()["retried"] == 0


def test_a_request_refused_for_one_of_ten_thousand_is_bisected(make_scene):
    scene = make_scene(rows=0)
    rule = scene.endpoint.script(error(400, "illegal_argument_exception", "bad"),
                                 bulk(holding="7777"))
    requests = insert_many(scene)
    again, batch = repetitions(requests), len(rule.used[0].ids)
    most = 2 * math.ceil(math.log2(batch))
    print(f"{len(requests)} requests, a batch of {batch}: {len(again)} extra, at most {most}")
    assert len(again) <= most
    assert batch >= 500, "or there is little to bisect"
    assert scene.dead() == ["7777"]
    scene.db.assert_equal("t", where="id <> 7777")
    scene.endpoint.heal()
    scene.db.execute("SELECT polyglot.requeue('t')")
    scene.db.assert_equal("t")
