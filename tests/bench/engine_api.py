"""The engine's API as little as the measurements need of it: one kept connection, and events with the
time at which they came."""

import http.client
import json
import socket
import threading
import time


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class EngineApi:
    def __init__(self, path):
        self._path = path
        self._connection = _Connection(path)

    def call(self, method, path):
        self._connection.request(method, path)
        reply = self._connection.getresponse()
        body = reply.read()
        if reply.status >= 400:
            raise AssertionError(f"{method} {path}: {reply.status} {body[:200]!r}")
        return reply.status, json.loads(body) if body else None

    def inspect(self, name):
        return self.call("GET", f"/containers/{name}/json")[1]

    def start(self, name):
        return self.call("POST", f"/containers/{name}/start")[0]

    def pid(self, name):
        return self.inspect(name)["State"]["Pid"]


class Events:
    """All container events since it was made: (time, action, name)."""

    def __init__(self, path):
        self._connection = _Connection(path)
        self._connection.timeout = None
        self._connection.request("GET", '/events?filters={"type":["container"]}')
        self._reply = self._connection.getresponse()
        self._changed = threading.Condition()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                line = self._reply.readline()
            except (OSError, ValueError, AttributeError):
                return
            now = time.monotonic()
            if not line:
                return
            event = json.loads(line)
            with self._changed:
                self.seen.append((now, event["Action"], event["Actor"]["Attributes"].get("name", "")))
                self._changed.notify_all()

    def wait(self, action, name, since, deadline_s=30):
        """When it came."""

        def find():
            return next((t for t, a, n in self.seen if t >= since and a == action and n == name), None)

        with self._changed:
            if not self._changed.wait_for(lambda: find() is not None, deadline_s):
                raise AssertionError(f"no event {action} of {name} within {deadline_s} s")
            return find()

    def count(self, prefix, since):
        with self._changed:
            return sum(1 for t, a, _ in self.seen if t >= since and a.startswith(prefix))
