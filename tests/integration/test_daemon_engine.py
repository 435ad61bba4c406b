"""The daemon and a troubled engine: restarted, frozen, forgetful; and the second pair of eyes."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.stack import render_config

from test_daemon import BOT, GATEWAY, Starts, bring_up, discord, gateway, is_running, kill_gateway

# Far above what an answer takes on a busy machine, far below the engine's time-out (5 s): an answer
# that waited for the engine is slower.
HELD_UP_S = 1.0


class Pings(threading.Thread):
    """Asks the control socket all the time and remembers the slowest answer."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self._daemon = stack.daemon
        self._over = threading.Event()
        self.count = 0
        self.slowest_s = 0.0
        self.trouble = None

    def run(self):
        while not self._over.wait(0.02):
            began = time.monotonic()
            try:
                self._daemon.call("Ping")
            except (OSError, TimeoutError) as error:
                self.trouble = error
                return
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.count += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join(10)


def test_a_frozen_engine_is_told_and_stalls_nothing(stack_factory, receiver):
    engine = {"timeout": "5s", "resync": "1s", "alert_after": "1s"}
    stack = bring_up(stack_factory(config={**discord(receiver), "engine": {**engine}}))
    starts = Starts(stack)
    with Pings(stack) as pings:
        stack.engine.pause()
        try:
            stack.daemon.wait_for(lambda s: not s["engine"]["up"], 20, "a lost engine")
            receiver.wait_until(
                lambda: [t for t in receiver.titles() if "engine does not answer" in t], "the alert"
            )
            # Still seen: probes need no engine.
            assert gateway(stack)["ready"]
            assert stack.daemon.ctl("status", check=False).returncode == 3
        finally:
            stack.engine.resume()
        stack.daemon.wait_for(lambda s: s["engine"]["up"], 20, "an engine that is back")
        receiver.wait_until(
            lambda: [t for t in receiver.titles() if "engine answers again" in t], "the end"
        )
        stack.daemon.wait_ready()
    assert pings.trouble is None and pings.count > 50
    assert pings.slowest_s < HELD_UP_S
    assert starts.count(GATEWAY) == 0 and starts.count(BOT) == 0


def test_an_engine_restart_costs_no_attempt_and_is_no_hand(stack_factory, receiver):
    stack = bring_up(stack_factory(config=discord(receiver)))
    starts = Starts(stack)
    stack.engine.restart()
    stack.daemon.wait_ready(90)
    order = [starts.times(name) for name in (GATEWAY, BOT, "health-monitor")]
    assert [len(times) for times in order] == [1, 1, 1]
    assert order[0][0] < min(order[1][0], order[2][0])
    status = stack.daemon.status()
    assert {s["attempt"] for s in status["services"]} == {0}
    stack.daemon.ctl("alert", "test")
    receiver.wait_until(lambda: [t for t in receiver.titles() if "test alert" in t], "the test")
    assert not [t for t in receiver.titles() if "by hand" in t or "has failed" in t]


def test_an_engine_crash_costs_no_attempt_and_is_no_hand(stack_factory, receiver):
    """The engine that starts again stops what still runs, and tells so."""
    stack = bring_up(stack_factory(config=discord(receiver)))
    for _ in range(4):  # what comes first, events or list, is a race
        starts = Starts(stack)
        stack.engine.kill()
        stack.daemon.wait_for(lambda s: not s["engine"]["up"], 20, "a lost engine")
        stack.engine.start()
        stack.daemon.wait_for(lambda s: s["engine"]["up"], 30, "an engine that is back")
        status = stack.daemon.wait_ready(60)
        assert {s["attempt"] for s in status["services"]} == {0}
        order = [starts.times(name) for name in (GATEWAY, BOT, "health-monitor")]
        assert all(len(times) <= 1 for times in order)
        if order[1]:
            assert order[0] and order[0][0] < order[1][0]
    stack.daemon.ctl("alert", "test")
    receiver.wait_until(lambda: [t for t in receiver.titles() if "test alert" in t], "the test")
    assert not [t for t in receiver.titles() if "by hand" in t or "has failed" in t]


