"""Ways in which other tools lost documents, where no other module stands for them: docs/testing.md
lists them all. Each test is named after what it prevents."""

import processes
from conftest import Database


def test_an_unchanged_long_value_does_not_become_null(db):
    """Values stored out of line are not part of an UPDATE that leaves them alone."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, n integer, long text, big jsonb);"
               "ALTER TABLE t ALTER long SET STORAGE EXTERNAL;"
               "INSERT INTO t SELECT i, 0, repeat(md5(i::text), 3000),"
               " jsonb_build_object('l', repeat(md5(i::text), 500)) FROM generate_series(1, 20) i")
    db.create_sync("t")
    db.wait()
    db.execute("UPDATE t SET n = n + 1")
    db.assert_equal("t")
    assert len(db.documents("t")["7"]["long"]) == 96000


def test_a_long_key_does_not_abort_the_writer(db):
    """NOTIFY would refuse more than 8,000 bytes and with it the INSERT."""
    db.execute("CREATE TABLE t (k text PRIMARY KEY, v integer);"
               "ALTER TABLE t ALTER k SET STORAGE EXTERNAL")
    db.create_sync("t")
    # As long as the key's own index takes, and many of them in one transaction.
    db.execute("INSERT INTO t SELECT repeat(chr(97 + i % 26), 2500) || i, i"
               " FROM generate_series(1, 2000) i")
    db.assert_equal("t", key=("k",))
    db.execute("DELETE FROM t WHERE v % 2 = 0; UPDATE t SET v = -v")
    db.assert_equal("t", key=("k",))


def test_deleted_documents_are_not_resurrected_when_the_server_forgets_them(db, own_search):
    """A search server keeps the versions of deleted documents in memory only."""
    shop = Database(db.pg, own_search, db.name + "_forgets")
    try:
        shop.execute("CREATE TABLE t (id integer PRIMARY KEY, v integer);"
                     "INSERT INTO t SELECT i, 0 FROM generate_series(1, 500) i")
        shop.create_sync("t")
        shop.wait()
        shop.execute("UPDATE t SET v = 1; DELETE FROM t WHERE id <= 250")
        own_search.restart()
        shop.execute("UPDATE t SET v = 2 WHERE id > 400; INSERT INTO t VALUES (1, 3)")
        shop.assert_equal("t")
        assert len(shop.documents("t")) == 251
    finally:
        shop.drop()


def test_running_out_of_worker_slots_is_said_and_heals(new_cluster, search):
    """A worker that silently never starts looks like one that has nothing to do."""
    pg = new_cluster(settings={"max_worker_processes": "3", "max_logical_replication_workers": "0"})
    full = []
    for number in range(3):
        db = Database(pg, search, f"slots{number}")
        db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
        db.create_sync("t")
        full.append(db)
    processes.wait_for(lambda: "raise max_worker_processes" in pg.log(), "the hint in the log", 120)
    assert pg.log().count("raise max_worker_processes") == 1, "said once, not with each try"
    pg.configure(max_worker_processes=16)
    pg.restart("fast")
    for db in full:
        db.assert_equal("t")
        db.drop()


def test_one_refused_document_does_not_stop_the_others_or_hide_its_name(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, i::text FROM generate_series(1, 300) i")
    db.create_sync("t", mapping={"properties": {"v": {"type": "integer"}}})
    db.wait()
    db.execute("UPDATE t SET v = CASE id WHEN 77 THEN 'not a number' ELSE '-1' END")
    db.wait()
    (letter,) = db.dead_letters()
    assert letter[:2] == ("t", "77") and letter[3] == 400 and letter[4] and "77" in letter[5]
    assert sum(document["v"] == "-1" for document in db.documents("t").values()) == 299
