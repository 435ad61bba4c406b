"""Stand between two programs and note when something passes. One thread each; what they add, a
tenth of a millisecond or so, is on both sides of every difference that is taken."""

import os
import selectors
import socket
import struct
import threading
import time


class Tap:
    """Passes connections on. `up` and `down` are called with (time, bytes) of what passes in either
    direction, before it is passed on."""

    def __init__(self, listen, target, up=None, down=None):
        self._target = target
        self._see = {"up": up, "down": down}
        self._selector = selectors.DefaultSelector()
        self._listener = self._listen(listen)
        self.port = self._listener.getsockname()[1] if isinstance(listen, int) else None
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._frozen = set()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, "wake")
        self._orders = []
        self._pairs = []
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _listen(address):
        if isinstance(address, int):
            listener = socket.socket(socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", address))
        else:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(address))
        listener.listen(64)
        return listener

    def _connect(self):
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        target = socket.socket(socket.AF_UNIX)
        target.connect(str(self._target))
        return target

    def _accept(self):
        client, _ = self._listener.accept()
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        self._pairs.append((client, server))
        self._selector.register(client, selectors.EVENT_READ, (client, server, "up"))
        self._selector.register(server, selectors.EVENT_READ, (server, client, "down"))

    def _drop(self, *ends):
        for end in ends:
            try:
                self._selector.unregister(end)
            except (KeyError, ValueError):
                pass
            end.close()
        self._pairs = [pair for pair in self._pairs if pair[0] not in ends and pair[1] not in ends]

    def _pass_on(self, source, sink, direction):
        try:
            data = source.recv(262144)
        except OSError:
            data = b""
        if not data:
            self._drop(source, sink)
            return
        see = self._see[direction]
        if see is not None:
            see(time.monotonic(), data)
        try:
            sink.sendall(data)
        except OSError:
            self._drop(source, sink)

    def _run(self):
        while not self._ended:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._accept()
                elif key.data == "wake":
                    os.read(self._wake_read, 1)
                    self._orders.pop(0)()
                elif key.fileobj.fileno() >= 0:
                    self._pass_on(*key.data)

    def _order(self, act):
        done = threading.Event()
        told = []

        def run():
            told.append(act())
            done.set()

        self._orders.append(run)
        os.write(self._wake_write, b"x")
        if not done.wait(10):
            raise AssertionError("the tap does not obey")
        return told[0]

    def cut(self, with_reset=False):
        """Closes every client's connection. Gives the time just before the first."""

        def act():
            pairs = list(self._pairs)
            if with_reset:
                for client, _ in pairs:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            now = time.monotonic()
            for client, server in pairs:
                self._drop(client, server)
            return now

        return self._order(act)

    def freeze(self):
        """From now on nothing passes on the connections that there are; they stay open."""

        def act():
            now = time.monotonic()
            for pair in self._pairs:
                for end in pair:
                    self._selector.unregister(end)
            self._frozen.update(self._pairs)
            return now

        return self._order(act)

    def thaw(self):
        def act():
            for client, server in self._frozen:
                client.close()
                server.close()
            self._pairs = [pair for pair in self._pairs if pair not in self._frozen]
            self._frozen.clear()

        self._order(act)

    def close(self):
        self._order(lambda: setattr(self, "_ended", True))
        self._thread.join(5)
        self._listener.close()
        for client, server in self._pairs:
            client.close()
            server.close()
