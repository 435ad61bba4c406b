"""A thousand containers die at once: is each started again, and does the loop go on meanwhile? The
second is asked at the control socket, again and again, from another process."""

import multiprocessing
import time

from fleet import fleet
from harness.varlink import Varlink


def ping(socket_path, ended, results):
    """How long each Ping took while the burst lasted."""
    took = []
    with Varlink(socket_path) as control:
        while not ended.is_set():
            began = time.monotonic()
            control.call("Ping")
            took.append(time.monotonic() - began)
            time.sleep(0.0005)
    results.put(took)


class Pinger:
    def __init__(self, daemon):
        self._ended = multiprocessing.Event()
        self._results = multiprocessing.Queue()
        self._process = multiprocessing.Process(target=ping, args=(daemon.socket, self._ended, self._results))
        self._process.start()

    def end(self):
        self._ended.set()
        took = self._results.get(timeout=30)
        self._process.join()
        return took


def run(world, record, scale):
    count = scale.rounds(1000, 20)
    with fleet(world, count) as (containers, daemon):
        for _ in range(scale.rounds(5)):
            before = containers.look()["starts"]
            idle = Pinger(daemon)
            time.sleep(0.5)
            for value in idle.end():
                record.add("ping, idle ms", value * 1e3)
            pinger = Pinger(daemon)
            time.sleep(0.2)
            began = containers.kill(*range(count))
            asked = containers.wait_starts(count, 120)
            for value in pinger.end():
                record.add("ping, burst ms", value * 1e3)
            record.add("all started ms", (asked[-1] - began) * 1e3)
            after = containers.look()
            record.add("lost 1", sum(a == b for a, b in zip(before, after["starts"])))
            record.add("started more than once 1", sum(b - a > 1 for a, b in zip(before, after["starts"])))
            record.add("connections at most 1", after["most_connections"])
            deadline = time.monotonic() + 60
            while daemon.status()["state"] != "ready" and time.monotonic() < deadline:
                time.sleep(0.05)
            record.add("not ready afterwards 1", sum(not s["ready"] for s in daemon.status()["services"]))
            time.sleep(1.5)  # the budget's window
