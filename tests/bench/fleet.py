"""tradestackd over a fleet of containers that fake_engine.py plays from the real engine's answers."""

import contextlib
import json
import pathlib
import subprocess
import sys
import time

from engine_api import EngineApi
from subjects import PATIENT, Watcher, create, remove

HERE = pathlib.Path(__file__).resolve().parent


def record_templates(world):
    """What the real engine says of a container that runs."""
    world.need_busybox()
    path = world.home / "templates.json"
    if not path.exists():
        create(world, "bench-template", "template", "/bin/busybox", "sleep", "1000000", network="none")
        world.engine.docker("start", "bench-template")
        api = EngineApi(world.engine.socket)
        templates = {
            "info": api.call("GET", "/info")[1],
            "version": api.call("GET", "/version")[1],
            "inspect": api.inspect("bench-template"),
            "listed": next(c for c in api.call("GET", "/containers/json")[1] if "/bench-template" in c["Names"]),
        }
        path.write_text(json.dumps(templates), encoding="utf-8")
        remove(world, "bench-template")
    return path


class Fleet:
    def __init__(self, world, count):
        self.count = count
        self.socket = world.folder("fleet") / "engine"
        self._process = subprocess.Popen(
            [sys.executable, HERE / "fake_engine.py", self.socket, record_templates(world), str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the fake engine ended")
        return json.loads(line)

    def order(self, what, **details):
        self._process.stdin.write(json.dumps({"do": what, **details}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def kill(self, *which):
        """When it happened."""
        return self.order("kill", which=list(which))["at"]

    def look(self):
        return self.order("look")

    def wait_starts(self, count, deadline_s=60):
        """The times at which that many starts had been asked for since the last kill."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            asked = self.look()["asked"]
            if len(asked) >= count:
                return asked
            time.sleep(0.005)
        raise AssertionError(f"{len(asked)} of {count} were started again within {deadline_s} s")

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@contextlib.contextmanager
def fleet(world, count):
    """(fleet, tradestackd): all services known and ready."""
    made = Fleet(world, count)
    daemon = Watcher(world, {"service *": PATIENT}, f"unix://{made.socket}", name="fleet-watcher")
    try:
        daemon.start()
        wait_known(daemon, count)
        yield made, daemon
    finally:
        daemon.stop()
        made.close()


def wait_known(daemon, count, deadline_s=60):
    def known(status):
        return len(status["services"]) == count and all(s["ready"] for s in status["services"])

    deadline = time.monotonic() + deadline_s
    while not known(daemon.status()):
        if time.monotonic() > deadline:
            raise AssertionError(f"tradestackd does not know all {count} services: {daemon.status()['summary']}")
        time.sleep(0.01)
