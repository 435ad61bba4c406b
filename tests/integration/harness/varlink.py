"""A small Varlink client: JSON objects, each ended by a NUL, over a unix socket."""

import json
import socket
import time


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name = name
        self.parameters = parameters


class Varlink:
    """One connection. Every wait has a deadline: TimeoutError when it passes."""

    INTERFACE = "io.tradestack.Supervisor"

    def __init__(self, path, timeout_s=5.0):
        self._timeout_s = timeout_s
        self._pending = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _receive(self, deadline):
        while b"\0" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer on the control socket in time")
            self._socket.settimeout(left)
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError("the daemon closed the control connection")
            self._pending += piece
        frame, self._pending = self._pending.split(b"\0", 1)
        reply = json.loads(frame)
        if "error" in reply:
            raise VarlinkError(reply["error"], reply.get("parameters", {}))
        return reply

    def _send(self, method, parameters, **flags):
        call = {"method": f"{self.INTERFACE}.{method}", "parameters": parameters, **flags}
        self._socket.sendall(json.dumps(call).encode() + b"\0")

    def call(self, method, **parameters):
        self._send(method, parameters)
        return self._receive(time.monotonic() + self._timeout_s).get("parameters", {})

    def stream(self, method, deadline_s, **parameters):
        """Yields replies until the daemon says that no more come; TimeoutError at the deadline."""
        deadline = time.monotonic() + deadline_s
        self._send(method, parameters, more=True)
        while True:
            reply = self._receive(deadline)
            yield reply.get("parameters", {})
            if not reply.get("continues"):
                return