class ForgetfulEngine(threading.Thread):
    """Between daemon and engine: passes everything on, but meddles with the next starts.

    stale: answers 304 and starts nothing, as the engine does just after a death (T3)
    lost: closes the connection and starts nothing
    unanswered: starts it, and closes the connection without a word
    """

    def __init__(self, path, engine_path, fault, times):
        super().__init__(daemon=True)
        self._engine_path = str(engine_path)
        self._fault = fault
        self._left = times
        self._armed = False
        self._lock = threading.Lock()
        self.meddled = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(32)

    def close(self):
        """The thread must be out of accept() first: it would go on with the next socket of that number."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join(10)
        assert not self.is_alive()
        self.listener.close()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def arm(self):
        with self._lock:
            self._armed = True

    def _meddles(self, piece):
        head = piece.split(b"\r\n", 1)[0]
        if not (head.startswith(b"POST ") and b"/start" in head):
            return False
        with self._lock:
            if not self._armed or self._left == 0:
                return False
            self._left -= 1
            self.meddled += 1
            return True

    def _serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as engine:
            try:
                engine.connect(self._engine_path)
                back = threading.Thread(target=self._pump, args=(engine, client), daemon=True)
                back_started = False
                while piece := client.recv(65536):
                    if self._meddles(piece):
                        if self._fault == "stale":
                            client.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n")
                            continue
                        if self._fault == "unanswered":
                            with socket.socket(socket.AF_UNIX) as aside:
                                aside.connect(self._engine_path)
                                aside.sendall(piece)
                                aside.recv(4096)
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    if not back_started:
                        back.start()
                        back_started = True
                    engine.sendall(piece)
            except OSError:
                pass

    @staticmethod
    def _pump(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@pytest.mark.parametrize("fault", ["stale", "lost", "unanswered"])
def test_a_start_that_went_missing_is_made_good(stack_factory, fault):
    stack = stack_factory()
    path = stack.home / "between.sock"
    between = ForgetfulEngine(path, stack.engine.socket, fault, times=2)
    between.start()
    stack.daemon.configure({"engine": {"address": f"unix://{path}"}})
    try:
        bring_up(stack)
        starts = Starts(stack)
        between.arm()
        kill_gateway(stack)
        stack.daemon.wait_ready(restarts={"gateway": 1})
        assert between.meddled > 0
        assert starts.count(GATEWAY) == 1 and starts.count(BOT) == 0
        assert gateway(stack)["restarts"] == 1, "a start that went missing is no second death"
    finally:
        between.close()


# --- the second pair of eyes


class Monitor:
    """tradestackd --observe outside a container, its lines collected."""

    def __init__(self, stack, receiver):
        home = stack.home / "monitor"
        home.mkdir()
        (home / "state").mkdir(mode=0o700)
        address = stack.inspect(BOT)["NetworkSettings"]["Networks"]["docker_trading-network"]
        purposes = {"purposes": "startup, liveness, readiness", "interval": "500ms", "timeout": "1s"}
        config = home / "monitor.conf"
        config.write_text(
            render_config(
                {
                    "daemon": {"state_dir": home / "state", "log_json": "yes"},
                    "observe": {"interval": "1s", "supervisor": stack.daemon.socket, "fall": 2},
                    "safety": {"require_guard": "no"},
                    **discord(receiver),
                    "service gateway": {"alert_after": "1s"},
                    "probe gateway/api": {
                        "kind": "ibapi", "host": "127.0.0.1", "port": 4002, "client_id": 9760,
                        **purposes,
                    },
                    "service trading-bot": {"alert_after": "1s"},
                    "probe trading-bot/http": {
                        "kind": "http", "host": address["IPAddress"], "port": 8080,
                        "path": "/health", **purposes,
                    },
                }
            )
        )  # fmt: skip
        self.log = home / "log"
        self._lines = home / "lines"
        with self.log.open("wb") as log, self._lines.open("wb") as lines:
            self.process = subprocess.Popen(
                [stack.daemon._programs.tradestackd, "--observe", "--config", config],
                stdin=subprocess.DEVNULL, stdout=lines, stderr=log,
            )  # fmt: skip

    def wait_line(self, component, predicate, deadline_s=20):
        """The first line from now on, of that component, for which predicate(line) is true."""
        begin = self._lines.stat().st_size
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            whole = self._lines.read_bytes()[begin:].rpartition(b"\n")[0]
            for line in map(json.loads, whole.splitlines()):
                if line["component"] == component and predicate(line):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"{component}: {self._lines.read_text()}\n{self.log.read_text()}")

    def end(self):
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()


def test_the_monitor_alerts_for_services_and_for_the_supervisor(stack_factory, receiver):
    stack = bring_up(stack_factory(config={"service gateway": {"act_after": "5m"}}))
    monitor = Monitor(stack, receiver)
    try:
        for component in ("gateway", BOT, "supervisor"):
            line = monitor.wait_line(component, lambda line: line["status"] == "healthy")
            assert line["port_responding"] is True and line["api_ready"] is True
            assert isinstance(line["latency_ms"], int) and line["latency_ms"] >= 0
            assert line["timestamp"].endswith("Z")

        stack.gateway_send("mode hang")
        line = monitor.wait_line("gateway", lambda line: line["status"] == "unhealthy")
        assert line["api_ready"] is False
        receiver.wait_until(
            lambda: [t for t in receiver.titles() if "gateway unhealthy" in t], "the gateway"
        )
        stack.gateway_send("mode ok")
        receiver.wait_until(
            lambda: [t for t in receiver.titles() if "gateway healthy" in t], "its recovery"
        )

        os.kill(stack.daemon.pid, signal.SIGSTOP)
        try:
            monitor.wait_line("supervisor", lambda line: line["status"] == "unhealthy")
            receiver.wait_until(
                lambda: [t for t in receiver.titles() if "tradestackd does not answer" in t],
                "a silent supervisor", 30,
            )  # fmt: skip
        finally:
            os.kill(stack.daemon.pid, signal.SIGCONT)
        receiver.wait_until(
            lambda: [t for t in receiver.titles() if "tradestackd answers again" in t], "it is back"
        )
        assert is_running(stack, BOT)
    finally:
        status = monitor.end()
    assert status == 0, monitor.log.read_text()
    assert receiver.token not in monitor.log.read_text()
