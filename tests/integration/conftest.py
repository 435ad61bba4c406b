"""Fixtures of the integration tests: a private world with a real Docker engine, the daemon under
test and a webhook receiver. Root is needed.

The tests run in a network and a mount namespace of their own: ports, bridges, firewall rules and
mounts can clash with nothing and vanish with the last process. There is no way out of it to the
network, so whatever comes from a registry is installed before (tests/run.sh).

TRADESTACK_BUILD: build directory of the programs under test (default build-asan if it is there,
else build). Images are always made from build.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from harness import engine as engine_module
from harness import stack as stack_module

REPO = pathlib.Path(__file__).resolve().parents[2]
# A sanitizer's finding ends the daemon, so that no test passes over it.
os.environ.setdefault("ASAN_OPTIONS", "halt_on_error=1:abort_on_error=1:detect_leaks=1")
os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000


def enter_private_world():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        why = os.strerror(ctypes.get_errno())
        raise pytest.UsageError(f"no own network and mount namespace ({why}): run as root")
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["ip", "link", "set", "lo", "up"],
    ):
        subprocess.run(command, check=True)


# What files took, about; only for dealing them out.
SECONDS = {
    "test_interlock.py": 330,
    "test_migrate.py": 280,
    "test_move_kills.py": 110,
    "test_faults.py": 110,
    "test_doctor.py": 85,
    "test_daemon.py": 80,
    "test_stack.py": 75,
    "test_rollout.py": 70,
    "test_validate.py": 60,
    "test_alerts.py": 50,
    "test_ib_clients.py": 45,
    "test_daemon_engine.py": 40,
    "test_restore.py": 35,
    "test_supervise.py": 30,
}


def pytest_addoption(parser):
    parser.addoption("--share", default="1/1", metavar="N/M",
                     help="run only the N-th of M shares of the files, which are about equal")  # fmt: skip


def pytest_configure():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that fixtures clean up


def pytest_collection_modifyitems(config, items):
    """Deals the files out, the longest first, each to the share that has the least so far."""
    number, shares = map(int, config.getoption("--share").split("/"))
    spans = {item.path.name: SECONDS.get(item.path.name, 15) for item in items}
    loads, owner = [0] * shares, {}
    for name, span in sorted(spans.items(), key=lambda pair: (-pair[1], pair[0])):
        owner[name] = loads.index(min(loads))
        loads[owner[name]] += span
    items[:] = [item for item in items if owner[item.path.name] == number - 1]


def pytest_sessionstart(session):
    if not session.config.option.collectonly:
        enter_private_world()


@pytest.fixture(scope="session")
def repo():
    return REPO


@pytest.fixture(scope="session")
def programs():
    return stack_module.Programs.find(REPO)


@pytest.fixture(scope="session")
def world():
    """A folder for everything that lives as long as the session. Short: sockets lie in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="ts-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def engine(world):
    """A running private Docker engine."""
    engine = engine_module.Engine(REPO, world / "engine")
    try:
        engine.start()
        yield engine
    finally:
        engine.purge()


@pytest.fixture(scope="session")
def images(engine):
    """The stack's own images, built in the private engine."""
    subprocess.run(
        [REPO / "stack/images/build.sh", REPO / "build"], env=engine.env, check=True, timeout=300
    )
    return engine


@pytest.fixture
def receiver(tmp_path):
    """A webhook receiver over HTTPS that can misbehave on order."""
    from harness import receiver as receiver_module

    with receiver_module.Receiver(REPO, tmp_path) as receiver:
        yield receiver


@pytest.fixture
def gateway(programs, tmp_path):
    """Makes gateway simulators on free ports of this machine: `gateway("--mode", "slow")`."""
    from harness import gateway as gateway_module

    made = []

    def make(*arguments):
        made.append(gateway_module.Gateway(programs, tmp_path, *arguments))
        return made[-1]

    yield make
    for one in made:
        ended_itself = one.process.poll() is not None
        code = one.close()
        assert ended_itself or code == 0, f"ended with {code}: {one.log}"
        assert "Sanitizer" not in one.log and "runtime error" not in one.log, one.log


@pytest.fixture
def stack_factory(programs, images):
    """Makes stacks: `stack_factory(env={...}, config="...")`. All are gone after the test."""
    made = []
    images.ensure()

    def make(**arguments):
        if made:
            raise RuntimeError("the compose file has fixed container names: one stack at a time")
        made.append(stack_module.Stack(REPO, programs, images, **arguments))
        return made[-1]

    try:
        yield make
    finally:
        for stack in made:
            stack.close()


@pytest.fixture
def tradestack(stack_factory):
    """The daemon, running, and the stack's containers, created and ready to be started."""
    stack = stack_factory()
    stack.create()
    stack.daemon.start()
    return stack


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows what the daemon logged and what the containers did."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for stack in stack_module.Stack.living:
            report.sections.extend(stack.evidence())


def pytest_terminal_summary(terminalreporter):
    """What the tests of the interlock tried, and what held."""
    from harness import attempts

    if attempts.figures:
        terminalreporter.section("the interlock")
        for line in attempts.summary():
            terminalreporter.write_line(line)
