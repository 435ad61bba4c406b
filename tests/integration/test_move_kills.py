"""kill -9 of the daemon and of the engine at every deed of a move, before it and right after it: the
move ends, after the restart, finished or back, never in between."""

import queue
import re
import time

import pytest

from harness.engine_proxy import EngineProxy
from harness.standalone import CREDENTIALS, Standalone

CONFIG = {
    "service gateway": {"ready_timeout": "10s", "budget": 2, "backoff_max": "400ms"},
    "service trading-bot": {"ready_timeout": "6s"},
}
BROKEN_S = 15
STUCK_S = 150  # no way further; longer than the longest limit of a step
WHOLE_S = 900  # a move that goes round and round
SETTLE = "all stays ready"


class Killer:
    """Strikes once before and once after every deed while it is armed."""

    def __init__(self, moments, engine):
        self.engine = engine
        self.moments = moments  # done or not: (False,) before, (True,) after, (False, True) both
        self.armed = False
        self.struck = queue.Queue()
        self.strikes = []
        self._seen = set()
        self._names = {}

    def _is_of_the_stack(self, deed):
        """Not one of the helpers with which the validation looks from inside a network."""
        (container,) = re.findall(r"^/containers/([^/?]+)", deed)
        if container not in self._names:
            name = self.engine.docker("inspect", "--format", "{{.Name}}", container, check=False)
            if name:
                self._names[container] = name
        return self._names.get(container, "/?").startswith(("/ibkr-gateway", "/trading-bot", "/health-monitor"))

    def __call__(self, deed, done):
        # A container that is made anew on the way has another id and the same deed.
        key = (re.sub(r"[0-9a-f]{64}", lambda found: found[0][:12], deed), done)
        if not self.armed or done not in self.moments or key in self._seen:
            return False
        if not self._is_of_the_stack(deed):
            return False
        self._seen.add(key)
        self.strikes.append(key)
        self.struck.put(key)
        return True


@pytest.fixture
def moving(stack_factory, images, world, request):
    killer = Killer(request.param, images)
    proxy = EngineProxy(world / "proxy.sock", images.socket, killer)
    stack = stack_factory(env=CREDENTIALS, config={**CONFIG, "engine": {"address": proxy.host}})
    old = Standalone(stack)
    old.killer = killer
    try:
        stack.daemon.start()
        yield old
    finally:
        killer.armed = False
        images.ensure()
        old.clean()
        proxy.close()


def is_over(move):
    return move is None or move["way"] not in ("forward", "back")


def strike(old, kill):
    try:
        old.killer.struck.get(timeout=0.3)
    except queue.Empty:
        return False
    kill(old)
    return True


def run_to_its_end(old, kill):
    """Starts the move, strikes as often as there are deeds, and waits for the end. What counts is
    that it gets on, not how long the whole takes."""
    old.killer.armed = True
    old.migrate("--yes", "--no-wait")
    begin = progress = mended = time.monotonic()
    where = None
    while (now := time.monotonic()) - progress < STUCK_S and now - begin < WHOLE_S:
        struck = strike(old, kill)
        status = old.daemon.status()
        move = status["move"]
        if is_over(move) and not struck:
            return
        here = move and (move["way"], move["step"], status["engine"]["up"])
        if struck or here != where:
            where, progress = here, time.monotonic()
        quiet = time.monotonic() - max(progress, mended)
        if kill is kill_engine and quiet > BROKEN_S and move["step"] != SETTLE:
            # Docker itself keeps a port or a task of a start in which it was killed, until it is
            # restarted in order. Nobody else can mend that; the daemon must not give up meanwhile.
            old.stack.engine.restart()
            mended = time.monotonic()
    raise AssertionError(f"not over, after {old.killer.strikes}\n{old.daemon.tail(80)}")


def kill_daemon(old):
    old.daemon.kill()
    old.daemon.start()


def kill_engine(old):
    old.stack.engine.kill()
    old.stack.engine.start()


def deeds(old):
    return sorted({re.sub(r"^.*/", "", deed.split("?")[0]) for deed, _ in old.killer.strikes})


@pytest.mark.parametrize("moving", [(False, True)], indirect=True)
def test_a_daemon_that_is_killed_at_every_deed_finishes(moving):
    run_to_its_end(moving, kill_daemon)
    assert moving.daemon.status()["move"]["way"] == "done"
    moving.is_moved()
    assert deeds(moving) == ["rename", "start", "stop", "update"] and len(moving.killer.strikes) >= 18
    assert not [name for name in moving.containers() if ".next-" in name]


@pytest.mark.parametrize("moving", [(False, True)], indirect=True)
def test_a_daemon_that_is_killed_at_every_deed_of_the_way_back_is_back(moving):
    moving.change(BOT_IMAGE="tradestack-monitor:latest")  # no bot: it never becomes ready
    run_to_its_end(moving, kill_daemon)
    moving.is_as_before()
    assert len(moving.killer.strikes) >= 26


@pytest.mark.parametrize("moving", [(False,), (True,)], indirect=True, ids=["before", "after"])
def test_an_engine_that_is_killed_at_every_deed_ends_finished_or_back(moving):
    run_to_its_end(moving, kill_engine)
    if moving.daemon.status()["move"] is None:
        moving.is_as_before()
    else:
        moving.is_moved()
    assert len(moving.killer.strikes) >= 9
