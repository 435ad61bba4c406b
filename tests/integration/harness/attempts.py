"""Tries to get a bot to trade for real past the daemon, and counts what was tried and what held."""

import http.client
import json
import pathlib
import socket
import subprocess
import tarfile
import time

from harness.stack import Stack, service

GATEWAY = "ibkr-gateway"
BOT = "trading-bot"
SERVICE = "trading-bot"
BASE = (GATEWAY, BOT, "health-monitor")
PAPER = "DU1234567"
LIVE = "U7654321"
# SIGTERM to SIGKILL takes 2 s; the rest is for slow machines and sanitizers.
STOP_S = 12
HERE = pathlib.Path(__file__).resolve().parents[1]

figures = []  # (what was tried, did it hold)


class EngineApi(http.client.HTTPConnection):
    """The Docker Engine API on its socket: for what the docker command will not say."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def ask(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        self.request(method, path, text, {"Content-Type": "application/json"})
        reply = self.getresponse()
        answer = reply.read()
        if reply.status >= 400:
            raise AssertionError(f"{method} {path}: {reply.status} {answer.decode()}")
        return json.loads(answer) if answer else None


CONFIG = {
    "safety": {"cro_group": "root", "gameplan_interval": "500ms", "blind_after": "3s"},
    "service gateway": {"budget": 64},
    "service trading-bot": {"budget": 64},
    "signals gateway": {"tripwire": "IBC in live mode"},
}


def careless_bot(engine, folder, *texts):
    """The image of careless_bot.c: our own bot would refuse by itself what is tried here. texts: what
    it says."""
    program = folder / "careless_bot"
    source = HERE / "careless_bot.c"
    subprocess.run(["gcc", "-static", "-O1", "-o", program, source], check=True, timeout=60)
    archive = folder / "careless_bot.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(program, "careless_bot")
    engine.docker("import", "--change", 'ENTRYPOINT ["/careless_bot"]',
                  "--change", f"CMD {json.dumps(texts)}", archive, "careless:latest")  # fmt: skip
    return "careless:latest"


class World:
    """A ready stack that is brought back to safety after each attempt."""

    def __init__(self, repo, programs, engine, folder):
        self.engine = engine
        self.folder = folder
        self.programs = programs
        self.image = careless_bot(engine, folder)
        self.stack = Stack(repo, programs, engine, env={"BOT_IMAGE": self.image}, config=CONFIG)
        self.daemon = self.stack.daemon
        self.stack.create()
        self.daemon.start()
        self.up()
        self.good = self.inspect(BOT)
        self.volume = pathlib.Path(
            engine.docker("volume", "inspect", "docker_bot-data", "--format", "{{.Mountpoint}}")
        )

    def up(self):
        self.daemon.call("Start", timeout_s=10)
        self.daemon.wait_ready()

    # --- the engine

    def api(self, method, path, body=None):
        api = EngineApi(self.engine.socket)
        try:
            return api.ask(method, path, body)
        finally:
            api.close()

    def docker(self, *args, **kwargs):
        return self.engine.docker(*args, **kwargs)

    def inspect(self, container):
        return json.loads(self.docker("inspect", container))[0]

    def running(self, container):
        text = self.docker("inspect", "--format", "{{.State.Running}}", container, check=False)
        return text == "true"

    def ever_started(self, container):
        return not self.inspect(container)["State"]["StartedAt"].startswith("0001-")

    def env(self, **changes):
        """The bot's own environment with changes; None takes a variable out."""
        pairs = dict(pair.split("=", 1) for pair in self.good["Config"]["Env"])
        pairs.update(changes)
        return [f"{name}={value}" for name, value in pairs.items() if value is not None]

    def create(self, name=BOT, env=None, labels=None, image=None, command=None, **host):
        """A container like the bot's, with differences. command: entrypoint and arguments."""
        body = {
            "Image": image or self.good["Config"]["Image"],
            "Env": self.env() if env is None else env,
            "Labels": self.good["Config"]["Labels"] if labels is None else labels,
            "HostConfig": {
                "Binds": ["docker_bot-data:/data:ro"],
                "NetworkMode": "docker_trading-network",
                **host,
            },
        }
        if command is not None:
            body["Entrypoint"] = command[:1]
            body["Cmd"] = command[1:]
        return self._take_name(name, body)

    def _take_name(self, name, body):
        """A start that is asked for meanwhile makes a removed bot anew, and then has the name."""
        end = time.monotonic() + 30
        while True:
            if name == BOT:
                self.docker("rm", "--force", BOT, check=False)
            try:
                return self.api("POST", f"/v1.41/containers/create?name={name}", body)["Id"]
            except AssertionError as error:
                if name != BOT or time.monotonic() > end or " 409 " not in str(error):
                    raise

    def talk(self, *texts, **kwargs):
        """Makes the bot say this, and starts it as an operator would."""
        self.create(command=["/careless_bot", *texts], **kwargs)
        self.daemon.call("Rescan", timeout_s=10)
        return self.daemon.ctl("start", SERVICE, "--no-wait", check=False)

    # --- the daemon

    def bot(self):
        return service(self.daemon.status(), SERVICE)

    def start(self):
        """As an operator would, until it is over one way or the other."""
        self.daemon.call("Rescan", timeout_s=10)
        return self.daemon.ctl("start", SERVICE, "--timeout", "30s", check=False)

    def safety(self):
        return self.daemon.call("Safety")["services"][0]

    def audit(self, limit=200):
        lines = self.daemon.ctl("audit", "--tail", limit, "--json").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def approve(self, kind, *args, expires="1h", check=True):
        return self.daemon.ctl(
            "approve", kind, SERVICE, *args, "--expires", expires, "--reason", "a test", check=check
        )

    def open_approvals(self):
        return self.daemon.call("Approvals")["approvals"]

    # --- waiting

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.02)
        raise AssertionError(f"{what}: not within {seconds} s\n{self.daemon.tail(40)}")

    def stopped(self, container=BOT, seconds=STOP_S):
        self.until(lambda: not self.running(container), seconds, f"{container} is stopped")

    def blocked(self, reason=None, seconds=30):
        self.daemon.wait_state(SERVICE, "blocked", seconds)
        if reason:
            assert self.bot()["reason"] == reason, self.bot()

    def refused(self, reason=None):
        """The start is refused, and the container has never run."""
        done = self.start()
        assert done.returncode != 0, done.stdout
        self.blocked(reason)
        assert not self.ever_started(BOT), "it was started"

    def tripped(self, reason=None):
        self.stopped()
        self.blocked(reason)
        assert self.safety()["tripped"]

    # --- back to safety

    def _remove_strangers(self):
        for line in self.docker("ps", "--all", "--format", "{{.ID}} {{.Names}}").splitlines():
            container, name = line.split(" ", 1)
            if name not in BASE:
                self.docker("rm", "--force", "--volumes", container)

    def _clear_gateway(self):
        if self.running(GATEWAY):
            self.stack.gateway_send("mode ok")
            self.stack.gateway_send(f"accounts {PAPER}")

    def clear_volume(self):
        for path in self.volume.iterdir():
            subprocess.run(["rm", "-rf", path], check=True)

    def reset_safety(self):
        return self.daemon.ctl(
            "safety", "reset", SERVICE, "--reason", "the test is over", check=False
        )

    def back_to_safety(self):
        self.engine.resume()
        self._remove_strangers()
        self.clear_volume()
        for approval in self.open_approvals():
            self.daemon.call("Revoke", id=approval["id"], reason="the test is over")
        if self.docker("inspect", "--format", "{{.Id}}", BOT, check=False) != self.good["Id"]:
            self.docker("rm", "--force", BOT, check=False)
        self.stack.create()
        self._clear_gateway()
        self.daemon.call("Rescan", timeout_s=10)
        self.daemon.call("Unhold", service=SERVICE)
        if service(self.daemon.status(), "gateway")["state"] != "ready":
            if self._trips("gateway"):
                self.daemon.call("SafetyReset", service="gateway", reason="the test is over")
            self.daemon.ctl("start", "gateway")
        self.until(self._is_well, 60, "all is well again")
        self.good = self.inspect(BOT)

    def _is_well(self):
        """One step towards it."""
        status = self.daemon.status()
        if status["state"] == "ready" and service(status, SERVICE)["state"] == "ready":
            return True
        if self._trips(SERVICE):
            self.reset_safety()
        elif service(status, SERVICE)["state"] in (
            "failed", "blocked", "stopped", "held", "backoff",
        ):  # fmt: skip
            self.daemon.ctl("reset", SERVICE, check=False)
            self.daemon.ctl("up", "--no-wait", check=False)
        else:
            time.sleep(0.1)
        return False

    def _trips(self, name):
        next_step = service(self.daemon.status(), name)["next"]
        return "safety reset" in next_step

    def close(self):
        self.stack.close()
        self.docker("rmi", "--force", self.image, check=False)


def attempt(what, act):
    """One way around the interlock. act() raises if it was one."""
    try:
        act()
    except Exception:
        figures.append((what, False))
        raise
    figures.append((what, True))


def summary():
    held = sum(1 for _, ok in figures if ok)
    yield f"ways around the interlock: {len(figures)} tried, {held} held"
    for what, ok in figures:
        if not ok:
            yield f"  GOT THROUGH, or could not be tried: {what}"


def host_uid_command(uid, gid, *command):
    """Runs a program as somebody without our groups."""
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *map(str, command)]
