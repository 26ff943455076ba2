"""Published documents: the application's own, in the index as soon as its transaction has committed."""

import threading

import psycopg


def publish(session, sync, name, document, routing=None):
    session.execute("SELECT polyglot.publish(%s, %s, %s, %s)",
                    (sync, name, psycopg.types.json.Jsonb(document), routing))


def expected(db, sync):
    return {name: document for name, document in db.query(
        "SELECT id, document FROM polyglot.published WHERE sync = %s", (sync,))}


def assert_published(db, sync):
    """The index holds exactly what polyglot.published holds."""
    db.wait(sync)
    assert db.documents(sync) == expected(db, sync)


def create(db, name, **arguments):
    return db.create_sync(None, name=name, **arguments)


def test_documents_appear_with_the_transaction_and_not_without(db):
    create(db, "events")
    with db.connect(autocommit=False) as session:
        publish(session, "events", "a", {"type": "product_created", "price": 12.5})
        session.rollback()
        publish(session, "events", "b", {"type": "product_created"})
        publish(session, "events", "c", {"nested": {"list": [1, None, 2]}})
        session.commit()
        assert_published(db, "events")
        assert set(db.documents("events")) == {"b", "c"}
        publish(session, "events", "b", {"type": "product_renamed"})
        session.execute("SELECT polyglot.retract('events', 'c')")
        session.commit()
    assert_published(db, "events")
    assert db.documents("events") == {"b": {"type": "product_renamed"}}


def test_two_published_syncs_with_the_same_ids_do_not_mix(db):
    create(db, "one")
    create(db, "two")
    with db.connect() as session:
        for number in range(50):
            publish(session, "one", str(number), {"sync": 1})
            publish(session, "two", str(number), {"sync": 2})
        session.execute("SELECT polyglot.retract('one', n::text) FROM generate_series(0, 9) n")
    assert_published(db, "one")
    assert_published(db, "two")
    assert len(db.documents("one")) == 40 and len(db.documents("two")) == 50


def test_routing_moves_a_document(db):
    create(db, "routed", settings={"index": {"number_of_shards": 3}})
    with db.connect() as session:
        for routing in ("eu", "us", None, "asia"):
            publish(session, "routed", "x", {"at": routing}, routing)
            assert_published(db, "routed")
        session.execute("SELECT polyglot.retract('routed', 'x', 'asia')")
    assert_published(db, "routed")


def test_publishers_of_one_document_are_ordered(db):
    """Whatever the order in which they commit, the index shows the last one."""
    create(db, "busy")

    def run(number):
        with db.connect() as session:
            for step in range(50):
                publish(session, "busy", str(step % 5), {"by": number, "step": step})
    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_published(db, "busy")


def test_a_renamed_sync_keeps_its_documents(db):
    create(db, "before", index=db.index("kept"))
    with db.connect() as session:
        publish(session, "before", "1", {"v": 1})
        session.execute("SELECT polyglot.alter_sync('before', new_name => 'after')")
        publish(session, "after", "2", {"v": 2})
    db.wait("after")
    assert db.documents("kept") == expected(db, "after") == {"1": {"v": 1}, "2": {"v": 2}}


def test_enqueue_truncate_and_restart(db):
    create(db, "events")
    with db.connect() as session:
        publish(session, "events", "1", {"v": 1})
        assert_published(db, "events")
        db.pg.restart("fast")
    with db.connect() as session:
        publish(session, "events", "2", {"v": 2})
        session.execute("SELECT polyglot.enqueue('events', '1'::text)")
    assert db.value("SELECT polyglot.preview_document('events', '2'::text)") == {"v": 2}
    assert_published(db, "events")
    db.execute("TRUNCATE polyglot.published")
    assert_published(db, "events")
    assert db.documents("events") == {}


def test_a_dump_carries_the_documents(db):
    create(db, "events", options={"publishers": ["postgres"]})
    with db.connect() as session:
        publish(session, "events", "1", {"v": 1}, "eu")
    assert_published(db, "events")
    file = db.pg.folder / "published.sql"
    db.pg.program("pg_dump", "-f", str(file), database=db.name)
    db.pg.execute("CREATE DATABASE restored")
    try:
        db.pg.program("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file), database="restored")
        assert db.pg.query("SELECT * FROM polyglot.published", database="restored") == [
            ("events", "1", "eu", {"v": 1})]
        assert db.pg.query("SELECT sync, source, key FROM polyglot.syncs", database="restored") == [
            ("events", None, ["id"])]
        db.pg.execute("SELECT polyglot.drop_sync('events')", database="restored")
        assert not db.pg.query("SELECT FROM polyglot.published", database="restored")
    finally:
        db.pg.execute("DROP DATABASE restored WITH (FORCE)")
    assert_published(db, "events")
