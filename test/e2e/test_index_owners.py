"""An index has one owner, whatever name a sync calls it by: nobody else writes to it or deletes it."""

import pytest

import processes
from generations import Searcher
from search_client import scan

OWNERS = "polyglot-sync-owners"


@pytest.fixture
def good(db):
    """A sync `good` of 300 rows whose index others would like to have."""
    db.execute("CREATE TABLE good (id integer PRIMARY KEY);"
               "INSERT INTO good SELECT generate_series(1, 300)")
    db.create_sync("good")
    db.assert_equal("good")
    db.sync, db.physical = "good", db.index("good") + "-000001"
    return db


@pytest.fixture
def bare(db):
    """A sync `bare` of an index that somebody else has made, and an alias for it."""
    db.sync, db.physical = "bare", db.index("bare_index")
    db.search.client().indices.create(index=db.physical,
                                      body={"aliases": {db.index("bare_alias"): {}}})
    db.execute("CREATE TABLE bare (id integer PRIMARY KEY);"
               "INSERT INTO bare SELECT generate_series(1, 300)")
    db.create_sync("bare", index=db.index("bare_alias"), manage_index=False)
    db.assert_equal("bare", "bare_alias")
    return db


def has_all(db):
    client = db.search.client()
    client.indices.refresh(index=db.physical)
    return client.count(index=db.physical)["count"] == 300


def refused(db, other, words, **arguments):
    """A sync `mine` in `other` with these arguments fails in these words, and the index stays whole."""
    other.execute("CREATE TABLE IF NOT EXISTS mine (id integer PRIMARY KEY)")
    other.create_sync("mine", **arguments)
    other.wait_for_state("mine", "failed")
    assert words in other.status("mine")["last_error"]
    other.execute("TRUNCATE mine; INSERT INTO mine VALUES (1000); DELETE FROM mine")
    db.wait(db.sync)
    assert has_all(db)
    other.execute("SELECT polyglot.drop_sync('mine')")


def test_a_managed_index_cannot_be_taken_as_an_unmanaged_one(good, new_database):
    other = new_database()
    refused(good, other, "belongs to a sync of another database", index=good.physical,
            manage_index=False)
    name = good.index("another_alias")
    good.search.client().indices.put_alias(index=good.physical, name=name)
    refused(good, other, "belongs to a sync of another database", index=name, manage_index=False)
    refused(good, other, "belongs to a sync of another database", index=name)
    good.execute("INSERT INTO good VALUES (301)")
    good.assert_equal("good")


@pytest.mark.parametrize("replace", [False, True])
def test_a_generation_of_another_database_is_never_replaced(good, new_database, replace):
    refused(good, new_database(), "belongs to a sync of another database", index=good.physical,
            options={"replace_index": replace})


def test_two_syncs_cannot_take_one_index_by_alias_and_by_name(bare, new_database):
    other = new_database()
    refused(bare, other, "belongs to a sync of another database", index=bare.physical,
            manage_index=False)
    refused(bare, other, "belongs to a sync of another database", index=bare.physical,
            options={"replace_index": True})
    # Nor another sync of this database, whose server has the same address by another name.
    url = bare.search.url.replace("127.0.0.1", "localhost")
    bare.create_server("elsewhere", url=url)
    refused(bare, bare, "belongs to another sync of this database", server="elsewhere",
            index=bare.physical, manage_index=False)


def test_an_index_that_will_be_replaced_is_taken_already(db, new_database):
    """Its deletion waits for the end of a backfill: nobody else must begin to fill it meanwhile."""
    db.physical = db.index("old")
    client = db.search.client()
    client.indices.create(index=db.physical)
    for number in range(300):
        client.index(index=db.physical, id=f"old{number}", body={})
    db.execute("CREATE TABLE t (id integer PRIMARY KEY);"
               "INSERT INTO t SELECT generate_series(1, 1000)")
    db.create_sync("t", index=db.physical, options={"replace_index": True, "backfill_rate": 1})
    db.wait_for_state("t", "backfilling")
    other = new_database()
    other.execute("CREATE TABLE mine (id integer PRIMARY KEY)")
    other.create_sync("mine", index=db.physical, manage_index=False)
    processes.wait_for(lambda: other.status("mine")["state"] == "failed"
                       or "another copy" in (other.status("mine")["last_error"] or ""), "not taken")
    assert has_all(db)
    db.execute("""SELECT polyglot.alter_sync('t', options => '{"replace_index": true}')""")
    db.assert_equal("t", "old")


