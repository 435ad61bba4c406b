"""A control socket with scripted answers, to see what tradestackctl makes of them."""

import json
import pathlib
import socket
import threading

INTERFACE = "io.tradestack.Supervisor"
CLOSE = object()  # in a script: the connection ends here, in the middle of it
HANG = object()  # nothing more is said until the client goes
RAW = "raw"  # ("raw", bytes): exactly these bytes


class FakeDaemon:
    """script: {"GetStatus": [reply, …]}. A reply is the parameters of the last answer; all but the
    last in a list are sent with `continues`. ("error", name, parameters) is an error. What was
    called is in `calls`, as [(method, parameters, flags)]."""

    def __init__(self, path, script):
        self.path = pathlib.Path(path)
        self.script = script
        self.calls = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._clients = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if not self._threads:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._threads = []
        self.path.unlink()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        pending = b""
        try:
            with client:
                while True:
                    while b"\0" not in pending:
                        piece = client.recv(65536)
                        if not piece:
                            return
                        pending += piece
                    frame, pending = pending.split(b"\0", 1)
                    if not self._answer(client, json.loads(frame)):
                        return
        except OSError:
            pass

    def _answer(self, client, call):
        interface, method = call.pop("method").rsplit(".", 1)
        assert interface == INTERFACE
        parameters = call.pop("parameters", {})
        self.calls.append((method, parameters, call))
        replies = self.script.get(method, [("error", "org.varlink.service.MethodNotFound", {"method": method})])
        for i, reply in enumerate(replies):
            if reply is CLOSE:
                return False
            if reply is HANG:
                client.recv(1)
                return False
            client.sendall(self._encode(reply, i + 1 < len(replies) and replies[-1] is not reply))
        return True

    @staticmethod
    def _encode(reply, continues):
        if isinstance(reply, tuple) and reply[0] == RAW:
            return reply[1]
        if isinstance(reply, tuple):
            name = reply[1] if "." in reply[1] else f"{INTERFACE}.{reply[1]}"
            return json.dumps({"error": name, "parameters": reply[2]}).encode() + b"\0"
        message = {"parameters": reply}
        if continues:
            message["continues"] = True
        return json.dumps(message).encode() + b"\0"


def service(name, state, **extra):
    """A service as GetStatus tells it."""
    return {
        "name": name, "container": name, "state": state, "ready": state == "ready", "held": False,
        "wanted": "up", "since": "2026-11-24T00:00:00.000Z", "reason": "none", "detail": "",
        "next": "", "restarts": 0, "attempt": 0, "attempts_max": 5, "depends_on": [], "image": "i",
        "address": "", "probes": [], **extra,
    }  # fmt: skip


def status(state="ready", services=None, **extra):
    """What GetStatus answers."""
    services = services if services is not None else [service("gateway", "ready"), service("bot", "ready")]
    ready = sum(s["ready"] for s in services)
    return {
        "state": state, "summary": f"{state}: {ready} of {len(services)} services ready",
        "project": "docker", "mode": "supervise", "version": "0.1.0",
        "started": "2026-11-24T00:00:00.000Z",
        "engine": {"address": "unix:///var/run/docker.sock", "up": True,
                   "since": "2026-11-24T00:00:00.000Z", "version": "26.1", "detail": ""},
        "store": {"ok": True, "detail": ""}, "alerts": [], "window": "", "services": services,
        **extra,
    }  # fmt: skip
