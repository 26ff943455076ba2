"""A TCP proxy on loopback that misbehaves when told to: between a worker and a real search server."""

import random
import selectors
import socket
import struct
import threading
import time

import processes

CHUNK = 16384


class Fault:
    """What happens to the bytes of connections. The defaults do nothing."""

    def __init__(self, latency=0.0, bandwidth=None, truncate_at=None, reset_at=None,
                 silent=False, answer=None):
        self.latency = latency          # seconds before each piece goes on
        self.bandwidth = bandwidth      # bytes a second, each direction of each connection
        self.truncate_at = truncate_at  # the answer ends (FIN) after this many bytes
        self.reset_at = reset_at        # RST after this many bytes of the answer
        self.silent = silent            # accepts, reads, never answers
        self.answer = answer            # bytes given instead of the server's answer to a request


class FaultProxy:
    """Listens on `port` and forwards to `target`. Faults count for open connections too."""

    def __init__(self, target: int):
        self.target, self.port = target, processes.free_port()
        self.fault = Fault()
        self.swallowed = 0       # bytes that were read and will not be answered
        self.connections = set()
        self.lock = threading.Lock()
        self.listener, self.ended = None, threading.Event()
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.ended.set()
        self.refuse()

    def listen(self) -> None:
        if self.listener is None:
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
            threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def refuse(self) -> None:
        """Nobody listens any more, and what was open is reset."""
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the accept()
            listener.close()
        self.reset_connections()

    def black_hole(self) -> None:
        self.apply(Fault(silent=True))

    def apply(self, fault: Fault) -> None:
        self.fault = fault

    def heal(self) -> None:
        """Everything as if the proxy were not there; connections that met a fault are reset."""
        bad = self.fault.silent or self.fault.answer
        self.fault = Fault()
        if bad:
            self.reset_connections()
        self.listen()

    def reset_connections(self) -> int:
        with self.lock:
            open_now = list(self.connections)
        for connection in open_now:
            connection.reset()
        return len(open_now)

    def _accept(self, listener) -> None:
        while not self.ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            connection = Connection(self, client)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=connection.run, daemon=True).start()


class Connection:
    """One client's connection and the one to the server behind it."""

    def __init__(self, proxy: FaultProxy, client: socket.socket):
        self.proxy, self.client, self.server = proxy, client, None
        self.answered = 0
        self.dead = False

    def run(self) -> None:
        try:
            self.server = socket.create_connection(("127.0.0.1", self.proxy.target), timeout=5)
            self.server.settimeout(None)
            self._relay()
        except OSError:
            pass
        finally:
            with self.proxy.lock:
                self.proxy.connections.discard(self)
            for end in (self.client, self.server):
                if end is not None:
                    end.close()

    def reset(self) -> None:
        """RST to the client: the relay then ends by itself."""
        self.dead = True
        try:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for end in (self.client, self.server):
                if end is not None:
                    end.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def _relay(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self.client, selectors.EVENT_READ)
            ready.register(self.server, selectors.EVENT_READ)
            while not self.dead:
                for key, _ in ready.select(1.0):
                    piece = key.fileobj.recv(CHUNK)
                    if not piece or self.dead:
                        return
                    if not self._pass(piece, key.fileobj is self.client):
                        return

    def _pass(self, piece: bytes, is_request: bool) -> bool:
        """Sends a piece on, or does to it what the fault wants; False ends the connection."""
        fault = self.proxy.fault
        if fault.latency:
            time.sleep(fault.latency)
        if fault.bandwidth:
            time.sleep(len(piece) / fault.bandwidth)
        if fault.silent:
            self.proxy.swallowed += len(piece)
            return True
        if is_request and fault.answer:
            self.client.sendall(fault.answer)
            self.client.shutdown(socket.SHUT_WR)
            return False
        if is_request:
            self.server.sendall(piece)
            return True
        return self._pass_answer(piece, fault)

    def _pass_answer(self, piece: bytes, fault: Fault) -> bool:
        ends = [at for at in (fault.truncate_at, fault.reset_at) if at is not None]
        if ends and self.answered + len(piece) > min(ends):
            self.client.sendall(piece[:max(0, min(ends) - self.answered)])
            if fault.reset_at == min(ends):
                self.reset()
            return False
        self.answered += len(piece)
        self.client.sendall(piece)
        return True


def answer_of(status: int, reason: str, body: str = "{}", headers=()) -> bytes:
    """A whole HTTP answer that ends its connection."""
    lines = [f"HTTP/1.1 {status} {reason}", "Content-Type: application/json",
             f"Content-Length: {len(body.encode())}", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def random_fault(chooser: random.Random) -> tuple:
    """A name and a fault, for those who want any."""
    kinds = {
        "latency": lambda: Fault(latency=chooser.uniform(0.01, 0.3)),
        "bandwidth": lambda: Fault(bandwidth=chooser.randrange(20_000, 400_000)),
        "truncation": lambda: Fault(truncate_at=chooser.choice([0, 1, 17, 200, 1000, 20_000])),
        "reset": lambda: Fault(reset_at=chooser.choice([0, 1, 50, 400, 3000, 50_000])),
        "black hole": lambda: Fault(silent=True),
        "too many requests": lambda: Fault(answer=answer_of(
            429, "Too Many Requests", '{"error":{"type":"circuit_breaking_exception"},"status":429}',
            ["Retry-After: 1"] if chooser.random() < 0.5 else [])),
        "unavailable": lambda: Fault(answer=answer_of(503, "Service Unavailable", "<html>busy</html>")),
    }
    name = chooser.choice(sorted(kinds))
    return name, kinds[name]()
