"""How the worker reaches a server: TLS, credentials, signatures, compression, proxies, bad answers."""

import json

import pytest

import gateway
import processes
from certificates import Authority


@pytest.fixture(scope="module")
def authority():
    return Authority(processes.work_folder() / "authority")


@pytest.fixture
def through(new_database):
    """Function: a database with a filled table whose server is the gateway; not yet in step."""
    def make(gate, mapping="", **options):
        database = new_database(server=False)
        database.create_server(url=options.pop("url", None) or gate.url, **options)
        if mapping:
            database.execute(f"ALTER USER MAPPING FOR PUBLIC SERVER search OPTIONS ({mapping})")
        database.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                         "INSERT INTO t SELECT i, repeat('row ', 20) || i"
                         "  FROM generate_series(1, 300) i")
        database.create_sync("t")
        return database
    return make


def follow(db):
    """Backfill and live changes arrive."""
    db.assert_equal("t")
    db.execute("UPDATE t SET v = 'changed' WHERE id < 50; DELETE FROM t WHERE id > 290")
    db.assert_equal("t")


def wait_for_error(db, words):
    processes.wait_for(lambda: words in (db.status("t")["last_error"] or ""),
                       lambda: f"{words!r} in {db.status('t')}")


def needs(authorization):
    def check(handler, body):
        if handler.headers.get("Authorization") == authorization:
            return True
        # What an impolite endpoint may do: say what it was sent.
        handler.answer(401, json.dumps({"error": {
            "type": "security_exception",
            "reason": f"not [{handler.headers.get('Authorization')}]"}, "status": 401}).encode())
    return check


def test_tls_with_a_certificate_authority(search, authority, through):
    with gateway.Gateway(search, certificate=authority.issue("plain")) as gate:
        db = through(gate)
        wait_for_error(db, "TLS handshake")
        assert gate.requests == []
        db.execute(f"ALTER SERVER search OPTIONS (ADD ca_file '{authority.file}')")
        follow(db)


def test_tls_server_name(search, authority, through):
    certificate = authority.issue("named", "DNS:search.internal")
    with gateway.Gateway(search, certificate=certificate) as gate:
        db = through(gate, ca_file=authority.file)
        wait_for_error(db, "TLS handshake")
        assert gate.requests == []
        db.execute("ALTER SERVER search OPTIONS (ADD tls_server_name 'search.internal')")
        follow(db)
        assert set(name for name in gate.names if name) == {"search.internal"}
        assert {headers["Host"] for _, _, headers, _ in gate.requests} == {
            f"search.internal:{gate.port}"}


def test_mutual_tls_and_a_bearer_token(search, authority, through):
    certificate, key = authority.issue("worker")
    with gateway.Gateway(search, needs("Bearer t0ken"), authority.issue("mutual"),
                         authority.file) as gate:
        db = through(gate, "ADD bearer_token 't0ken'", ca_file=authority.file)
        db.wait_for_state("t", "disconnected")
        assert gate.requests == []
        db.execute("ALTER SERVER search OPTIONS "
                   f"(ADD client_cert '{certificate}', ADD client_key '{key}')")
        follow(db)


def test_a_corrected_password_heals_without_restart(search, through):
    with gateway.Gateway(search, needs("Basic ZWxhc3RpYzpyaWdodA==")) as gate:
        db = through(gate, "ADD user 'elastic', ADD password 'wr0ng-secret'")
        wait_for_error(db, "401")
        worker = db.wait_for_worker()
        for secret in ("wr0ng-secret", "ZWxhc3RpYzp3cjBuZy1zZWNyZXQ="):
            assert secret not in str(db.status())
            assert secret not in db.pg.log()
        db.execute("ALTER USER MAPPING FOR PUBLIC SERVER search OPTIONS (SET password 'right')")
        follow(db)
        assert db.worker_pids() == [worker]


def test_an_unreadable_secret_file_is_reported_once_and_heals(search, through):
    file = processes.work_folder() / "api_key"
    with gateway.Gateway(search, needs("ApiKey a2V5")) as gate:
        db = through(gate, f"ADD api_key_file '{file}'")
        wait_for_error(db, "could not open file")
        for number in range(3):
            db.execute(f"CREATE TABLE t{number} (id integer PRIMARY KEY)")
            db.create_sync(f"t{number}")
            db.wait_for_state(f"t{number}", "disconnected")
        line = f'server "search": could not open file "{file}"'
        assert db.pg.log().count(line) == 1
        assert gate.requests == []
        file.write_text("a2V5\n")
        file.chmod(0o644)
        follow(db)


def test_gzip_against_a_real_server(search, through):
    with gateway.Gateway(search) as gate:
        db = through(gate, compression="gzip")
        follow(db)
        packed = [request for request in gate.bulks() if request[2].get("Content-Encoding")]
        assert packed
        for _, _, headers, body in packed:
            assert len(body) * 3 < len(gateway.unpacked(headers, body))
        db.execute("UPDATE t SET v = 'one' WHERE id = 1")
        db.assert_equal("t")
        assert gate.bulks()[-1][2].get("Content-Encoding") is None


