"""Fixtures of the tests under Wine: a private Docker engine behind TCP and behind a pipe, a Windows
(a Wine prefix of its own) and the MSI installed in it.

run.sh starts pytest in namespaces of its own: whatever is left vanishes with it."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/integration"))
sys.path.insert(0, str(REPO / "tests/windows"))

from harness import engine as engine_module  # noqa: E402
from harness.receiver import Receiver  # noqa: E402
from wine import Windows, forward  # noqa: E402


@pytest.fixture(scope="session")
def world():
    path = pathlib.Path(tempfile.mkdtemp(prefix="ts-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def engine(world):
    """A running private Docker engine with the stack's images, also at engine.tcp_port."""
    engine = engine_module.Engine(REPO, world / "engine")
    try:
        engine.start()
        subprocess.run([REPO / "stack/images/build.sh", REPO / "build"], env=engine.env, check=True,
                       timeout=300)  # fmt: skip
        engine.tcp_port = forward(engine.socket)
        yield engine
    finally:
        engine.purge()


@pytest.fixture(scope="session")
def receiver(world):
    with Receiver(REPO, world) as receiver:
        yield receiver


@pytest.fixture(scope="session")
def windows(world):
    windows = Windows(REPO, world / "wine")
    windows.boot()
    try:
        yield windows
    finally:
        windows.shut_down()


@pytest.fixture(scope="session")
def stack(engine, world):
    """The stack's containers, created by the real Compose and not started."""
    env_file = world / "stack.env"
    (world / "run").mkdir()
    env_file.write_text((REPO / "stack/simulator.env").read_text(encoding="utf-8")
                        + f"TRADESTACK_RUN_DIR={world}/run\n", encoding="utf-8")  # fmt: skip
    engine.compose("--file", REPO / "stack/docker-compose.yml", "--env-file", env_file, "up",
                   "--no-start")  # fmt: skip
    return engine


@pytest.fixture(scope="session")
def config(engine, receiver, windows):
    """Writes the daemon's configuration: config(engine="…", more="…")."""
    from harness.stack import SERVICES, render_config

    def write(address=None, start_command=None):
        folder = windows.data
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("discord-url", "ca.pem"):
            shutil.copy(receiver.folder / name, folder / name)
            (folder / name).chmod(0o600)
        keys = {"address": address or f"tcp://127.0.0.1:{engine.tcp_port}", "alert_after": "2s"}
        if start_command:
            keys["start_command"] = start_command
        text = render_config({
            "daemon": {"project": "docker"},
            "engine": keys,
            "channel discord": {"kind": "discord", "url_file": "discord-url",
                                "ca_file": "C:/ProgramData/tradestack/ca.pem"},
            **SERVICES,
        })  # fmt: skip
        (folder / "tradestackd.conf").write_text(text, encoding="utf-8")

    return write


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed and "windows" in item.funcargs:
        report.sections.append(("events", "\n".join(map(str, item.funcargs["windows"].events()[-30:]))))