def test_an_unmanaged_index_that_is_given_up_is_free(bare, new_database):
    bare.execute("SELECT polyglot.drop_sync('bare')")
    processes.wait_for(lambda: not owner_documents(bare), "the document of the owner gone")
    other = new_database()
    other.execute("CREATE TABLE mine (id integer PRIMARY KEY); INSERT INTO mine VALUES (1000)")
    other.create_sync("mine", index=bare.physical, manage_index=False)
    other.wait()


def owner_documents(db):
    """Those that name the owner of the index `physical`."""
    client = db.search.client()
    uuid = client.indices.get(index=db.physical)[db.physical]["settings"]["index"]["uuid"]
    client.indices.refresh(index=OWNERS)
    return [hit for hit in scan(client, OWNERS) if hit["_id"] == "index:" + uuid]


def test_an_unmanaged_index_changes_hands_by_adoption(bare, new_database):
    other = new_database()
    other.execute("CREATE TABLE mine (id integer PRIMARY KEY); INSERT INTO mine VALUES (1000)")
    other.create_sync("mine", index=bare.physical, manage_index=False)
    other.wait_for_state("mine", "failed")
    other.execute("SELECT polyglot.adopt_sync('mine')")
    bare.wait_for_state("bare", "failed")
    assert "another database" in bare.status("bare")["last_error"]
    other.wait()
    found = {hit["_id"] for hit in scan(bare.search.client(), bare.physical)}
    assert "1000" in found


def test_no_sync_of_a_database_takes_an_index_from_another_one_of_it(good):
    """Not even by adoption, and whatever the server is called."""
    good.create_server("elsewhere", url=good.search.url.replace("127.0.0.1", "localhost"))
    good.execute("CREATE TABLE mine (id integer PRIMARY KEY)")
    for arguments in ({"index": good.physical, "manage_index": False}, {"index": good.index("good")},
                      {"index": good.physical, "options": {"replace_index": True}}):
        good.create_sync("mine", "elsewhere", **arguments)
        good.wait_for_state("mine", "failed")
        assert "another sync of this database" in good.status("mine")["last_error"]
        good.execute("SELECT polyglot.adopt_sync('mine')")
        good.wait_for_state("mine", "failed")
        good.execute("TRUNCATE mine; SELECT polyglot.drop_sync('mine')")
    good.assert_equal("good")
    assert good.status("good")["state"] == "streaming"


def test_who_is_refused_leaves_the_lease_to_the_owner(good, new_database):
    """The owner was stopped for a moment when somebody else tried."""
    good.execute("SELECT polyglot.stop_workers()")
    other = new_database()
    other.execute("CREATE TABLE mine (id integer PRIMARY KEY)")
    other.create_sync("mine", index=good.index("good"))
    other.wait_for_state("mine", "failed")
    assert "another database" in other.status("mine")["last_error"]
    good.execute("SELECT polyglot.start_workers(); INSERT INTO good VALUES (301)")
    good.assert_equal("good")
    assert good.status("good")["state"] == "streaming"
    assert other.status("mine")["state"] == "failed"


def test_our_own_index_belongs_to_nobody(good):
    client = good.search.client()
    before = client.count(index=OWNERS)["count"]
    client.indices.put_alias(index=OWNERS, name=good.index("theirs"))
    try:
        good.execute("CREATE TABLE mine (id integer PRIMARY KEY)")
        for arguments in ({"manage_index": False}, {}):
            good.create_sync("mine", index=good.index("theirs"), **arguments)
            good.wait_for_state("mine", "failed")
            assert "polyglot_sync itself" in good.status("mine")["last_error"]
            good.execute("TRUNCATE mine; SELECT polyglot.drop_sync('mine')")
        assert client.count(index=OWNERS)["count"] >= before > 0
    finally:
        client.indices.delete_alias(index=OWNERS, name=good.index("theirs"))


