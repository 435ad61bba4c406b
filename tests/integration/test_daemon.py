"""What the daemon must keep through hands, deaths and loops, on real parts. How often a container was
really started is counted by the engine itself, not taken from the daemon's word."""

import json
import os
import random
import signal
import subprocess
import time

import pytest

from harness.stack import service

GATEWAY = "ibkr-gateway"
BOT = "trading-bot"


def discord(receiver):
    return {
        "channel discord": {
            "kind": "discord",
            "url_file": receiver.discord_url_file,
            "ca_file": receiver.ca_file,
        }
    }


def bring_up(stack):
    stack.create()
    stack.daemon.start()
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_ready()
    return stack


@pytest.fixture
def ready(stack_factory):
    return bring_up(stack_factory())


@pytest.fixture
def told(stack_factory, receiver):
    return bring_up(stack_factory(config=discord(receiver)))


def kill_gateway(stack):
    os.kill(stack.inspect(GATEWAY)["State"]["Pid"], signal.SIGKILL)


def gateway(stack):
    return service(stack.daemon.status(), "gateway")


def is_running(stack, container):
    return stack.inspect(container)["State"]["Running"]


class Starts:
    """Starts of each container since this was made, as the engine counts them, with their times."""

    def __init__(self, stack):
        self._stack = stack
        self._since = time.time()

    def times(self, container):
        lines = self._stack.engine.docker(
            "events", "--since", f"{self._since:.9f}", "--until", f"{time.time():.9f}",
            "--filter", "event=start", "--filter", f"container={container}",
            "--format", "{{.TimeNano}}",
        )  # fmt: skip
        return [int(line) / 1e9 for line in lines.splitlines()]

    def count(self, container):
        return len(self.times(container))


def test_a_stop_by_hand_is_told_once_and_ended_by_start(told, receiver):
    told.engine.docker("stop", BOT)
    told.daemon.wait_state(BOT, "held")
    assert service(told.daemon.status(), BOT)["reason"] == "manual-stop"
    receiver.wait_until(lambda: [t for t in receiver.titles() if "by hand" in t], "it is told")
    told.daemon.wait_delivered()
    starts = Starts(told)
    # Over the daemon's death too: remembered, neither fought nor told again.
    told.daemon.kill()
    told.daemon.start()
    told.daemon.wait_state(BOT, "held")
    kill_gateway(told)
    told.daemon.wait_for(lambda s: service(s, "gateway")["restarts"] >= 1, 20, "a restart")
    told.daemon.wait_state("gateway", "ready")
    assert starts.count(BOT) == 0
    told.daemon.ctl("start", BOT)
    told.daemon.wait_ready()
    assert starts.count(BOT) == 1
    # Alerts keep their order: behind this one, nothing of before is still under way.
    told.daemon.ctl("alert", "test")
    receiver.wait_until(lambda: [t for t in receiver.titles() if "test alert" in t], "the test")
    assert len([t for t in receiver.titles() if "by hand" in t]) == 1


def test_a_restart_on_demand_costs_no_attempt(ready):
    starts = Starts(ready)
    ready.daemon.ctl("restart", "gateway")
    ready.daemon.wait_ready()
    assert starts.count(GATEWAY) == 1 and starts.count(BOT) == 0
    assert gateway(ready)["attempt"] == 0
    ready.daemon.ctl("restart", BOT)
    ready.daemon.wait_ready()
    assert starts.count(GATEWAY) == 1 and starts.count(BOT) == 1


@pytest.mark.parametrize(
    "env",
    [{"DRY_RUN": "TRUE"}, {"DRY_RUN": "1"}, {"DRY_RUN": '" true"'}],
    ids=["capitals", "one", "blank"],
)
def test_what_is_nearly_safe_is_not_started(stack_factory, env):
    stack = stack_factory(env=env)
    stack.create()
    stack.daemon.start()
    starts = Starts(stack)
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_state(BOT, "blocked")
    stack.daemon.wait_state("gateway", "ready")
    assert service(stack.daemon.status(), BOT)["reason"] == "interlock"
    assert starts.count(BOT) == 0


def test_live_mode_starts_nothing_at_all(stack_factory):
    stack = stack_factory(env={"TRADING_MODE": "live"})
    stack.create()
    stack.daemon.start()
    starts = Starts(stack)
    stack.daemon.call("Start", timeout_s=10)
    status = stack.daemon.wait_state("gateway", "blocked")
    assert "TRADING_MODE is live" in service(status, "gateway")["detail"]
    assert starts.count(GATEWAY) == 0 and starts.count(BOT) == 0


