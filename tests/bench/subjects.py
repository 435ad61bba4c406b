"""tradestackd as the measurements set it up: alone with its own configuration, and what it says
followed with the time at which it came."""

import contextlib
import socket
import subprocess
import threading
import time

import world as world_module
from harness.stack import Daemon, render_config
from harness.varlink import Varlink

DEADLINE_S = 60

# Restarts at once however often one is needed: a measurement kills the same container many times.
PATIENT = {"backoff_first": "100ms", "backoff_jitter": 0, "budget": 64, "budget_window": "1s",
           "stable_after": "100ms"}


class Watcher(Daemon):
    """tradestackd over containers of the project `bench`."""

    def __init__(self, world, sections, engine_address=None, name="watcher", project="bench",
                 state_dir=None):
        home = world.folder(name)
        super().__init__(world.programs, home, world.engine)
        self._base = {
            "daemon": {"project": project, "state_dir": state_dir or home / "state"},
            "engine": {"address": engine_address or world.engine.host, "unit": "none"},
            "control": {"socket": self.socket},
            "safety": {"require_guard": "no"},
        }
        self.configure(sections)

    def start_services(self):
        self.wait_for(lambda s: s["engine"]["up"] and s["services"], DEADLINE_S, "the engine")
        self.call("Start", timeout_s=30)
        self.wait_ready(DEADLINE_S)


@contextlib.contextmanager
def watcher(*arguments, **keywords):
    made = Watcher(*arguments, **keywords)
    try:
        made.start()
        yield made
    finally:
        made.stop()


class Follower:
    """The daemon's Watch stream in a thread: each status with the time at which it came."""

    def __init__(self, daemon):
        self._control = Varlink(daemon.socket)
        self._changed = threading.Condition()
        self._seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for reply in self._control.stream("Watch", 24 * 3600):
                with self._changed:
                    self._seen = self._seen[-50:] + [(time.monotonic(), reply["status"])]
                    self._changed.notify_all()
        except (OSError, ValueError):
            pass

    def wait(self, predicate, since, deadline_s=30):
        """When the first status after `since` came for which predicate(status) is true."""

        def find():
            return next((t for t, status in self._seen if t >= since and predicate(status)), None)

        with self._changed:
            if not self._changed.wait_for(lambda: find() is not None, deadline_s):
                raise AssertionError(f"tradestackd did not tell within {deadline_s} s")
            return find()

    def latest(self):
        with self._changed:
            return self._seen[-1][1] if self._seen else None

    def close(self):
        self._control._socket.shutdown(socket.SHUT_RDWR)


def service_of(status, name):
    return next(s for s in status["services"] if s["name"] == name)


def create(world, name, service, *command, network="host", extra=(), project="bench"):
    """A container as Compose labels it, not started."""
    labels = {"project": project, "service": service, "container-number": 1, "oneoff": "False"}
    arguments = [f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    world.engine.docker("create", "--name", name, f"--network={network}", *arguments, *extra, "bench-box",
                        *command)


def remove(world, *names):
    world.engine.docker("rm", "--force", *names, check=False)


def serve(port):
    """The command of a container that answers on a port of this machine."""
    return ("/bin/busybox", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", "/www")


def answers(port):
    """A look at a server that has just begun may find its queue full; the kernel would try again after
    a second, which nobody's restart is to be charged for."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.02) as connection:
            return connection.getsockname() != connection.getpeername()
    except OSError:
        return False


def wait_answer(port, deadline_s=30):
    """When the port answered again. Asks every half millisecond."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if answers(port):
            return time.monotonic()
        time.sleep(0.0005)
    return None


def wait_silence(port, deadline_s=5):
    deadline = time.monotonic() + deadline_s
    while answers(port):
        if time.monotonic() > deadline:
            raise AssertionError(f"port {port} still answers")
        time.sleep(0.0002)


def background(arguments, log, env=None):
    """A peer's process."""
    with open(log, "ab") as out:
        return subprocess.Popen(list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.STDOUT, env=env, cwd="/")


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def restart_script(world, name):
    """What a peer runs to restart a container: a note of the time, then the engine's restart by the
    quickest client there is. (path of the script, path of the notes)"""
    folder = world.folder("restart")
    stamps = folder / "stamps"
    stamps.touch()
    script = folder / "restart"
    script.write_text(
        f"#!/bin/sh\nexec {world.tool('stamp')} {stamps} curl --silent --output /dev/null "
        f"--unix-socket {world.engine.socket} -X POST http://engine/containers/{name}/restart?t=0\n",
        encoding="ascii")
    script.chmod(0o755)
    return script, stamps


def stamp_after(stamps, since, deadline_s=60):
    """The first noted time after `since`, or None."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        for line in stamps.read_text(encoding="ascii").split("\n")[:-1]:
            if float(line) >= since:
                return float(line)
        time.sleep(0.002)
    return None


REPO = world_module.REPO