def test_an_extension_that_is_made_anew_continues_nothing(db):
    """Numbers of syncs come again, and what an index says of its sync is about another one."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    db.create_sync("t")
    db.assert_equal("t")
    db.execute("DROP EXTENSION polyglot_sync CASCADE")
    processes.wait_for(lambda: not db.worker_pids(), "no worker")
    db.execute("DROP SCHEMA IF EXISTS polyglot; CREATE EXTENSION polyglot_sync; DELETE FROM t WHERE id = 1")
    db.create_server()
    db.create_sync("t")
    db.assert_equal("t")


def test_an_alias_out_of_the_confined_names_leads_nowhere(db):
    client = db.search.client()
    outside = f"out_{db.prefix}x"
    client.indices.create(index=outside, body={"aliases": {db.index("inside"): {}}})
    try:
        db.execute("ALTER SERVER search OPTIONS (ADD confine 'true'); CREATE TABLE t (id int PRIMARY KEY)")
        db.create_sync("t", index=db.index("inside"), manage_index=False)
        db.wait_for_state("t", "failed")
        assert "confine" in db.status("t")["last_error"]
    finally:
        client.indices.delete(index=outside)


def test_drop_index_says_what_it_keeps(good, new_database):
    other = new_database()
    other.execute("CREATE TABLE mine (id integer PRIMARY KEY)")
    other.create_sync("mine", index=good.physical)
    other.wait_for_state("mine", "failed")
    with other.connect() as session:
        said = []
        session.add_notice_handler(lambda notice: said.append(notice.message_primary))
        session.execute("SELECT polyglot.drop_sync('mine', drop_index => true)")
    assert said == [f'index "{good.physical}" was not made by sync "mine": kept']
    good.assert_equal("good")


# ---- the alias ----------------------------------------------------------------------------------

@pytest.fixture
def template(db):
    """A function that makes an index template; removed at the end."""
    made = []

    def make(name, body):
        made.append(name)
        db.search.client().indices.put_index_template(name=name, body={"priority": 600, **body})
    yield make
    for name in made:
        db.search.client().indices.delete_index_template(name=name)


def test_an_alias_that_a_template_gives_shows_no_half_filled_index(good, template):
    template(good.index("t"), {"index_patterns": [good.index("good") + "-*"],
                               "template": {"aliases": {good.index("good"): {}}}})
    with Searcher(good, None, lambda count: count != 300 and f"{count} instead of 300", name="good"):
        good.execute("SELECT polyglot.rebuild_sync('good')")
        processes.wait_for(lambda: good.search.client().indices.exists(
            index=good.index("good") + "-000002"), "the next generation")
        good.wait_for_state("good", "streaming")
    assert list(good.search.client().indices.get_alias(name=good.index("good"))) == [
        good.index("good") + "-000002"]


def test_a_first_index_waits_for_its_alias_though_a_template_gives_it(db, template):
    client = db.search.client()
    client.indices.create(index=db.index("before"), body={"aliases": {db.index("t"): {}}})
    client.index(index=db.index("before"), id="x", body={}, refresh=True)
    template(db.index("t"), {"index_patterns": [db.index("t") + "-*"],
                             "template": {"aliases": {db.index("t"): {}}}})
    db.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 20000)")
    with Searcher(db, None, lambda count: count not in (1, 20000) and f"{count} documents"):
        db.create_sync("t")
        db.assert_equal("t")
    assert list(client.indices.get_alias(name=db.index("t"))) == [db.index("t") + "-000001"]


def test_an_alias_that_names_the_index_of_another_sync_too_is_told(good, template):
    template(good.index("u"), {"index_patterns": [good.index("other") + "-*"],
                               "template": {"aliases": {good.index("good"): {}}}})
    good.execute("CREATE TABLE other (id integer PRIMARY KEY); INSERT INTO other VALUES (1000)")
    good.create_sync("other")
    good.wait()
    index = good.index("other") + "-000001"
    processes.wait_for(lambda: index in (good.status("good")["last_error"] or ""), "it is said")
    assert "as well" in good.status("good")["last_error"]
    good.search.client().indices.delete_alias(index=index, name=good.index("good"))
