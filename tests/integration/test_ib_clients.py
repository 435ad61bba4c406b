"""Independent IB API clients from npm against the gateway simulator: if they connect, it speaks the
protocol, and not only what our own client understands."""

import json
import pathlib
import socket
import subprocess
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "ib_clients"
CLIENT_S = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    def __init__(self, programs, *arguments):
        self.program = programs.build / "stack/tradestack-gwsim"
        self.port, self.control = free_port(), free_port()
        self.process = subprocess.Popen(
            [self.program, "--listen", f"127.0.0.1:{self.port}", "--control",
             f"127.0.0.1:{self.control}", *arguments],
            stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while self.send("status").returncode != 0:
            assert time.monotonic() < deadline, "the simulator does not answer"

    def send(self, command):
        return subprocess.run([self.program, "--send", f"127.0.0.1:{self.control}", command],
                              capture_output=True, text=True, timeout=10)

    def mode(self, name):
        assert self.send(f"mode {name}").returncode == 0

    def client(self, script, client_id=7, *arguments):
        done = subprocess.run(["node", HERE / script, "127.0.0.1", str(self.port), str(client_id),
                               *arguments], capture_output=True, text=True, timeout=CLIENT_S)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[0])

    def close(self):
        self.process.terminate()
        assert self.process.wait(10) == 0, "the simulator did not end in order"


@pytest.fixture
def gateway(programs):
    made = []

    def make(*arguments):
        made.append(Gateway(programs, *arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("version", [145, 165, 178, 193])
def test_stoqey_connects_and_is_answered(gateway, version):
    seen = gateway("--server-version", str(version)).client("stoqey.mjs", 7, "2")
    assert seen["connected"] and seen["accounts"] == "DU1234567" and seen["nextId"] == 1
    assert abs(seen["time"] - time.time()) < 30
    assert {"NetLiquidation", "TotalCashValue"} <= set(seen["summary"])
    assert seen["positionsEnded"] and seen["ticks"] >= 3
    assert {2104, 2106, 2158} <= set(seen["codes"])


def test_ib_tws_api_connects_and_gets_the_time(gateway):
    seen = gateway().client("tws.mjs")
    assert seen["connected"] and seen["error"] is None
    assert abs(int(seen["time"]) - time.time()) < 30


def test_answers_that_come_a_byte_at_a_time_are_understood(gateway):
    seen = gateway("--mode", "split").client("stoqey.mjs", 7, "3")
    assert seen["accounts"] == "DU1234567" and seen["nextId"] == 1


def test_a_lost_upstream_is_told(gateway):
    assert 1100 in gateway("--mode", "upstream-lost").client("stoqey.mjs", 7, "1")["codes"]


def test_a_taken_client_id_is_refused_with_326(gateway):
    seen = gateway("--mode", "client-id-in-use").client("stoqey.mjs", 7, "1")
    assert 326 in seen["codes"] and seen["disconnected"] and seen["accounts"] is None


def test_without_accounts_nobody_is_connected(gateway):
    gw = gateway("--mode", "no-accounts")
    assert gw.client("stoqey.mjs", 7, "1")["accounts"] is None
    assert gw.client("tws.mjs")["connected"] is False


def test_the_same_gateway_recovers_for_the_next_client(gateway):
    gw = gateway("--mode", "silent")
    assert gw.client("tws.mjs")["connected"] is False
    gw.mode("ok")
    assert gw.client("tws.mjs")["connected"] is True
