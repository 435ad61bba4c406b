"""A container is killed: how long until it is started again, and until its port answers. All
contestants have a container each, all are there all the time, and take turns in random order. The
floor is nobody's: this program kills, waits for the engine's own word (the die event), sends the
start, and waits for the port."""

import contextlib
import os
import random
import signal
import time

import peers
from engine_api import EngineApi, Events
from subjects import (PATIENT, Follower, create, remove, restart_script, serve, stamp_after, wait_answer,
                      wait_silence, watcher)
from taps import Tap

PORTS = {"floor": 14001, "tradestackd": 14002, "docker policy": 14003, "monit": 14004, "supervisord": 14005}
# Docker's policy begins with its shortest delay again only after 10 s of running.
POLICY_RESTS_S = 10.5


class Round:
    """What one killing needs to know of the others."""

    def __init__(self, world, record):
        self.engine = EngineApi(world.engine.socket)
        self.record = record
        self.started = {}

    def kill(self, name):
        pid = self.engine.pid("bench-" + name.replace(" ", "-"))
        assert pid > 1
        time.sleep(random.random())
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return began

    def answered(self, name, began):
        port = PORTS[name]
        wait_silence(port)
        at = wait_answer(port, 60)
        assert at is not None, f"{name}: its port does not answer again"
        self.record.add(f"{name} answers ms", (at - began) * 1e3)
        self.started[name] = at
        return at


def floor(run, events):
    began = run.kill("floor")
    died = events.wait("die", "bench-floor", began)
    sent = time.monotonic()
    run.engine.start("bench-floor")
    at = wait_answer(PORTS["floor"])
    run.record.add("floor die event ms", (died - began) * 1e3)
    run.record.add("floor start ms", (at - sent) * 1e3)
    run.record.add("floor sum ms", (died - began + at - sent) * 1e3)


class EngineTap:
    """Between tradestackd and the engine: when the die event passed, when a start or stop was asked
    for."""

    def __init__(self, world):
        self.path = world.folder("tap") / "socket"
        self.died, self.starts, self.stops = [], [], []
        self._tap = Tap(self.path, world.engine.socket, self._up, self._down)

    def _up(self, at, data):
        if data.startswith(b"POST ") and b"/start" in data[:200]:
            self.starts.append(at)
        elif data.startswith(b"POST ") and b"/stop" in data[:200]:
            self.stops.append(at)

    def _down(self, at, data):
        if b'"Action":"die"' in data:
            self.died.append(at)

    def close(self):
        self._tap.close()


def tradestackd(run, tap):
    began = run.kill("tradestackd")
    run.answered("tradestackd", began)
    died = next(at for at in tap.died if at >= began)
    issued = next(at for at in tap.starts if at >= began)
    run.record.add("tradestackd die event ms", (died - began) * 1e3)
    run.record.add("tradestackd issued ms", (issued - began) * 1e3)
    run.record.add("tradestackd issued after event ms", (issued - died) * 1e3)


def docker_policy(run):
    time.sleep(max(0.0, run.started.get("docker policy", 0) + POLICY_RESTS_S - time.monotonic()))
    run.answered("docker policy", run.kill("docker policy"))


def monit(run, stamps):
    began = run.kill("monit")
    run.answered("monit", began)
    run.record.add("monit issued ms", (stamp_after(stamps, began) - began) * 1e3)


def supervisord(run):
    run.answered("supervisord", run.kill("supervisord"))


@contextlib.contextmanager
def containers(world):
    for name, port in PORTS.items():
        extra = ("--restart=always",) if name == "docker policy" else ()
        create(world, f"bench-{name.replace(' ', '-')}", name.replace(" ", "-"), *serve(port), extra=extra,
               project="bench" if name == "tradestackd" else "other")
    try:
        yield
    finally:
        remove(world, *(f"bench-{name.replace(' ', '-')}" for name in PORTS))


def run(world, record, scale):
    world.need_busybox()
    tap = EngineTap(world)
    script, stamps = restart_script(world, "bench-monit")
    sections = {"service tradestackd": PATIENT,
                "probe tradestackd/port": {"kind": "tcp", "purposes": "startup, readiness",
                                           "host": "127.0.0.1", "port": PORTS["tradestackd"]}}
    with contextlib.ExitStack() as stack:
        stack.callback(tap.close)
        stack.enter_context(containers(world))
        turn = Round(world, record)
        for name in ("floor", "docker-policy", "monit"):
            world.engine.docker("start", f"bench-{name}")
        daemon = stack.enter_context(watcher(world, sections, f"unix://{tap.path}"))
        daemon.start_services()
        stack.enter_context(peers.monit(world, peers.monit_port_check("box", PORTS["monit"], script)))
        stack.enter_context(peers.supervisord(world, "bench-supervisord"))
        events = Events(world.engine.socket)
        for port in PORTS.values():
            peers.first_answer(port)
        time.sleep(2)  # the first cycles of those that poll
        follower = Follower(daemon)
        contestants = [lambda: floor(turn, events), lambda: tradestackd(turn, tap),
                       lambda: docker_policy(turn), lambda: monit(turn, stamps), lambda: supervisord(turn)]
        for _ in range(scale.rounds(12)):
            for contestant in random.sample(contestants, len(contestants)):
                contestant()
                follower.wait(lambda s: s["state"] == "ready", 0)
                time.sleep(0.3)
        follower.close()