def test_every_request_is_signed(search, through):
    wrong = []

    def check(handler, body):
        sent, expected = gateway.aws_signature(handler.command, handler.path, handler.headers, body,
                                               "s3cr3t/key")
        if sent != expected or "AKID/" not in handler.headers["Authorization"] or \
                "/eu-central-1/es/aws4_request" not in handler.headers["Authorization"]:
            wrong.append((handler.path, str(handler.headers)))
        return True

    with gateway.Gateway(search, check) as gate:
        db = through(gate, "ADD aws_access_key 'AKID', ADD aws_secret_key 's3cr3t/key'",
                     compression="gzip")
        wait_for_error(db, "aws_region")
        assert gate.requests == []
        with pytest.raises(Exception, match="cannot use the credentials"):
            db.query("SELECT * FROM polyglot.ping('search')")
        db.execute("ALTER SERVER search OPTIONS (ADD aws_region 'eu-central-1')")
        follow(db)
        db.execute("ALTER SERVER search OPTIONS (SET compression 'none')")

        def is_sent_large():  # as soon as the worker has taken the option
            db.execute("UPDATE t SET v = repeat('much', 2000) || random()")
            db.assert_equal("t")
            return max(len(body) for _, _, _, body in gate.bulks()) > 1 << 20
        processes.wait_for(is_sent_large, "a large request that is not compressed", 120)
        db.execute("TRUNCATE t")  # a new index and all that it needs
        db.assert_equal("t")
        assert wrong == []


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy(search, authority, through, tls):
    certificate = authority.issue("behind") if tls else None
    with gateway.Gateway(search, needs("Basic dTpw"), certificate) as gate, \
            gateway.Proxy() as proxy:
        if not tls:
            gate.check = lambda handler, body: True  # this proxy keeps the header to itself
        db = through(gate, "ADD user 'u', ADD password 'p'", proxy=proxy.url,
                     ca_file=authority.file)
        follow(db)
        assert proxy.requests
        if tls:
            assert {(command, path) for command, path, _ in proxy.requests} == {
                ("CONNECT", f"127.0.0.1:{gate.port}")}
            assert all("Authorization" not in headers for _, _, headers in proxy.requests)


def test_redirects_are_refused(search, through):
    def elsewhere(handler, body):
        handler.answer(302, b"", [("Location", search.url + handler.path)])

    with gateway.Gateway(search, elsewhere) as gate:
        db = through(gate)
        wait_for_error(db, "302")
        assert not search.client().indices.exists(index=db.index("t"))
        gate.check = lambda handler, body: True
        follow(db)


def test_an_endless_answer_is_cut_and_the_request_repeated(search, through):
    written = []

    def endless(handler, body):
        if "/_bulk" not in handler.path or len(written) >= 2:
            return True
        written.append(0)
        handler.send_response_only(200)
        handler.end_headers()
        handler.close_connection = True
        piece, at = b" " * 65536, len(written) - 1
        try:
            while True:
                handler.wfile.write(piece)
                written[at] += len(piece)
        except OSError:
            return False

    with gateway.Gateway(search, endless) as gate:
        db = through(gate)
        follow(db)
        assert len(written) == 2
        assert max(written) < 16 << 20, "the worker hung up"
        assert db.dead_letters() == []


def test_a_dead_node_of_two_is_no_disconnection(pg, search, through):
    closed = processes.free_port()
    start = len(pg.log())
    with gateway.Gateway(search) as gate:
        db = through(gate, url=f"http://127.0.0.1:{closed},{gate.url}")
        follow(db)
        for number in range(20):
            db.execute("UPDATE t SET v = %s WHERE id = 7", (f"version {number}",))
            db.wait()
        status = db.status("t")
        assert (status["state"], status["last_error"]) == ("streaming", None)
        assert "disconnected" not in db.pg.log()[start:]
        nodes = dict(db.query("SELECT node, state FROM polyglot.servers"))
        assert nodes[gate.url] == "healthy" and nodes[f"http://127.0.0.1:{closed}"] != "healthy"
        db.assert_equal("t")


def test_reassigned_tables_are_written_with_the_new_owners_credentials(search, new_database):
    """No event trigger hears of REASSIGN OWNED. Documents of published syncs follow the server."""
    with gateway.Gateway(search) as gate:
        db = new_database(server=False)
        one, two = f"{db.name}_one", f"{db.name}_two"
        db.execute(f"CREATE ROLE {one}; CREATE ROLE {two};"
                   f"GRANT CREATE ON DATABASE {db.name} TO {one}, {two};"
                   f"GRANT ALL ON SCHEMA public TO {one}, {two}")
        db.create_server(url=gate.url)
        db.execute(f"ALTER SERVER search OWNER TO {one};"
                   f"CREATE USER MAPPING FOR {one} SERVER search OPTIONS (api_key 'AAAA');"
                   f"CREATE USER MAPPING FOR {two} SERVER search OPTIONS (api_key 'BBBB');"
                   f"CREATE TABLE t (id integer PRIMARY KEY, v text); ALTER TABLE t OWNER TO {one}")
        db.create_sync("t")
        db.value("SELECT polyglot.create_sync(NULL, 'search', name => 'made')")
        db.execute("SELECT polyglot.publish('made', '1', '{}'); INSERT INTO t VALUES (1, 'one')")
        db.wait()
        assert {request.headers["Authorization"] for request in gate.bulks()} == {"ApiKey AAAA"}
        db.execute(f"REASSIGN OWNED BY {one} TO {two}")
        owners = "SELECT DISTINCT owner::text FROM polyglot.syncs"
        processes.wait_for(lambda: db.query(owners) == [(two,)], "both belong to the new owner")
        seen = len(gate.bulks())
        processes.wait_for(lambda: gate.requests[-1].headers["Authorization"] == "ApiKey BBBB", "his key")
        db.execute("SELECT polyglot.publish('made', '2', '{}'); INSERT INTO t VALUES (2, 'two')")
        db.wait()
        assert {request.headers["Authorization"] for request in gate.bulks()[seen:]} == {"ApiKey BBBB"}
        db.drop()
        db.pg.execute(f"DROP ROLE {one}; DROP ROLE {two}")
