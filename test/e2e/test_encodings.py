"""A database that is not in UTF-8: what is sent is."""


def test_a_latin1_database(new_database):
    db = new_database(options="ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    db.execute("CREATE TABLE t (id text PRIMARY KEY, \"größe\" text, j jsonb);"
               "INSERT INTO t VALUES ('é', 'naïve', '{\"ü\": \"ß\"}'), ('plain', 'ÿ', NULL)")
    db.create_sync("t")
    db.wait()
    db.execute("INSERT INTO t VALUES ('ñ', '¿', '[\"Å\"]'); UPDATE t SET \"größe\" = 'çà' WHERE id = 'é';"
               "DELETE FROM t WHERE id = 'plain'")
    db.wait()
    assert db.documents("t") == {"é": {"id": "é", "größe": "çà", "j": {"ü": "ß"}},
                                 "ñ": {"id": "ñ", "größe": "¿", "j": ["Å"]}}
    assert db.dead_letters() == []