def test_a_bot_without_dry_run_is_not_started(stack_factory, repo, tmp_path):
    """Unset is not true either: neither `up` nor a hand gets it to run."""
    text = (repo / "stack/docker-compose.yml").read_text()
    lines = [line for line in text.splitlines() if "DRY_RUN:" not in line]
    assert len(lines) == len(text.splitlines()) - 1
    compose_file = tmp_path / "docker-compose.yml"
    compose_file.write_text("\n".join(lines) + "\n")
    env = {
        "MONITOR_CONFIG": repo / "stack/health-monitor.conf",
        "MONITOR_SECRETS": repo / "stack/secrets/monitor",
    }
    stack = stack_factory(env=env, compose_file=compose_file)
    stack.create()
    stack.daemon.start()
    starts = Starts(stack)
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_state(BOT, "blocked")
    assert starts.count(BOT) == 0
    refused = stack.daemon.ctl("start", BOT, check=False)
    assert refused.returncode == 1 and refused.stderr
    assert starts.count(BOT) == 0 and not is_running(stack, BOT)


# --- loops

EXITS_AT_ONCE = """
name: docker
services:
  loop:
    image: tradestack-gwsim:latest
    container_name: ibkr-gateway
    command: ["--mode", "no-such-mode"]
"""


def test_what_exits_at_once_is_tried_less_and_less_and_then_given_up(
    stack_factory, receiver, tmp_path
):
    compose_file = tmp_path / "docker-compose.yml"
    compose_file.write_text(EXITS_AT_ONCE)
    waits = {"budget": 4, "backoff_first": "400ms", "backoff_max": "10s", "backoff_jitter": 0}
    config = {**discord(receiver), "service loop": {**waits, "guarded": "no"}}
    stack = stack_factory(config=config, compose_file=compose_file)
    stack.create()
    stack.daemon.start()
    starts = Starts(stack)
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_state("loop", "failed")
    times = starts.times(GATEWAY)
    assert len(times) == 5, "the first start and four attempts"
    gaps = [b - a for a, b in zip(times, times[1:])]
    # The first attempt is made at once; then 0.4, 0.8 and 1.6 s.
    for gap, wait in zip(gaps[1:], (0.4, 0.8, 1.6)):
        assert gap >= wait, gaps
    receiver.wait_until(lambda: [t for t in receiver.titles() if "has failed" in t], "the end")
    # A new daemon does not try again either.
    stack.daemon.kill()
    stack.daemon.start()
    stack.daemon.wait_for(lambda s: s["engine"]["up"], 10, "engine connection")
    stack.daemon.wait_state("loop", "failed")
    assert starts.count(GATEWAY) == 5
    stack.daemon.ctl("reset", "loop")
    stack.daemon.wait_for(lambda s: service(s, "loop")["state"] != "failed", 10, "another try")
    stack.daemon.wait_state("loop", "failed")
    assert starts.count(GATEWAY) == 10


# --- kill -9


def test_killed_at_any_moment_nothing_is_started_twice(ready):
    """The gateway dies and the daemon with it, before, while and after it acts."""
    chance = random.Random(20261124)
    ready.daemon.configure({"service gateway": {"budget": 30, "backoff_max": "300ms"}})
    ready.daemon.call("Reload")
    total = 0
    for _ in range(8):
        starts = Starts(ready)
        kill_gateway(ready)
        time.sleep(chance.random() * 0.5)  # the moment is what is tried
        ready.daemon.kill()
        assert is_running(ready, BOT) and is_running(ready, "health-monitor")
        ready.daemon.start()
        ready.daemon.wait_for(lambda s: s["engine"]["up"], 10, "engine connection")
        ready.daemon.wait_ready()
        assert starts.count(GATEWAY) == 1, "a death is answered by one start"
        assert starts.count(BOT) == 0
        restarts = gateway(ready)["restarts"]
        # A death just before its own may be one that it never saw and could not count.
        assert total <= restarts <= total + 1
        total = restarts
    assert total > 0


def test_killed_while_it_brings_the_stack_up(stack_factory):
    chance = random.Random(2)
    stack = stack_factory()
    stack.create()
    stack.daemon.start()
    for _ in range(4):
        stack.daemon.wait_for(lambda s: s["engine"]["up"], 10, "engine connection")
        starts = Starts(stack)
        stack.daemon.call("Start", timeout_s=10)
        time.sleep(chance.random())  # the moment is what is tried
        stack.daemon.kill()
        stack.daemon.start()
        stack.daemon.wait_ready()
        order = [starts.times(name) for name in (GATEWAY, BOT)]
        assert [len(times) for times in order] == [1, 1]
        assert order[0][0] < order[1][0]
        stack.daemon.ctl("down")


