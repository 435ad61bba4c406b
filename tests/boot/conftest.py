"""Fixtures of the boot tests: for each Debian one machine with the package installed and the demo
stack up, which the tests of a module share, as an operator's machine lives through one night after
the other. tests/boot/run.sh makes what lies in build/boot before."""

import json
import os
import pathlib
import shutil
import signal
import tempfile

import pytest

from kernel import Kernel
from machine import Namespaces

REPO = pathlib.Path(__file__).resolve().parents[2]
BOOT = REPO / "build/boot"
KIND = {"namespaces": Namespaces, "kernel": Kernel}[os.environ.get("TRADESTACK_MACHINE", "namespaces")]
TREE = "kernel" if KIND is Kernel else "machine"
RELEASES = os.environ.get("TRADESTACK_RELEASES", "bookworm trixie").split()
URL_FILE = "/etc/tradestack/credentials/discord-webhook"

DISCORD = """[Unit]
Description=A stand-in for Discord
[Service]
ExecStart=/usr/bin/python3 /opt/webhook_receiver.py --dir /shared/discord --listen 127.0.0.1:8443
Restart=always
[Install]
WantedBy=sysinit.target
"""

# Waits that suit tests; everything else is the package's.
CHANGES = {
    "#ca_file =\n": "ca_file = /shared/discord/ca.pem\n",
    "#alert_after = 30s\n": "alert_after = 3s\n",
    "#cro_group =\n": "cro_group = root\n",
    "backoff_first = 10s\n": "backoff_first = 1s\n",
    "act_after = 2m\n": "act_after = 2s\n",
}


class Night(KIND):
    """A machine with Docker, the stand-in for Discord, the images and the compose file."""

    def __init__(self, release, home):
        self.release = release
        super().__init__(BOOT / release / TREE, home)
        with self.disk() as root:
            shutil.copy(REPO / "tests/tools/webhook_receiver.py", root / "opt")
            (root / "etc/systemd/system/discord.service").write_text(DISCORD, encoding="ascii")
            stack = root / "opt/stack"
            (stack / "secrets/monitor").mkdir(parents=True)
            for name in ("docker-compose.yml", "health-monitor.conf", "simulator.env"):
                shutil.copy(REPO / "stack" / name, stack)
        shutil.copy(BOOT / "images.tar", self.shared)
        for kind in ("deb", "deb-next"):
            shutil.copytree(BOOT / release / kind, self.shared / kind)

    def prepare(self):
        """First boot: the engine gets its images, Discord its address."""
        self.boot()
        self.wait_booted()
        self.run("systemctl", "enable", "--now", "discord")
        self.run("docker", "load", "--input", "/shared/images.tar")
        self.wait(lambda: (self.shared / "discord/discord-url").exists(), 20, "address of Discord")

    def install(self, kind="deb"):
        """The package as it is, or ("deb-next") with a higher version."""
        name = next((self.shared / kind).iterdir()).name
        self.run("apt-get", "install", "-y", f"/shared/{kind}/{name}")

    def set_secret(self):
        url = (self.shared / "discord/discord-url").read_text(encoding="ascii")
        self.run("sh", "-c", f"umask 077; cat >{URL_FILE}", text=url)

    def configure(self):
        path = "/etc/tradestack/tradestackd.conf"
        text = self.read(path) + "\n"
        for old, new in CHANGES.items():
            assert old in text, old
            text = text.replace(old, new, 1)
        self.write(path, text)
        self.set_secret()
        self.run("systemctl", "restart", "tradestackd")

    def up(self, *arguments, **kwargs):
        return self.run("tradestackctl", "up", "--file", "/opt/stack/docker-compose.yml",
                        "--env-file", "/opt/stack/simulator.env", *arguments, **kwargs)  # fmt: skip

    def mark(self):
        """How far Discord is: what comes after is titles(since=mark). The machine's clock is
        another one than ours."""
        file = self.shared / "discord/requests.jsonl"
        return len(file.read_bytes().splitlines()) if file.exists() else 0

    def titles(self, since=0):
        """Titles of the alerts that Discord has got, oldest first."""
        file = self.shared / "discord/requests.jsonl"
        found = []
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        for line in lines[since:]:
            record = json_of(line)
            if record and record["status"] in (200, 204):
                found += [e["title"] for e in record["body"].get("embeds", [])]
        return found

    def wait_title(self, part, since, seconds=40):
        def told():
            return [t for t in self.titles(since) if part in t]

        return self.wait(told, seconds, f"alert {part!r}, only {self.titles(since)}")


def json_of(line):
    try:
        return json.loads(line)
    except ValueError:
        return None  # cut off by a power loss


class Shift:
    """The machine that the tests of a release share; a new one after a test that broke it."""

    def __init__(self, release):
        self._release = release
        self._folder = pathlib.Path(tempfile.mkdtemp(dir=BOOT / "run"))
        self._count = 0
        self.machine = None

    def _make(self):
        self._count += 1
        self.machine = Night(self._release, self._folder / str(self._count))
        self.machine.prepare()
        self.machine.install()
        self.machine.configure()
        self.machine.up("--wait")
        self.machine.wait_ready()

    def ready(self):
        """On, and its stack ready, whatever the test before has left."""
        if self.machine is not None:
            try:
                if not self.machine.is_on:
                    self.machine.boot()
                self.machine.wait_ready(40)
                return self.machine
            except AssertionError:
                note(f"{self._release}: a new machine, because the last did not recover")
                self.machine.destroy()
        self._make()
        return self.machine

    def close(self):
        if self.machine is not None:
            self.machine.destroy()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="module", params=RELEASES)
def shift(request):
    (BOOT / "run").mkdir(exist_ok=True)
    shift = Shift(request.param)
    try:
        yield shift
    finally:
        shift.close()


def pytest_configure():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that machines are destroyed


NOTES = []


def note(text):
    """What the tests have measured, for the end of the run."""
    NOTES.append(text)


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("boot tests")
    for text in NOTES:
        terminalreporter.write_line(text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the machine says goes with each failure."""
    outcome = yield
    report = outcome.get_result()
    shift = item.funcargs.get("shift")
    machine = shift.machine if shift is not None else None
    if report.failed and machine is not None and machine.is_on:
        report.sections.append(("machine", machine.evidence()))


@pytest.fixture
def ready(shift):
    return shift.ready()
