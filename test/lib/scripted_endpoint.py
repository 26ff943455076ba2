"""An HTTP endpoint in front of a real search server that passes everything on, except what its
script says: then it answers what no server can be made to answer, or nothing, or without end.

    with ScriptedEndpoint(search) as endpoint:
        rule = endpoint.script(answer(503), bulk(holding="7"), times=3)
        …
        endpoint.heal()

A rule is an act, what requests it is for, and how often it happens; the first rule that wants a
request gets it. What was not replaced is in the real index: at the end index and table can be
compared.
"""

import json
import socket
import struct
import threading
import time

import gateway


def bulk(holding=None, larger_than=0):
    """Bulk requests; only those that carry this document, or so many bytes."""
    def wants(request) -> bool:
        if not request.is_bulk or len(request.body) <= larger_than:
            return False
        return holding is None or holding in request.ids
    return wants


def anything(request) -> bool:
    return True


class Rule:
    def __init__(self, act, wants, times):
        self.act, self.wants, self.left = act, wants, times
        self.used = []  # the requests that it was applied to


class ScriptedEndpoint(gateway.Gateway):
    def __init__(self, search, **more):
        self.rules, self.lock = [], threading.Lock()
        self.healed = threading.Event()
        super().__init__(search, self._follow, **more)

    def script(self, act, wants=bulk(), times=None) -> Rule:
        rule = Rule(act, wants, times)
        with self.lock:
            self.healed.clear()
            self.rules.append(rule)
        return rule

    def heal(self) -> None:
        """From now on everything passes; what is under way ends."""
        with self.lock:
            self.rules.clear()
            self.healed.set()

    def server_close(self):
        self.heal()
        super().server_close()

    def _follow(self, handler, body) -> bool:
        request = handler.request_seen
        with self.lock:
            rule = next((rule for rule in self.rules
                         if rule.left != 0 and rule.wants(request)), None)
            if rule is not None:
                rule.used.append(request)
                rule.left = rule.left and rule.left - 1
        if rule is None:
            return True
        rule.act(handler, request)
        return False


def end(handler, reset=False) -> None:
    """The connection is closed: by FIN, or by RST."""
    handler.close_connection = True
    if reset:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.rfile.close()  # holds the socket, too
        handler.connection.close()


# Acts. Each gets the handler and the request.

def answer(status: int, body=b"", *headers, applied=False):
    """This answer; `applied`: the server gets the request nevertheless."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body

    def act(handler, request):
        if applied:
            handler.ask(request.body)
        handler.answer(status, data, headers)
    return act


def error(status: int, kind: str, reason="r", *headers):
    """A refusal of the whole request in a server's form."""
    return answer(status, {"error": {"type": kind, "reason": reason}, "status": status},
                  ("Content-Type", "application/json"), *headers)


def refuse(ids, status: int, kind=None, reason="r", **more):
    """These items get this answer and are kept from the server; it answers for the others itself.
    `ids` None: all of them."""
    item = {"status": status, **more}
    if kind is not None:
        item["error"] = {"type": kind, "reason": reason}

    def act(handler, request):
        others = [operation for operation in request.operations
                  if ids is not None and operation.id not in ids]
        answers = iter(_pass_some(handler, others))
        items = [next(answers) if operation in others else {operation.action: item}
                 for operation in request.operations]
        _answer_items(handler, items)
    return act


def _pass_some(handler, operations) -> list:
    if not operations:
        return []
    del handler.headers["Content-Encoding"]
    status, data, _ = handler.ask(b"".join(operation.lines for operation in operations))
    assert status == 200, data
    return json.loads(data)["items"]


def _answer_items(handler, items) -> None:
    failed = any("error" in item or item["status"] >= 300 and (action, item["status"]) != ("delete", 404)
                 for wrapped in items for action, item in wrapped.items())
    handler.answer(200, json.dumps({"errors": failed, "items": items}).encode())


def edit(change):
    """The server's answer, changed: `change(body)` gets it as parsed and returns another one, or
    bytes. The server has applied the request."""
    def act(handler, request):
        status, data, headers = handler.ask(request.body)
        changed = change(json.loads(data))
        handler.answer(status, changed if isinstance(changed, bytes)
                       else json.dumps(changed).encode(), headers)
    return act


def cut(at, reset=False):
    """The server's answer ends after so many bytes of its wire form, headers included; a negative
    number counts from its end."""
    def act(handler, request):
        handler.wfile.write(handler.message(*handler.ask(request.body))[:at])
        end(handler, reset)
    return act


def hang_up(reset=False):
    """No answer at all."""
    return lambda handler, request: end(handler, reset)


def raw(data: bytes):
    """These bytes, whatever they are, and the end."""
    def act(handler, request):
        handler.wfile.write(data)
        end(handler)
    return act


def silence(handler, request):
    """Nothing, for as long as the script lasts."""
    handler.server.healed.wait()
    end(handler)


def trickle(pause: float):
    """The server's answer byte by byte."""
    def act(handler, request):
        try:
            for byte in handler.message(*handler.ask(request.body)):
                handler.wfile.write(bytes([byte]))
                if handler.server.healed.wait(pause):
                    break
        except OSError:
            pass
        end(handler)
    return act


def delay(seconds: float):
    """The server's answer, late."""
    def act(handler, request):
        time.sleep(seconds)
        handler.answer(*handler.ask(request.body))
    return act


def endless(piece: bytes, start=b""):
    """An answer that never ends."""
    def act(handler, request):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + start)
        try:
            while not handler.server.healed.is_set():
                handler.wfile.write(piece)
        except OSError:
            pass
        end(handler)
    return act
