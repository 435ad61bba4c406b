"""The gateway simulator as a process, and the IB API on the wire as little as a test needs of it."""

import contextlib
import json
import pathlib
import socket
import struct
import subprocess
import time

CLIENTS = pathlib.Path(__file__).resolve().parents[1] / "ib_clients"
CLIENT_S = 60
WAIT_S = 10


def free_ports(count):
    """All different: each is held until the last one is chosen."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Gateway:
    """tradestack-gwsim on free ports: port (API), relay, control. Its log is in `log`."""

    def __init__(self, programs, folder, *arguments):
        self.program = programs.build / "stack/tradestack-gwsim"
        self.port, self.relay, self.control = free_ports(3)
        self.log_file = folder / f"gwsim-{self.port}.log"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [self.program, "--listen", f"127.0.0.1:{self.port}",
                 "--relay", f"127.0.0.1:{self.relay}",
                 "--control", f"127.0.0.1:{self.control}", *arguments],
                stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + WAIT_S
        while self.send("status").returncode != 0:
            assert time.monotonic() < deadline, "the simulator does not answer"

    @property
    def log(self):
        return self.log_file.read_text()

    def send(self, command):
        return subprocess.run([self.program, "--send", f"127.0.0.1:{self.control}", command],
                              capture_output=True, text=True, timeout=WAIT_S)

    def command(self, command):
        done = self.send(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def mode(self, name):
        self.command(f"mode {name}")

    @property
    def status(self):
        return dict(pair.split("=") for pair in self.command("status").split()[1:])

    def start_client(self, script, client_id=7, *arguments):
        """Starts one of ib_clients/: what it saw is for seen_by()."""
        return subprocess.Popen(["node", CLIENTS / script, "127.0.0.1", str(self.port),
                                 str(client_id), *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def seen_by(client):
        try:
            out, trouble = client.communicate(timeout=CLIENT_S)
        finally:
            client.kill()
        assert client.returncode == 0, trouble
        return json.loads(out.splitlines()[0])

    def client(self, *arguments):
        """Runs one of ib_clients/ and returns what it saw."""
        return self.seen_by(self.start_client(*arguments))

    def wire(self, **arguments):
        return Wire(self.port, **arguments)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(WAIT_S)


def frame(*fields):
    payload = b"".join(str(field).encode() + b"\0" for field in fields)
    return struct.pack(">I", len(payload)) + payload


class Wire:
    """A connection to the API. Frames are lists of text fields; None: the other side closed."""

    def __init__(self, port, hello="v100..178", client_id=7, login=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.held = b""
        if login:
            self.send_raw(b"API\0" + struct.pack(">I", len(hello)) + hello.encode())
            reply = self.receive()
            assert reply is not None and len(reply) == 2
            self.version = int(reply[0])
            self.send(71, 2, client_id, "")

    def send_raw(self, raw):
        self.socket.sendall(raw)

    def send(self, *fields):
        self.send_raw(frame(*fields))

    def receive_raw(self, seconds=WAIT_S):
        """The next bytes; b"" at the end; raises TimeoutError and ConnectionResetError."""
        self.socket.settimeout(seconds)
        return self.socket.recv(65536)

    def receive(self, seconds=WAIT_S):
        deadline = time.monotonic() + seconds
        while True:
            if len(self.held) >= 4:
                length = struct.unpack(">I", self.held[:4])[0]
                if len(self.held) >= 4 + length:
                    payload, self.held = self.held[4:4 + length], self.held[4 + length:]
                    assert payload.endswith(b"\0")
                    return payload[:-1].decode().split("\0")
            got = self.receive_raw(max(0.001, deadline - time.monotonic()))
            if not got:
                return None
            self.held += got

    def expect(self, *start):
        """The next frame that starts with these fields; others before it are passed over."""
        want = [str(field) for field in start]
        while True:
            got = self.receive()
            assert got is not None, f"closed before {want} came"
            if got[:len(want)] == want:
                return got

    def close(self):
        self.socket.close()
