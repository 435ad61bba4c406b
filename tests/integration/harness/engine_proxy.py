"""Between the daemon and its engine: passes everything on, and at each deed (a request that changes a
container) calls back before it is passed on, and again when it is done and nobody knows yet."""

import re
import select
import socket
import threading

DEED = re.compile(
    rb"POST /v[0-9.]+(/containers/[^/ ]+/(?:stop|start|rename|update)[^ ]*) "
    rb"|DELETE /v[0-9.]+(/containers/[^ ]*) ")  # fmt: skip


class EngineProxy:
    """strike(deed, done) runs in a thread of its own; True: the request goes no further."""

    def __init__(self, path, target, strike):
        self.path = path
        self.host = f"unix://{path}"
        self._target = str(target)
        self._strike = strike
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        engine = socket.socket(socket.AF_UNIX)
        try:
            engine.connect(self._target)
            self._carry(client, engine)
        except OSError:
            pass
        finally:
            client.close()
            engine.close()

    def _carry(self, client, engine):
        deed = None
        while True:
            for end in select.select([client, engine], [], [])[0]:
                chunk = end.recv(65536)
                if not chunk:
                    return
                if end is client:
                    found = DEED.match(chunk)
                    deed = (found[1] or found[2]).decode() if found else None
                    if deed and self._strike(deed, False):
                        return
                    engine.sendall(chunk)
                else:
                    if deed and self._strike(deed, True):
                        return
                    deed = None
                    client.sendall(chunk)
