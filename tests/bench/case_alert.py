"""From an observation to the first byte of the webhook request on the wire. The observation is the
engine's event as it passes a tap on its way to tradestackd; the request is seen by a tap before a
receiver that speaks TLS as a chat service does. The connection is warm: an alert went out before."""

import contextlib
import os
import signal
import time

from engine_api import EngineApi
from harness.receiver import Receiver
from subjects import PATIENT, REPO, Follower, create, remove, serve, service_of, watcher
from taps import Tap

PORT = 14301


class Wire:
    """The webhook's side: when bytes came that open no connection."""

    def __init__(self, target):
        self.sent = []
        self._tap = Tap(0, target, up=lambda at, _: self.sent.append(at))

    @property
    def port(self):
        return self._tap.port

    def close(self):
        self._tap.close()


class EngineTap:
    def __init__(self, world):
        self.path = world.folder("tap") / "socket"
        self.killed = []
        self._tap = Tap(self.path, world.engine.socket, down=self._down)

    def _down(self, at, data):
        if b'"Action":"die"' in data:
            self.killed.append(at)

    def close(self):
        self._tap.close()


def kill_once(record, engine, follower, tap, wire, series):
    """The container dies; tradestackd tells that and starts it again."""
    began = time.monotonic()
    os.kill(engine.pid("bench-alert"), signal.SIGKILL)
    deadline = began + 10
    while not (tap.killed and tap.killed[-1] >= began and wire.sent and wire.sent[-1] > tap.killed[-1]):
        if time.monotonic() > deadline:
            raise AssertionError("no alert came")
        time.sleep(0.001)
    seen = next(at for at in tap.killed if at >= began)
    sent = next(at for at in wire.sent if at > seen)
    record.add(series, (sent - seen) * 1e3)
    follower.wait(lambda s: service_of(s, "alert")["ready"], sent)
    time.sleep(1)  # the message that it is over has gone out, too


def run(world, record, scale):
    world.need_busybox()
    engine = EngineApi(world.engine.socket)
    with contextlib.ExitStack() as stack:
        create(world, "bench-alert", "alert", *serve(PORT))
        stack.callback(remove, world, "bench-alert")
        receiver = stack.enter_context(Receiver(REPO, world.folder("receiver")))
        url = receiver.webhook_url_file.read_text(encoding="ascii").strip()
        wire = Wire(int(url.split(":")[2].split("/")[0]))
        stack.callback(wire.close)
        tapped = world.folder("url") / "url"
        tapped.write_text(url.replace(f":{url.split(':')[2].split('/')[0]}/", f":{wire.port}/"), encoding="ascii")
        tapped.chmod(0o600)
        tap = EngineTap(world)
        stack.callback(tap.close)
        sections = {"service alert": PATIENT,
                    "channel hook": {"kind": "webhook", "url_file": tapped, "ca_file": receiver.ca_file},
                    "probe alert/port": {"kind": "tcp", "purposes": "startup, readiness", "host": "127.0.0.1",
                                         "port": PORT}}
        for _ in range(scale.rounds(3)):
            with watcher(world, sections, f"unix://{tap.path}") as daemon:
                daemon.start_services()
                follower = Follower(daemon)
                time.sleep(1)  # "the stack is up" has been delivered: the connection is warm
                for _ in range(scale.rounds(10)):
                    kill_once(record, engine, follower, tap, wire, "warm ms")
                follower.close()
