"""The lines of the README's quick start do what it says."""


def test_one_call_keeps_an_index_in_step(db):
    db.execute("CREATE TABLE products (id integer PRIMARY KEY, name text, price numeric(10,2));"
               "INSERT INTO products SELECT i, 'product ' || i, i FROM generate_series(1, 100) i")
    assert db.create_sync("products") == "products"
    db.assert_equal("products")
    db.execute("INSERT INTO products VALUES (101, 'lamp', 12.50);"
               "UPDATE products SET name = 'chair' WHERE id = 5; DELETE FROM products WHERE id = 7")
    db.assert_equal("products")
    hits = db.search.client().search(index=db.index("products"),
                                     body={"query": {"match": {"name": "chair"}}})["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["5"]


def test_ping_names_the_server_and_its_health(db, search):
    ((product, version, cluster, status, answered),) = db.query(
        "SELECT product, version, cluster, status, latency > '0' FROM polyglot.ping('search')")
    assert (product, version) == (search.kind, search.version)
    assert cluster == "test"
    assert status in ("green", "yellow")
    assert answered
