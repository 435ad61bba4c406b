"""Control and start-up: `tradestackctl status` from its spawn to its exit beside `monit status` and
`supervisorctl status`; and how long tradestackd takes from its exec until it watches. Floors: a
program that does nothing; a program that only initialises the same libraries; one list asked of the
engine."""

import contextlib
import subprocess
import time

import peers
from case_idle import demo_stack, monit_checks
from engine_api import EngineApi
from record import Record
from subjects import Watcher, create, remove
from taps import Tap


def spawned_ms(world, *command):
    done = subprocess.run([world.tool("spawn"), *map(str, command)], capture_output=True, text=True, check=True)
    took, status = done.stdout.split()
    if int(status) != 0:
        raise AssertionError(f"{command[0]} ended with {status}: {done.stderr}")
    return int(took) / 1e6


def status_rounds(world, record, scale, daemon, monit_conf, supervisor_conf):
    commands = {
        "nothing": ["/bin/true"],
        "tradestackctl status": [world.programs.tradestackctl, "--socket", daemon.socket, "status"],
        "monit status": ["monit", "-c", monit_conf, "status"],
    }
    for round_number in range(scale.rounds(60, 2)):
        for name, command in commands.items():
            record.add(f"{name} ms", spawned_ms(world, *command))
        if round_number % 6 == 0:
            record.add("supervisorctl status ms", spawned_ms(world, "supervisorctl", "-c", supervisor_conf, "status"))


class StartTap:
    """Between a tradestackd that starts and the engine: when the event stream was open and the first
    list had been answered. From then on it watches."""

    def __init__(self, world):
        self.path = world.folder("tap") / "socket"
        self.listed = None
        self._list_asked = False
        self._tap = Tap(self.path, world.engine.socket, self._up, self._down)

    def _up(self, _, data):
        self._list_asked = self._list_asked or b"/containers/json?" in data

    def _down(self, at, data):
        if self._list_asked and self.listed is None and b'"Names"' in data:
            self.listed = at

    def close(self):
        self._tap.close()


def start_once(world, record, home):
    """As a restart of the service does it: with the state file of the run before."""
    tap = StartTap(world)
    daemon = Watcher(world, {}, f"unix://{tap.path}", name="start", state_dir=home)
    try:
        began = time.monotonic()
        daemon.start()
        deadline = time.monotonic() + 10
        while tap.listed is None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert tap.listed is not None, "tradestackd did not list the containers"
        record.add("tradestackd watching ms", (tap.listed - began) * 1e3)
    finally:
        daemon.stop()
        tap.close()


def libraries_once(world, record):
    folder = world.folder("libs")
    began = time.monotonic()
    with subprocess.Popen([world.tool("libs_only"), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        record.add("libraries ready ms", (time.monotonic() - began) * 1e3)
        process.stdin.close()


def list_once(api, record):
    began = time.monotonic()
    api.call("GET", "/containers/json?all=1")
    record.add("engine list ms", (time.monotonic() - began) * 1e3)


def run(world, record, scale):
    world.need_busybox()
    api = EngineApi(world.engine.socket)
    with contextlib.ExitStack() as stack:
        create(world, "bench-box", "box", "/bin/busybox", "sleep", "1000000", network="none")
        stack.callback(remove, world, "bench-box")
        create(world, "bench-supervisord", "sup", "/bin/busybox", "sleep", "1000000", project="other", network="none")
        stack.callback(remove, world, "bench-supervisord")
        demo = stack.enter_context(demo_stack(world))
        bot = next(iter(api.inspect("trading-bot")["NetworkSettings"]["Networks"].values()))["IPAddress"]
        _, monit_conf = stack.enter_context(peers.monit(world, monit_checks(bot)))
        _, supervisor_conf = stack.enter_context(peers.supervisord(world, "bench-supervisord"))
        time.sleep(3)
        status_rounds(world, record, scale, demo.daemon, monit_conf, supervisor_conf)
        state = world.folder("start-state")
        start_once(world, Record(world.home, "nowhere"), state)
        for _ in range(scale.rounds(20)):
            start_once(world, record, state)
            libraries_once(world, record)
            list_once(api, record)