def test_a_wait_before_a_restart_is_not_cut_short_by_a_new_daemon(stack_factory):
    waits = {"backoff_first": "4s", "backoff_max": "4s", "backoff_jitter": 0}
    stack = bring_up(stack_factory(config={"service gateway": waits}))
    kill_gateway(stack)
    stack.daemon.wait_ready(restarts={"gateway": 1})  # the first one is made at once
    starts = Starts(stack)
    kill_gateway(stack)
    died = time.time()
    stack.daemon.wait_state("gateway", "backoff")
    before = gateway(stack)
    stack.daemon.kill()
    stack.daemon.start()
    # Not by its state: on a slow machine what is left of the wait may be over by now.
    status = stack.daemon.wait_ready(restarts={"gateway": before["restarts"]})
    assert service(status, "gateway")["attempt"] == before["attempt"] > 0
    (started,) = starts.times(GATEWAY)
    assert started - died > 3.5
    assert service(status, "gateway")["restarts"] == before["restarts"] == 2


def test_holds_outlive_the_daemon(ready):
    ready.daemon.ctl("hold", "gateway")
    ready.daemon.kill()
    kill_gateway(ready)  # nobody looks
    starts = Starts(ready)
    ready.daemon.start()
    status = ready.daemon.wait_state("gateway", "held")
    assert service(status, "gateway")["reason"] == "hold"
    assert starts.count(GATEWAY) == 0
    ready.daemon.ctl("unhold", "gateway")
    ready.daemon.wait_ready()
    assert starts.count(GATEWAY) == 1


# --- webhooks


@pytest.mark.parametrize("mode", ["500", "429", "hang"])
def test_a_troubled_webhook_gets_everything_later_and_in_order(told, receiver, mode):
    receiver.wait_until(lambda: [t for t in receiver.titles() if "is up" in t], "the first one")
    receiver.behave(mode, retry_after=0.5)
    tried = len(receiver.requests())
    kill_gateway(told)
    told.daemon.wait_ready(20, restarts={"gateway": 1})
    if mode != "hang":  # one that hangs is on record only when it ends
        receiver.wait_until(lambda: len(receiver.requests()) > tried, "it is tried")
    assert told.daemon.status()["alerts"][0]["pending"] >= 1
    receiver.behave("ok")
    receiver.wait_until(lambda: any("ready again" in t for t in receiver.titles()), "all of it", 40)
    receiver.wait_until(
        lambda: told.daemon.status()["alerts"][0]["pending"] == 0, "nothing is left to send"
    )
    titles = [t for t in receiver.titles() if "gateway" in t]
    assert "died" in titles[0] and "ready again" in titles[-1], titles
    assert receiver.token not in told.daemon.log.read_text()


# --- tools


def follow(stack, *arguments):
    return subprocess.Popen(
        [stack.daemon._programs.tradestackctl, "--socket", stack.daemon.socket, *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def read_until(child, wanted, deadline_s=20):
    """Lines up to the one for which wanted(line) is true."""
    deadline = time.monotonic() + deadline_s
    lines = []
    for line in child.stdout:
        lines.append(line)
        if wanted(line):
            return lines
        assert time.monotonic() < deadline, lines
    raise AssertionError(f"it ended after {lines}")


def end(child):
    child.terminate()
    try:
        return child.wait(10)
    finally:
        child.kill()
        child.stdout.close()


def test_events_and_status_are_followed(ready):
    events = follow(ready, "events", "-f", "--json")
    watch = follow(ready, "--json", "watch")
    try:
        read_until(events, lambda line: json.loads(line)["state_to"] == "ready")
        read_until(watch, lambda line: '"ready"' in line)
        kill_gateway(ready)
        read_until(
            events,
            lambda line: (e := json.loads(line))["service"] == "gateway"
            and e["state_from"] == "ready",
        )
        read_until(
            events,
            lambda line: (e := json.loads(line))["service"] == "gateway"
            and e["state_to"] == "ready",
        )
        read_until(watch, lambda line: service(json.loads(line), "gateway")["restarts"] == 1)
    finally:
        assert [end(events), end(watch)] == [0, 0]
