"""The programs under test, the daemon, and the stack's containers in a private engine."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from harness.varlink import Varlink, VarlinkError

# Long enough for sanitized programs on two slow cores. Nothing waits that long when all is well.
START_S = 20
STOP_S = 30


@dataclasses.dataclass(frozen=True)
class Programs:
    build: pathlib.Path

    @classmethod
    def find(cls, repo):
        chosen = os.environ.get("TRADESTACK_BUILD")
        if chosen:
            build = pathlib.Path(chosen).resolve()
        else:
            build = repo / "build-asan" if (repo / "build-asan").is_dir() else repo / "build"
        programs = cls(build)
        if not programs.tradestackd.is_file():
            raise AssertionError(f"{programs.tradestackd} is missing: run ninja -C {build} first")
        return programs

    @property
    def tradestackd(self):
        return self.build / "daemon/tradestackd"

    @property
    def tradestackctl(self):
        return self.build / "ctl/tradestackctl"


def render_config(sections):
    """{"daemon": {"project": "docker"}} -> INI text."""
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
        lines.append("")
    return "\n".join(lines)


def merge(base, extra):
    merged = {section: dict(keys) for section, keys in base.items()}
    for section, keys in (extra or {}).items():
        merged.setdefault(section, {}).update(keys)
    return merged


# As in conf/tradestackd.conf, with waits that suit tests.
SERVICES = {
    "service gateway": {"act_after": "1s", "backoff_first": "200ms", "ready_timeout": "30s"},
    "probe gateway/api": {
        "kind": "ibapi",
        "purposes": "startup, liveness, readiness",
        "interval": "500ms",
        "timeout": "1s",
        "fall": 2,
    },
    "service trading-bot": {"guarded": "yes", "backoff_first": "200ms", "act_after": "1s"},
    "probe trading-bot/http": {
        "kind": "http",
        "purposes": "startup, liveness, readiness",
        "port": 8080,
        "path": "/health",
        "interval": "500ms",
    },
    "service health-monitor": {"backoff_first": "200ms"},
}


class Daemon:
    """tradestackd with its own configuration, state and socket."""

    def __init__(self, programs, home, engine, config=None):
        self._programs = programs
        self._engine = engine
        self._process = None
        self.home = home
        self.socket = home / "run/control.sock"
        self.log = home / "tradestackd.log"
        self.config_file = home / "tradestackd.conf"
        self._base = {
            "daemon": {"project": "docker", "state_dir": home / "state"},
            "engine": {"address": engine.host},
            "control": {"socket": self.socket},
            # A file describes everything: what the shipped one says of the services, in short.
            **SERVICES,
        }
        (home / "run").mkdir(exist_ok=True)
        (home / "state").mkdir(exist_ok=True)
        self.configure(config)

    def configure(self, config):
        """Writes the configuration file: {section: {key: value}} over what every test needs."""
        text = render_config(merge(self._base, config))
        self.config_file.write_text(text, encoding="utf-8")

    @property
    def pid(self):
        return self._process.pid

    def start(self, *arguments):
        """Starts it and waits until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs.tradestackd, "--config", self.config_file, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if k != "DOCKER_HOST"},
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"tradestackd ended with {self._process.returncode}\n{self.tail()}")
            try:
                return self.call("Ping")
            except (OSError, TimeoutError):
                time.sleep(0.05)
        raise AssertionError(f"tradestackd does not answer after {START_S} s\n{self.tail()}")

    def stop(self, expect=0):
        """Ends it in order. A sanitizer's finding makes the exit status another one."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            status = self._process.wait(STOP_S)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None
        assert status == expect, f"tradestackd ended with {status}\n{self.tail()}"

    def kill(self):
        """kill -9: what a crash or the out-of-memory killer does."""
        self._process.kill()
        self._process.wait()
        self._process = None

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        self._process.send_signal(signal.SIGHUP)

    def tail(self, lines=60):
        if not self.log.exists():
            return ""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def call(self, method, timeout_s=5.0, **parameters):
        with Varlink(self.socket, timeout_s) as control:
            return control.call(method, **parameters)

    def status(self):
        return self.call("GetStatus")

    def wait_for(self, predicate, deadline_s=30, what="the expected status"):
        """The first status, from now on, for which predicate(status) is true. Waits for changes
        that the daemon itself announces; fails with the last status seen."""
        last = None
        try:
            with Varlink(self.socket) as control:
                for reply in control.stream("Watch", deadline_s):
                    last = reply["status"]
                    if predicate(last):
                        return last
        except TimeoutError:
            pass
        except (OSError, VarlinkError) as error:
            raise AssertionError(f"while waiting for {what}: {error}\n{self.tail()}") from error
        shown = json.dumps(last, indent=1)
        raise AssertionError(f"no {what} within {deadline_s} s; last status:\n{shown}\n{self.tail()}")

    def wait_ready(self, deadline_s=60, restarts=None):
        """Waits until the whole stack is ready; restarts: {"gateway": 1}, at least so many."""

        def reached(status):
            return status["state"] == "ready" and all(
                service(status, name)["restarts"] >= n for name, n in (restarts or {}).items()
            )

        return self.wait_for(reached, deadline_s, "ready stack")

    def wait_state(self, service, state, deadline_s=30):
        def reached(status):
            return any(s["name"] == service and s["state"] == state for s in status["services"])

        return self.wait_for(reached, deadline_s, f"state {state} of {service}")

    def wait_delivered(self, deadline_s=20):
        """No alert is under way: what was sent is also noted as sent (a kill before that sends it
        again, by design)."""
        return self.wait_for(
            lambda status: all(c["pending"] == 0 for c in status["alerts"]), deadline_s, "sent alerts"
        )

    def wait_event(self, predicate, deadline_s=30, since=None, what="the expected event"):
        """The first event, past ones since `since` included, for which predicate(event) is true."""
        seen = []
        parameters = {"since": since} if since else {}
        try:
            with Varlink(self.socket) as control:
                for reply in control.stream("Events", deadline_s, follow=True, **parameters):
                    seen.append(reply["event"])
                    if predicate(seen[-1]):
                        return seen[-1]
        except TimeoutError:
            pass
        shown = "\n".join(json.dumps(event) for event in seen[-20:])
        raise AssertionError(f"no {what} within {deadline_s} s; last events:\n{shown}\n{self.tail()}")

    def ctl(self, *arguments, check=True, timeout=60, env=None):
        """Runs tradestackctl on this daemon. Returns the finished process, texts decoded."""
        done = subprocess.run(
            [self._programs.tradestackctl, "--socket", self.socket, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self._engine.env, **(env or {})},
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            command = " ".join(map(str, arguments))
            raise AssertionError(
                f"tradestackctl {command}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.tail()}"
            )
        return done


def service(status, name):
    """The service of that name in a status; one without a state if it is not there."""
    found = [s for s in status["services"] if s["name"] == name]
    # A daemon that has just begun does not know its services yet.
    return found[0] if found else {"name": name, "state": "", "ready": False, "restarts": 0}


def what_matters(inspect):
    """Of a container, what must be the same after it was made anew."""
    config = {k: v for k, v in inspect["Config"].items() if k not in ("Hostname", "Image")}
    ends = inspect["NetworkSettings"]["Networks"]
    aliases = {n: sorted(a for a in e["Aliases"] if a != inspect["Id"][:12]) for n, e in ends.items()}
    host = inspect["HostConfig"]
    return (inspect["Name"], inspect["Image"], config, aliases, host["Binds"], host["Mounts"]
            if "Mounts" in host else None, host["PortBindings"], host["RestartPolicy"])  # fmt: skip


class Stack:
    """stack/docker-compose.yml on the gateway simulator, and the daemon that runs it."""

    living = []
    CONTAINERS = ("ibkr-gateway", "trading-bot", "health-monitor")

    def __init__(self, repo, programs, engine, env=None, config=None, compose_file=None):
        self.engine = engine
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="ts-", dir="/var/tmp"))
        self.home.chmod(0o755)  # the monitor's container looks into run/
        self.compose_file = compose_file or repo / "stack/docker-compose.yml"
        self.env_file = self.home / "stack.env"
        settings = {"TRADESTACK_RUN_DIR": self.home / "run", **(env or {})}
        simulator = (repo / "stack/simulator.env").read_text(encoding="utf-8")
        self.env_file.write_text(
            simulator + "".join(f"{key}={value}\n" for key, value in settings.items()),
            encoding="utf-8",
        )
        self.daemon = Daemon(programs, self.home, engine, config)
        Stack.living.append(self)

    def compose(self, *args, **kwargs):
        return self.engine.compose(
            "--file", self.compose_file, "--env-file", self.env_file, *args, **kwargs
        )

    def create(self):
        """The containers, created and not started, as `tradestackctl up` does it."""
        self.compose("up", "--no-start")

    def inspect(self, container):
        return json.loads(self.engine.docker("inspect", container))[0]

    def logs(self, container, tail=80):
        """What the container wrote, both streams, in order."""
        done = subprocess.run(
            ["docker", "logs", "--tail", str(tail), container],
            env=self.engine.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
        )
        return done.stdout

    def gateway_send(self, command):
        """Changes what the simulator does while it runs: gateway_send("mode hang")."""
        return self.engine.docker(
            "exec", "ibkr-gateway", "/usr/bin/tradestack-gwsim", "--send", "127.0.0.1:7462", command
        )  # fmt: skip

    def evidence(self):
        yield "tradestackd", self.daemon.tail(120)
        for container in self.CONTAINERS:
            yield f"container {container}", self.logs(container)

    def close(self):
        """Everything goes, whatever state it is in; then the first trouble is reported."""
        Stack.living.remove(self)
        try:
            self.daemon.stop()
        finally:
            self.engine.resume()
            self.compose("down", "--volumes", "--timeout", "2", check=False)
            self.engine.docker("rm", "--force", "--volumes", *self.CONTAINERS, check=False)
            shutil.rmtree(self.home, ignore_errors=True)
