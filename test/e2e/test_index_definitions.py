"""What an index is made from, and what is said when the server does not take it."""

import processes


def test_a_refused_mapping_is_shown_whole_and_healed_by_alter_sync(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, attributes jsonb);"
               """INSERT INTO t VALUES (1, '{"a": 1}')""")
    wrong = {"properties": {"attributes": {"type": "keyword", "enabled": False,
                                           "null_value": "x" * 200, "no_such_parameter": 7}}}
    db.create_sync("t", mapping=wrong)
    db.wait_for_state("t", "failed")
    error = db.status("t")["last_error"]
    assert "[attributes]" in error and "keyword" in error
    assert "no_such_parameter" in error or "enabled" in error
    assert "polyglot.alter_sync" in error and "drop the sync" not in error
    assert "[attributes]" in db.pg.log()
    db.execute("SELECT polyglot.alter_sync('t', reset => '{mapping}')")
    db.assert_equal("t")
    db.wait_for_state("t", "streaming")


def test_refused_settings_are_healed_by_alter_sync(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    db.create_sync("t", settings={"index.number_of_shards": 5000})
    db.wait_for_state("t", "failed")
    assert "[5000]" in db.status("t")["last_error"] and "must be <= 1024" in db.status("t")["last_error"]
    db.execute("""SELECT polyglot.alter_sync('t', settings => '{"index.number_of_shards": 2}')""")
    db.assert_equal("t")


def test_a_rebuild_that_the_server_refuses_says_why(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    db.create_sync("t")
    db.assert_equal("t")
    db.execute("""SELECT polyglot.alter_sync('t', settings => '{"index.number_of_shards": 5000}')""")
    processes.wait_for(lambda: "[5000]" in (db.status("t")["last_error"] or ""), "the reason")
    assert "polyglot.alter_sync" in db.status("t")["last_error"]
    db.execute("SELECT polyglot.alter_sync('t', reset => '{settings}')")
    db.assert_equal("t")


def test_what_an_operator_can_add_is_waited_for(db):
    """A part that the cluster lacks: blocked, not failed, since the cluster may get it."""
    db.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    db.create_sync("t", settings={"analysis": {"analyzer": {"x": {"type": "custom",
                                                                  "tokenizer": "no_such"}}}})
    db.wait_for_state("t", "blocked")
    status = db.status("t")
    assert "failed to find tokenizer under name [no_such]" in status["last_error"]
    assert status["problem"].startswith("the server makes no index: ") and "[no_such]" in status["problem"]
    assert "alter_sync" in status["hint"] and "tried again" in status["hint"]
    assert "takes no writes" not in status["problem"] and "index right" not in status["hint"]
    db.execute("SELECT polyglot.alter_sync('t', reset => '{settings}')")
    db.assert_equal("t")


def test_a_table_of_600_columns_needs_no_setting(db):
    columns = ", ".join(f"c{i} text" for i in range(600))
    db.execute(f"CREATE TABLE wide (id integer PRIMARY KEY, {columns});"
               "INSERT INTO wide (id, c599) VALUES (1, 'last')")
    db.create_sync("wide")
    db.assert_equal("wide")


def test_a_limit_of_fields_that_a_user_sets_is_named_in_the_hint(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, a text, b text); INSERT INTO t VALUES (1)")
    db.create_sync("t", settings={"index": {"mapping": {"total_fields": {"limit": 2}}}})
    db.wait_for_state("t", "failed")
    error = db.status("t")["last_error"]
    assert "Limit of total fields [2]" in error and "index.mapping.total_fields.limit" in error
    db.execute("""SELECT polyglot.alter_sync('t',
                  settings => '{"index.mapping.total_fields.limit": 100}')""")
    db.assert_equal("t")
