"""The program in a container no longer listens, and the container lives on: how long until somebody
restarts it. Docker's policy never does. Monit and tradestackd look each second; so does Docker's
HEALTHCHECK, on whose verdict a loop like docker-autoheal's acts. And tradestackd with a look each
100 ms, which costs less than Monit's each second."""

import contextlib
import os
import pathlib
import random
import signal
import time

import peers
from case_killed import EngineTap
from engine_api import EngineApi, Events
from proc import children_of
from subjects import (PATIENT, Follower, create, remove, restart_script, service_of, stamp_after,
                      wait_answer, wait_silence, watcher)

PORTS = {"fast": 14201, "usual": 14202, "monit": 14203, "autoheal": 14204}


def command(port):
    """Ends at once when it is asked to, as a well-made program does."""
    return ("/bin/busybox", "sh", "-c",
            f"trap 'exit 0' TERM; /bin/busybox httpd -p 127.0.0.1:{port} -h /www; "
            "while :; do /bin/busybox sleep 1000 & wait; done")


def probe(port, interval):
    return {"kind": "tcp", "purposes": "startup, liveness, readiness", "host": "127.0.0.1", "port": port,
            "interval": interval, "fall": 1}


SECTIONS = {
    "service fast": {**PATIENT, "act_after": "0"},
    "probe fast/port": probe(PORTS["fast"], "100ms"),
    "service usual": {**PATIENT, "act_after": "0"},
    "probe usual/port": probe(PORTS["usual"], "1s"),
}


def break_listener(engine, name):
    """Kills the web server, which is not the container's first process."""
    time.sleep(random.random())
    for child in children_of(engine.pid(f"bench-{name}")):
        if b"httpd" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
            began = time.monotonic()
            os.kill(child, signal.SIGKILL)
            wait_silence(PORTS[name])
            return began
    raise AssertionError(f"bench-{name} has no web server")


def ours(record, engine, tap, follower, name):
    began = break_listener(engine, name)
    at = wait_answer(PORTS[name], 60)
    assert at is not None, "tradestackd does not restart it"
    issued = next(t for t in tap.stops if t >= began)
    record.add(f"tradestackd {name} issued ms", (issued - began) * 1e3)
    record.add(f"tradestackd {name} answers ms", (at - began) * 1e3)
    follower.wait(lambda s: service_of(s, name)["ready"], issued)


def theirs(record, engine, name, stamps, events):
    began = break_listener(engine, name)
    at = wait_answer(PORTS[name], 60)
    assert at is not None, f"{name} does not restart it"
    record.add(f"{name} issued ms", (stamp_after(stamps, began) - began) * 1e3)
    record.add(f"{name} answers ms", (at - began) * 1e3)
    if name == "autoheal":
        unhealthy = events.wait("health_status: unhealthy", "bench-autoheal", began)
        record.add("HEALTHCHECK tells ms", (unhealthy - began) * 1e3)
        events.wait("health_status: healthy", "bench-autoheal", at)


def run(world, record, scale):
    world.need_busybox()
    engine = EngineApi(world.engine.socket)
    tap = EngineTap(world)
    health = ("--health-cmd", f"/bin/busybox wget -q -O /dev/null http://127.0.0.1:{PORTS['autoheal']}/",
              "--health-interval", "1s", "--health-retries", "1", "--health-timeout", "1s")
    with contextlib.ExitStack() as stack:
        stack.callback(tap.close)
        stack.callback(lambda: remove(world, *(f"bench-{name}" for name in PORTS)))
        for name, port in PORTS.items():
            create(world, f"bench-{name}", name, *command(port), extra=health if name == "autoheal" else (),
                   project="bench" if name in ("fast", "usual") else "other")
        world.engine.docker("start", "bench-monit", "bench-autoheal")
        events = Events(world.engine.socket)
        daemon = stack.enter_context(watcher(world, SECTIONS, f"unix://{tap.path}"))
        daemon.start_services()
        script, monit_stamps = restart_script(world, "bench-monit")
        stack.enter_context(peers.monit(world, peers.monit_port_check("box", PORTS["monit"], script)))
        _, autoheal_stamps = stack.enter_context(peers.autoheal_like(world, "bench-autoheal"))
        for port in PORTS.values():
            peers.first_answer(port)
        follower = Follower(daemon)
        time.sleep(3)
        contestants = [lambda: ours(record, engine, tap, follower, "fast"),
                       lambda: ours(record, engine, tap, follower, "usual"),
                       lambda: theirs(record, engine, "monit", monit_stamps, events),
                       lambda: theirs(record, engine, "autoheal", autoheal_stamps, events)]
        for _ in range(scale.rounds(12)):
            for contestant in random.sample(contestants, len(contestants)):
                contestant()
                time.sleep(0.5)
        follower.close()
