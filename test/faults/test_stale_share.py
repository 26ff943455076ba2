"""Somebody else writes newer versions into our index: what we send is stale, and that is said."""

import json

import processes

NEWER = 1 << 62


def overwrite(db, rows):
    """Another writer's documents, in versions that ours can never reach."""
    lines = []
    for number in range(1, rows + 1):
        lines += [json.dumps({"index": {"_id": str(number), "version": NEWER,
                                        "version_type": "external_gte"}}),
                  json.dumps({"id": number, "v": "another writer"})]
    answer = db.search.client().bulk(index=db.index("t"), body="\n".join(lines) + "\n")
    assert not answer["errors"]


def test_a_rising_share_of_stale_answers_is_a_warning(db):
    db.execute("ALTER SERVER search OPTIONS (ADD request_timeout '10s');"
               "CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 4000) i")
    db.create_sync("t")
    db.wait()
    # Twice the request timeout after its start a worker may still meet answers to its predecessor.
    pid = db.wait_for_worker()
    processes.wait_for(lambda: db.value("SELECT now() - backend_start > '21s' FROM pg_stat_activity"
                                        " WHERE pid = %s", (pid,)), "a worker that is not new")
    db.execute("UPDATE t SET v = 'ours'")
    db.wait()
    assert db.status("t")["stale"] == 0
    assert "stale" not in (db.status("t")["last_error"] or "")
    log = len(db.pg.log())
    overwrite(db, 2000)
    db.execute("UPDATE t SET v = 'lost' WHERE id <= 2000")
    db.wait()
    status = db.status("t")
    assert status["stale"] == 2000 and status["state"] == "streaming"
    assert "more than half of what is sent is stale" in status["last_error"]
    assert db.pg.log()[log:].count('more than half of what sync "t" sends is stale') == 1
    db.execute("UPDATE t SET v = 'delivered' WHERE id > 2000; UPDATE t SET v = 'again' WHERE id > 2000")
    db.wait()
    processes.wait_for(lambda: "stale" not in (db.status("t")["last_error"] or ""),
                       lambda: str(db.status("t")))
