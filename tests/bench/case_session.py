"""The gateway's API session: how soon a held session that breaks is told, and one that hangs. A tap
before the gateway simulator closes, resets or freezes the connection, so that the moment is known
exactly. The floor: a second connection through the same tap, whose end this program waits for."""

import contextlib
import random
import socket
import threading
import time

from harness.gateway import Gateway
from subjects import Follower, create, remove, service_of, watcher
from taps import Tap

TAP_PORT = 14102
INTERVAL_MS = 1000
TIMEOUT_MS = 1000
SECTIONS = {
    # Nothing is to be restarted: only the noticing is measured.
    "service gateway": {"act_after": "1h"},
    "probe gateway/api": {"kind": "ibapi", "purposes": "startup, liveness, readiness", "host": "127.0.0.1",
                          "port": TAP_PORT, "interval": f"{INTERVAL_MS}ms", "timeout": f"{TIMEOUT_MS}ms",
                          "fall": 1},
}


def probe_reason(status):
    return service_of(status, "gateway")["probes"][0]["reason"]


class Waiter:
    """A plain connection that waits for its end, as the floor of noticing."""

    def __init__(self):
        self._socket = socket.create_connection(("127.0.0.1", TAP_PORT))
        self.ended = None
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self):
        try:
            while self._socket.recv(4096):
                pass
        except OSError:
            pass
        self.ended = time.monotonic()

    def join(self):
        self._thread.join(5)
        self._socket.close()
        return self.ended


def break_once(record, tap, follower, name, with_reset):
    waiter = Waiter()
    time.sleep(0.05 + random.random())
    began = tap.cut(with_reset)
    told = follower.wait(lambda s: probe_reason(s) != "ok", began, 5)
    record.add(f"tradestackd {name} ms", (told - began) * 1e3)
    record.add(f"floor {name} ms", (waiter.join() - began) * 1e3)
    follower.wait(lambda s: probe_reason(s) == "ok", began, 10)


def hang_once(record, tap, follower):
    time.sleep(random.random())
    began = tap.freeze()
    told = follower.wait(lambda s: probe_reason(s) not in ("ok", "pending"), began, 10)
    record.add("tradestackd hang ms", (told - began) * 1e3)
    tap.thaw()
    follower.wait(lambda s: probe_reason(s) == "ok", told, 10)


def run(world, record, scale):
    world.need_busybox()
    with contextlib.ExitStack() as stack:
        create(world, "bench-gateway", "gateway", "/bin/busybox", "sleep", "100000", network="none")
        stack.callback(remove, world, "bench-gateway")
        gateway = Gateway(world.programs, world.folder("gwsim"))
        stack.callback(gateway.close)
        tap = Tap(TAP_PORT, gateway.port)
        stack.callback(tap.close)
        daemon = stack.enter_context(watcher(world, SECTIONS))
        daemon.start_services()
        follower = Follower(daemon)
        for _ in range(scale.rounds(12)):
            kinds = [("closed", False), ("reset", True)]
            random.shuffle(kinds)
            for name, with_reset in kinds:
                break_once(record, tap, follower, name, with_reset)
        for _ in range(scale.rounds(6)):
            hang_once(record, tap, follower)
        record.add("limit hang ms", INTERVAL_MS + TIMEOUT_MS)
        follower.close()
