"""The main story on real parts: up in order, broken, repaired, down again."""

import os
import signal
import time

import pytest

from harness.stack import service

GATEWAY = "ibkr-gateway"


@pytest.fixture
def running(tradestack):
    """Everything started through the daemon, and ready."""
    # A daemon that has just started answers before it has looked around.
    tradestack.daemon.wait_for(lambda s: s["engine"]["up"], 10, "engine connection")
    tradestack.daemon.call("Start", timeout_s=10)
    tradestack.daemon.wait_ready()
    return tradestack


def events(daemon, since=None):
    """What has happened so far, oldest first."""
    from harness.varlink import Varlink

    with Varlink(daemon.socket) as control:
        parameters = {"since": since} if since else {}
        return [reply["event"] for reply in control.stream("Events", 10, **parameters)]


def test_gateway_is_ready_before_its_dependents_start(running):
    started = {
        name: running.inspect(name)["State"]["StartedAt"]
        for name in (GATEWAY, "trading-bot", "health-monitor")
    }
    ready = [e for e in events(running.daemon) if e["service"] == "gateway" and e["state_to"] == "ready"]
    assert ready, "the gateway never became ready"
    assert started["trading-bot"] > ready[0]["at"] > started[GATEWAY]


def test_bot_needs_one_attempt_when_started_in_order(running):
    lines = running.logs("trading-bot")
    assert "attempt 1/30" in lines
    assert "attempt 2/30" not in lines


def test_killed_gateway_comes_back_and_the_bot_stays(running):
    bot = running.inspect("trading-bot")["State"]["StartedAt"]
    os.kill(running.inspect(GATEWAY)["State"]["Pid"], signal.SIGKILL)
    running.daemon.wait_ready(restarts={"gateway": 1})
    assert running.inspect("trading-bot")["State"]["StartedAt"] == bot


def test_hanging_gateway_is_restarted(running):
    running.gateway_send("mode hang")
    running.daemon.wait_ready(restarts={"gateway": 1})


def test_stop_by_hand_is_respected(running):
    running.engine.docker("stop", "trading-bot")
    running.daemon.wait_for(
        lambda s: service(s, "trading-bot")["state"] in ("stopped", "held"), 20, "a stopped bot"
    )
    # The next event of the gateway proves that the daemon has gone on deciding since.
    running.engine.docker("restart", "--time", "5", GATEWAY)
    running.daemon.wait_state("gateway", "ready")
    assert running.inspect("trading-bot")["State"]["Status"] == "exited"


def test_daemon_killed_and_started_again_touches_nothing(running):
    before = {n: running.inspect(n)["State"]["StartedAt"] for n in running.CONTAINERS}
    running.daemon.kill()
    running.daemon.start()
    running.daemon.wait_ready()
    assert before == {n: running.inspect(n)["State"]["StartedAt"] for n in running.CONTAINERS}


def test_control_socket_answers_while_the_engine_is_frozen(running):
    running.engine.pause()
    try:
        slowest = 0.0
        for _ in range(50):
            began = time.monotonic()
            running.daemon.status()
            slowest = max(slowest, time.monotonic() - began)
    finally:
        running.engine.resume()
    # Far below the engine's time-out (10 s): no answer has waited for it.
    assert slowest < 1.0
    running.daemon.wait_ready()


def test_engine_restart_is_survived(running):
    running.engine.restart()
    running.daemon.wait_ready(90)
