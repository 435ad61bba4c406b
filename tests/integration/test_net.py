"""lib/net against real name servers and servers, by way of net_real (net_real.c). The session's own
network and mount namespace (conftest.py) let a test set the name server."""

import errno
import json
import os
import pathlib
import socket
import socketserver
import struct
import subprocess
import threading

import pytest

# Far above what a turn of the loop takes, far below a resolver's own time-out (5 s).
HELD_UP_MS = 1000


@pytest.fixture(scope="module")
def tool(repo):
    build = os.environ.get("TRADESTACK_BUILD")
    folders = [pathlib.Path(build)] if build else [repo / "build-asan", repo / "build"]
    for folder in folders:
        program = folder / "tests/integration/net_real"
        if program.exists():
            return program
    raise AssertionError(f"net_real is in none of {', '.join(map(str, folders))}: build it first")


@pytest.fixture
def run(tool):
    def run(*args):
        done = subprocess.run(
            [str(tool), *map(str, args)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


class NameServer(threading.Thread):
    """Answers A questions from a table (exact case), NXDOMAIN otherwise, or nothing at all."""

    def __init__(self, table):
        super().__init__(daemon=True)
        self.table = table  # None: silent
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))

    def run(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(512)
            except OSError:
                return
            name, kind, end = self.parse(question)
            if name is None:
                return
            self.asked.append(name)
            if self.table is not None:
                self.socket.sendto(self.answer(question, name, kind, end), peer)

    @staticmethod
    def parse(question):
        if len(question) < 17:
            return None, 0, 0
        labels, at = [], 12
        while question[at] != 0:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        return ".".join(labels), struct.unpack_from(">H", question, at + 1)[0], at + 5

    def answer(self, question, name, kind, end):
        addresses = self.table.get(name, []) if kind == 1 else []
        code = 0 if name in self.table else 3
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton(a) for a in addresses
        )
        return head + question[12:end] + records

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", ("127.0.0.1", 53))
        self.join(10)
        self.socket.close()


@pytest.fixture
def name_server(tmp_path):
    """name_server(table) makes 127.0.0.1 the machine's only name server, for this test."""
    made = []

    def make(table):
        conf = tmp_path / "resolv.conf"
        conf.write_text("nameserver 127.0.0.1\n", encoding="ascii")
        subprocess.run(["mount", "--bind", conf, "/etc/resolv.conf"], check=True)
        made.append(NameServer(table))
        made[0].start()
        return made[0]

    yield make
    for server in made:
        server.close()
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)


def bound(kind, handler):
    """Below the ports that engines, proxies and simulators are given by chance."""
    for port in range(8042, 8062):
        try:
            return kind(("127.0.0.2", port), handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            print(subprocess.run(["ss", "-tanp"], capture_output=True, text=True, check=False).stdout)
    raise AssertionError("no port is free")


@pytest.fixture
def listener():
    class Hello(socketserver.BaseRequestHandler):
        def handle(self):
            if self.request.recv(65536):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False  # a client that says nothing more is not waited for

    server = bound(Server, Hello)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_names_are_looked_up_as_they_are_written(run, name_server, listener):
    server = name_server({"gateway": ["127.0.0.2"], "GateWay": ["127.0.0.2"]})
    assert run("tcp", "gateway", listener, 5000)["result"] == "connected"
    assert run("tcp", "GateWay", listener, 5000)["result"] == "connected"
    assert set(server.asked) == {"gateway", "GateWay"}


def test_every_address_of_a_name_gets_its_share_of_the_time(run, name_server, listener):
    # 127.0.0.9 refuses at once.
    name_server({"two": ["127.0.0.9", "127.0.0.2"]})
    assert run("tcp", "two", listener, 5000)["result"] == "connected"


def test_an_unknown_name_is_said_to_be_one(run, name_server):
    name_server({})
    end = run("tcp", "nosuch", 80, 5000)
    assert end["result"] == "no-name" and end["took_ms"] < 5000
    end = run("http", "http://nosuch.example/secret", 5000)
    assert end["result"] == "unavailable" and "secret" not in end["text"]


def test_a_silent_name_server_holds_up_nothing(run, name_server):
    name_server(None)
    for args in (("tcp", "gateway", 80, 300), ("http", "http://gateway/", 300)):
        end = run(*args)
        assert end["result"] == "timeout"
        assert end["took_ms"] < 300 + HELD_UP_MS
        assert end["longest_gap_ms"] < HELD_UP_MS


def test_the_hosts_file_needs_no_name_server(run, name_server, listener, tmp_path):
    server = name_server({})
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.2 gateway\n", encoding="ascii")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    try:
        assert run("tcp", "gateway", listener, 5000)["result"] == "connected"
        end = run("http", f"http://gateway:{listener}/", 5000)
        assert (end["result"], end["status"], end["text"]) == ("answer", 200, "hi")
    finally:
        subprocess.run(["umount", "/etc/hosts"], check=True)
    assert server.asked == []


def test_no_route_is_unreachable_at_once(run):
    end = run("tcp", "203.0.113.1", 80, 5000)
    assert end["result"] == "unreachable" and end["took_ms"] < 1000


def test_a_certificate_nobody_vouches_for_is_refused(run, tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", cert, "-www"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"https://localhost:{port}/"
        for _ in range(100):
            end = run("http", url, 5000)
            if end["result"] != "unavailable":
                break
        assert end["result"] == "denied" and "certificate" in end["text"].lower()
        assert run("http", url, 5000, cert)["status"] == 200
    finally:
        server.terminate()
        server.wait(10)
