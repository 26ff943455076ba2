"""HTTP servers of Python's own between worker and search server: they see every request, may refuse
or spoil it, and hand the rest on to a real server. And a proxy."""

import collections
import functools
import gzip
import hashlib
import hmac
import http.client
import http.server
import json
import select
import socket
import ssl
import threading
import time
import typing
import urllib.parse


PASSED_ON = ("content-type", "content-encoding", "x-opaque-id")


class Operation(typing.NamedTuple):
    """One of a bulk request."""
    action: str
    index: str
    id: str
    version: int
    lines: bytes


class Request(collections.namedtuple("Request", "command path headers body")):
    def __init__(self, *unused):
        self.at = time.monotonic()

    @property
    def is_bulk(self) -> bool:
        return self.path.startswith("/_bulk")

    @functools.cached_property
    def operations(self) -> list:
        found, lines = [], unpacked(self.headers, self.body).splitlines(True)
        while lines:
            text = lines.pop(0)
            ((action, what),) = json.loads(text).items()
            text += lines.pop(0) if action == "index" else b""
            found.append(Operation(action, what["_index"], what["_id"], what["version"], text))
        return found

    @property
    def ids(self) -> list:
        return [operation.id for operation in self.operations]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def handle_error(self, request, client_address):
        """Broken connections and failed handshakes are what tests are about."""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *unused):
        pass

    def setup(self):
        if self.server.tls is not None:  # here and not in accept(): a client may dawdle
            self.request.settimeout(10)
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
        super().setup()

    def answer(self, status: int, body: bytes, headers=()):
        self.wfile.write(self.message(status, body, headers))

    def message(self, status: int, body: bytes, headers=()) -> bytes:
        """A whole answer as it goes over the wire."""
        reason = http.client.responses.get(status, "Strange")
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers),
                 f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + \
            (body if self.command != "HEAD" else b"")

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.request_seen = Request(self.command, self.path, self.headers, body)
        self.server.requests.append(self.request_seen)
        if self.server.check(self, body):
            self.answer(*self.ask(body))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve

    def ask(self, body: bytes) -> tuple:
        """What the search server answers to this request: status, body, headers."""
        target = self.server.search.connection()
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() in PASSED_ON} | self.server.search.authorization
        target.request(self.command, self.path, body or None, headers)
        found = target.getresponse()
        data = found.read()
        target.close()
        return found.status, data, [pair for pair in found.getheaders()
                                    if pair[0].lower() in ("content-type", "x-elastic-product")]


class Gateway(Server):
    """In front of a search server, with TLS and credentials of its own. `check(handler, body)` may
    answer itself, and then returns False."""

    def __init__(self, search, check=lambda handler, body: True, certificate=None,
                 client_authority=None):
        self.search = search
        self.check, self.requests, self.tls = check, [], None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
            self.names = []
            self.tls.sni_callback = lambda found, name, context: self.names.append(name)
        if client_authority:
            self.tls.load_verify_locations(client_authority)
            self.tls.verify_mode = ssl.CERT_REQUIRED
        super().__init__(Handler)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def bulks(self) -> list:
        return [request for request in self.requests if request.is_bulk]


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *unused):
        pass

    def do_CONNECT(self):
        self.server.requests.append((self.command, self.path, self.headers))
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), 10) as far:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            self.wfile.flush()
            self._copy(self.connection, far)
        self.close_connection = True

    def _copy(self, near, far):
        while True:
            for ready in select.select([near, far], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (far if ready is near else near).sendall(data)

    def forward(self):
        self.server.requests.append((self.command, self.path, self.headers))
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        target.request(self.command, urllib.parse.urlunsplit(("", "", url.path, url.query, "")),
                       body or None, {name: value for name, value in self.headers.items()
                                      if name.lower() in PASSED_ON})
        found = target.getresponse()
        data = found.read()
        self.send_response_only(found.status)
        for name, value in found.getheaders():
            if name.lower() in ("content-type", "x-elastic-product"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        target.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward


class Proxy(Server):
    """An HTTP proxy: CONNECT, and plain requests with a complete URL."""

    def __init__(self):
        self.requests = []
        super().__init__(ProxyHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def aws_signature(command: str, path: str, headers, body: bytes, secret: str) -> tuple:
    """What the Authorization header says, and what it should say, by the description of Signature
    Version 4 in Amazon's documentation; `path` as it came over the wire."""
    words = headers["Authorization"].split(None, 1)
    fields = dict(word.strip().split("=", 1) for word in words[1].split(","))
    scope = fields["Credential"].split("/", 1)[1]
    names = fields["SignedHeaders"].split(";")
    url = urllib.parse.urlsplit(path)
    pairs = urllib.parse.parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    query = "&".join(sorted(f"{urllib.parse.quote(name, '-_.~')}={urllib.parse.quote(value, '-_.~')}"
                            for name, value in pairs))
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    request = "\n".join([command, urllib.parse.quote(url.path, "/-_.~"), query, lines,
                         ";".join(names), hashlib.sha256(body).hexdigest()])
    text = "\n".join([words[0], headers["X-Amz-Date"], scope,
                      hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return fields["Signature"], hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def unpacked(headers, body: bytes) -> bytes:
    return gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
