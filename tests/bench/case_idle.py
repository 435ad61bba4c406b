"""What it costs when nothing happens: the demonstration stack's three services, supervised with the
shipped configuration (probes each second), beside Monit with checks of the same two ports each second
and a program that only initialises tradestackd's libraries. All at the same time, so that every
window is the same for all."""

import contextlib
import subprocess
import time

import peers
import proc
from engine_api import EngineApi, Events
from subjects import REPO
from taps import Tap

GATEWAY_PORT = 4002


def shipped_config(stack, engine_address):
    """conf/tradestackd.conf with this stack's places."""
    text = (REPO / "conf/tradestackd.conf").read_text(encoding="utf-8")
    for key, value in (("state_dir", stack.home / "state"), ("address", engine_address),
                       ("socket", stack.daemon.socket)):
        line = next(line for line in text.splitlines() if line.startswith(f"#{key} ="))
        text = text.replace(line, f"{key} = {value}", 1)
    return text


@contextlib.contextmanager
def demo_stack(world, engine_address=None):
    stack = world.stack()
    try:
        stack.daemon.config_file.write_text(shipped_config(stack, engine_address or world.engine.host), encoding="utf-8")
        stack.create()
        stack.daemon.start()
        stack.daemon.wait_for(lambda s: s["engine"]["up"], 20, "the engine")
        stack.daemon.call("Start", timeout_s=20)
        stack.daemon.wait_ready()
        yield stack
    finally:
        stack.close()


@contextlib.contextmanager
def libs_only(world):
    process = subprocess.Popen([world.tool("libs_only"), world.folder("libs")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline().strip() != "ready":
            raise AssertionError("libs_only cannot initialise the libraries")
        yield process
    finally:
        process.communicate()


def monit_checks(bot_address):
    return (f"check host gateway with address 127.0.0.1\n"
            f"  if failed port {GATEWAY_PORT} type tcp with timeout 1 seconds then alert\n"
            f"check host bot with address {bot_address}\n"
            f"  if failed port 8080 protocol http request \"/health\" with timeout 1 seconds then alert\n")


class EngineTap:
    """Between tradestackd and the engine: counts what is asked."""

    def __init__(self, world):
        self.path = world.folder("tap") / "socket"
        self.requests = 0
        self.streams = 0
        self._tap = Tap(self.path, world.engine.socket, self._up)

    def _up(self, _, data):
        self.requests += sum(data.count(method) for method in (b"GET /", b"POST /", b"HEAD /"))
        self.streams += data.count(b"/events?")

    def close(self):
        self._tap.close()


def run(world, record, scale):
    api = EngineApi(world.engine.socket)
    with contextlib.ExitStack() as stack:
        tap = EngineTap(world)
        stack.callback(tap.close)
        demo = stack.enter_context(demo_stack(world, f"unix://{tap.path}"))
        inspect = api.inspect("trading-bot")
        bot = next(iter(inspect["NetworkSettings"]["Networks"].values()))["IPAddress"]
        monit, _ = stack.enter_context(peers.monit(world, monit_checks(bot)))
        libs = stack.enter_context(libs_only(world))
        events = Events(world.engine.socket)
        time.sleep(1 if scale.smoke else 20)  # what belongs to the start is over
        began, requests = time.monotonic(), tap.requests
        for _ in range(scale.rounds(3)):
            windows = {"tradestackd": proc.Window([demo.daemon.pid]), "monit": proc.Window([monit.pid])}
            time.sleep(2 if scale.smoke else 45)
            for name, window in windows.items():
                cost = window.end()
                record.add(f"{name} CPU ms/min", cost["cpu_ms_per_min"])
                record.add(f"{name} wake-ups 1/s", cost["wakeups_per_s"])
            for name, pid in (("tradestackd", demo.daemon.pid), ("monit", monit.pid), ("libraries", libs.pid)):
                memory = proc.memory_kib(pid)
                record.add(f"{name} resident KiB", memory["rss"])
                record.add(f"{name} private KiB", memory["private"])
        minutes = (time.monotonic() - began) / 60
        record.add("engine requests 1/min", (tap.requests - requests) / minutes)
        record.add("engine execs 1", events.count("exec", began))
        record.add("engine event streams 1", tap.streams)
