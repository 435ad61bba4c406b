#!/usr/bin/python3
"""An engine with more containers than this machine could run: answers of the real one (given as a
file), told again with other names. It does at once what it is asked to, so that what is measured is
tradestackd. Started by fleet.py; orders come on standard input, one JSON object a line.

  fake_engine.py SOCKET TEMPLATES COUNT
"""

import copy
import json
import os
import selectors
import socket
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\nApi-Version: 1.41\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def stamp(nano):
    seconds, rest = divmod(nano, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class Container:
    def __init__(self, number, templates):
        self.id = f"{number:064x}"
        self.service = f"s{number}"
        self.name = f"bench-{self.service}"
        self.starts = 0
        self._inspect = copy.deepcopy(templates["inspect"])
        self._listed = copy.deepcopy(templates["listed"])
        labels = self._inspect["Config"]["Labels"]
        labels["com.docker.compose.service"] = self.service
        self._inspect.update(Id=self.id, Name=f"/{self.name}")
        self._inspect["HostConfig"]["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}
        self._listed.update(Id=self.id, Names=[f"/{self.name}"], Labels=labels)
        self._labels = labels
        self._cached = None
        self.set_running(True)

    def set_running(self, running):
        now = time.time_ns()
        state = self._inspect["State"]
        state.update(Status="running" if running else "exited", Running=running, Pid=4000 if running else 0,
                     ExitCode=0 if running else 137)
        state["StartedAt" if running else "FinishedAt"] = stamp(now)
        self._listed["State"] = state["Status"]
        self.running = running
        self._cached = None

    def inspect(self):
        if self._cached is None:
            self._cached = json.dumps(self._inspect).encode()
        return self._cached

    def listed(self):
        return self._listed

    def event(self, action, **attributes):
        nano = time.time_ns()
        event = {
            "status": action, "id": self.id, "from": "bench-box", "Type": "container", "Action": action,
            "Actor": {"ID": self.id,
                      "Attributes": {**self._labels, "image": "bench-box", "name": self.name, **attributes}},
            "scope": "local", "time": nano // 10**9, "timeNano": nano,
        }
        return json.dumps(event).encode() + b"\n"


class Engine:
    def __init__(self, path, templates, count):
        self.templates = templates
        self.containers = [Container(n, templates) for n in range(count)]
        self.by_id = {c.id: c for c in self.containers}
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(2048)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, "orders")
        self.pending = {}  # socket -> bytes received
        self.out = {}  # socket -> bytes to send
        self.streams = set()
        self.orders = b""
        self.starts = []  # times at which starts were asked for
        self.flood = None
        self.counts = {"requests": 0, "connections": 0, "most_connections": 0}

    # --- bytes

    def send(self, sock, data):
        waiting = self.out.get(sock)
        if waiting is None:
            return
        if not waiting:
            try:
                sent = sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.drop(sock)
                return
            data = data[sent:]
        if data:
            self.out[sock] = waiting + data
            self.selector.modify(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, "client")

    def drain(self, sock):
        try:
            sent = sock.send(self.out[sock])
        except BlockingIOError:
            return
        except OSError:
            self.drop(sock)
            return
        self.out[sock] = self.out[sock][sent:]
        if not self.out[sock]:
            self.selector.modify(sock, selectors.EVENT_READ, "client")

    def drop(self, sock):
        self.selector.unregister(sock)
        self.out.pop(sock, None)
        self.pending.pop(sock, None)
        self.streams.discard(sock)
        sock.close()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            self.pending[sock], self.out[sock] = b"", b""
            self.selector.register(sock, selectors.EVENT_READ, "client")
            self.counts["connections"] += 1
            self.counts["most_connections"] = max(self.counts["most_connections"], len(self.out))

    def receive(self, sock):
        try:
            data = sock.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(sock)
            return
        data = self.pending[sock] + data
        while b"\r\n\r\n" in data:
            head, rest = data.split(b"\r\n\r\n", 1)
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line.lower().startswith(b"content-length:"):
                    length = int(line[15:])
            if len(rest) < length:
                break
            data = rest[length:]
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self.counts["requests"] += 1
            self.answer(sock, method, path)
            if sock not in self.out:
                return
        self.pending[sock] = data

    # --- requests

    def reply(self, sock, body):
        self.send(sock, HEAD % len(body) + body)

    def answer(self, sock, method, path):
        route = path.split("?")[0]
        parts = [part for part in route.split("/") if part and not part.startswith("v1.")]
        if parts == ["_ping"]:
            self.reply(sock, b'"OK"')
        elif parts == ["info"] or parts == ["version"]:
            self.reply(sock, json.dumps(self.templates[parts[0]]).encode())
        elif parts == ["events"]:
            self.streams.add(sock)
            self.send(sock, STREAM)
        elif parts == ["containers", "json"]:
            self.reply(sock, json.dumps([c.listed() for c in self.containers]).encode())
        elif len(parts) == 3 and parts[0] == "containers" and parts[1] in self.by_id:
            self.act(sock, method, self.by_id[parts[1]], parts[2])
        else:
            body = b'{"message":"no such thing"}'
            self.send(sock, b"HTTP/1.1 404 Not Found\r\nApi-Version: 1.41\r\nContent-Length: %d\r\n\r\n%s"
                      % (len(body), body))

    def act(self, sock, method, container, what):
        if method == "GET" and what == "json":
            self.reply(sock, container.inspect())
        elif what == "start":
            self.starts.append(time.monotonic())
            container.starts += 1
            container.set_running(True)
            self.send(sock, EMPTY)
            self.tell(container.event("start"))
        elif what == "update":
            self.reply(sock, b'{"Warnings":null}')
        else:
            self.send(sock, EMPTY)

    def tell(self, *events):
        data = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
        for sock in list(self.streams):
            self.send(sock, data)

    # --- orders

    def obey(self, order):
        what = order["do"]
        answer = {}
        if what == "kill":
            dead = [self.containers[n] for n in order["which"]]
            for container in dead:
                container.set_running(False)
            self.starts.clear()
            answer["at"] = time.monotonic()
            self.tell(*(c.event("die", exitCode="137") for c in dead))
        elif what == "flood":
            self.flood = {"left": order["events"], "next": 0}
            return  # answered at the end
        elif what == "look":
            answer = {"starts": [c.starts for c in self.containers], "asked": self.starts,
                      "running": sum(c.running for c in self.containers), **self.counts}
        self.say(answer)

    @staticmethod
    def say(answer):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    def read_orders(self):
        data = os.read(0, 1 << 20)
        if not data:
            sys.exit(0)
        self.orders += data
        while b"\n" in self.orders:
            line, self.orders = self.orders.split(b"\n", 1)
            self.obey(json.loads(line))

    def flood_on(self):
        """Some hundred events more, once the last ones are gone."""
        if any(self.out[sock] for sock in self.streams):
            return
        events = []
        while self.flood["left"] > 0 and len(events) < 400:
            n = self.flood["next"]
            container = self.containers[n % len(self.containers)]
            if n % 1000 == 999 and container.running:
                container.set_running(False)
                events.append(container.event("die", exitCode="1"))
            else:
                events.append(container.event(("update", "health_status: healthy", "rename")[n % 2]))
            self.flood["next"] += 1
            self.flood["left"] -= 1
        self.tell(*events)
        if self.flood["left"] == 0:
            self.flood = None
            self.say({})

    def run(self):
        self.say({})
        while True:
            for key, mask in self.selector.select(0.002 if self.flood else None):
                if key.data is None:
                    self.accept()
                elif key.data == "orders":
                    self.read_orders()
                else:
                    if mask & selectors.EVENT_WRITE and key.fileobj in self.out:
                        self.drain(key.fileobj)
                    if mask & selectors.EVENT_READ and key.fileobj in self.out:
                        self.receive(key.fileobj)
            if self.flood:
                self.flood_on()


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as given:
        Engine(sys.argv[1], json.load(given), int(sys.argv[3])).run()
