"""Many ports: 1,000 TCP probes each second by tradestackd (125 services with 8 probes) and by Monit (a
thousand checks), on the same listeners at the same time. Then the same with 50 ports among them that
hang: how long until another one's end is noticed."""

import contextlib
import random
import subprocess
import time

import peers
import proc
from subjects import create, remove, stamp_after, watcher

FIRST = 20000
PER_SERVICE = 8
PURPOSES = "readiness"
HUNG = 50


class Listeners:
    def __init__(self, world, count, hung=0):
        self._process = subprocess.Popen(
            [world.tool("listener"), str(FIRST), str(count), str(hung)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1)
        if self._process.stdout.readline().strip() != "ready":
            raise AssertionError("the listener does not listen")

    def order(self, what, port):
        """When it was done."""
        self._process.stdin.write(f"{what} {port}\n")
        return float(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def config(services):
    sections = {}
    for s in range(services):
        sections[f"service s{s}"] = {"act_after": "1h", "alert_after": "1h"}
        for p in range(PER_SERVICE):
            sections[f"probe s{s}/p{p}"] = {"kind": "tcp", "purposes": PURPOSES, "host": "127.0.0.1",
                                            "port": FIRST + s * PER_SERVICE + p, "fall": 1}
    return sections


class Log:
    """What tradestackd logs, followed."""

    def __init__(self, path):
        self._file = path.open(encoding="utf-8")

    def skip(self):
        self._file.seek(0, 2)

    def wait(self, *words, deadline_s=10):
        """When a line came with all the words; None if none did."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            line = self._file.readline()
            if line and all(word in line for word in words):
                return time.monotonic()
            if not line:
                time.sleep(0.001)
        return None


def wait_phase(part):
    """Until the clock stands at that part of a second: detection by a look each second depends on
    nothing else, so the parts are gone through instead of left to chance."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    time.sleep((part - now) % 1.0 + 0.002)


def notice(record, series, listeners, log, part):
    log.skip()
    wait_phase(part)
    began = listeners.order("close", FIRST)
    at = log.wait("s0: probe p0:", "refused")
    assert at is not None, "tradestackd did not notice"
    record.add(series, (at - began) * 1e3)
    listeners.order("open", FIRST)
    assert log.wait("s0: probe p0: answers") is not None


def monit_notice(record, series, listeners, stamps, rest_s):
    """rest_s: Monit acts when a state changes, so it must have seen that the port is open again."""
    time.sleep(rest_s + random.random())
    began = listeners.order("close", FIRST)
    at = stamp_after(stamps, began, 180)
    assert at is not None, "monit did not notice"
    record.add(series, (at - began) * 1e3)
    listeners.order("open", FIRST)


def monit_checks(world, count):
    home = world.folder("stamps")
    stamps = home / "stamps"
    stamps.touch()
    lines = []
    for i in range(count):
        act = f'exec "{world.tool("stamp")} {stamps}" repeat every 1 cycle' if i == 0 else "alert"
        lines.append(f"check host p{i} with address 127.0.0.1\n"
                     f"  if failed port {FIRST + i} type tcp with timeout 1 seconds then {act}\n")
    return "".join(lines), stamps


def memory(record, name, pid):
    record.add(f"{name} resident KiB", proc.memory_kib(pid)["rss"])


def run(world, record, scale):
    world.need_busybox()
    services = scale.rounds(125, 2)
    ports = services * PER_SERVICE
    names = [f"bench-s{s}" for s in range(services)]
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: remove(world, *names))
        for s, name in enumerate(names):
            create(world, name, f"s{s}", "/bin/busybox", "sleep", "1000000", network="none")
        create(world, "bench-lone", "s0", "/bin/busybox", "sleep", "1000000", network="none", project="lone")
        stack.callback(remove, world, "bench-lone")
        listeners = Listeners(world, ports)
        lone_config = {key: value for key, value in config(1).items() if key in ("service s0", "probe s0/p0")}
        lone = stack.enter_context(watcher(world, lone_config, name="lone", project="lone"))
        lone.start_services()
        daemon = stack.enter_context(watcher(world, config(services)))
        daemon.start_services()
        checks, stamps = monit_checks(world, ports)
        one_check, _ = monit_checks(world, 1)
        monit, _ = stack.enter_context(peers.monit(world, checks))
        monit_lone, _ = stack.enter_context(peers.monit(world, one_check))
        record.add("ports 1", ports)
        time.sleep(2 if scale.smoke else 20)
        for _ in range(scale.rounds(3)):
            windows = {"tradestackd": proc.Window([daemon.pid]), "monit": proc.Window([monit.pid])}
            time.sleep(1 if scale.smoke else 20)
            for name, window in windows.items():
                record.add(f"{name} CPU ms/min", window.end()["cpu_ms_per_min"])
        for name, pid in (("tradestackd many", daemon.pid), ("tradestackd one", lone.pid),
                          ("monit many", monit.pid), ("monit one", monit_lone.pid)):
            memory(record, name, pid)
        log = Log(daemon.log)
        rounds = scale.rounds(20, 2)
        for i in range(rounds):
            notice(record, "tradestackd notices ms", listeners, log, i / rounds)
        for _ in range(scale.rounds(6)):
            monit_notice(record, "monit notices ms", listeners, stamps, 4)
        listeners.close()
        hung = Listeners(world, ports, scale.rounds(HUNG, 1))
        stack.callback(hung.close)
        time.sleep(3)
        for i in range(rounds):
            notice(record, "tradestackd notices, some hung ms", hung, log, i / rounds)
        for _ in range(scale.rounds(1)):
            monit_notice(record, "monit notices, some hung ms", hung, stamps, 4 if scale.smoke else 110)
