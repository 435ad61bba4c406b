"""Containers that are gone: which come back by themselves, which only when asked for, and how."""

import json

import pytest

from harness.stack import service, what_matters

NETWORK = "docker_default"


@pytest.fixture
def stack(stack_factory):
    stack = stack_factory()
    stack.create()
    stack.daemon.start()
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_ready()
    return stack


def networks(stack):
    return stack.engine.docker("network", "ls", "--format", "{{.Name}}").splitlines()


def own_network(stack):
    return next(iter(stack.inspect("ibkr-gateway")["NetworkSettings"]["Networks"]))


def remove_all(stack):
    network = own_network(stack)
    stack.engine.docker("rm", "--force", *stack.CONTAINERS)
    stack.engine.docker("network", "rm", network)
    return network


def test_what_an_engine_lost_comes_back_as_it_was(stack):
    before = [what_matters(stack.inspect(c)) for c in stack.CONTAINERS]
    subnet = json.loads(stack.engine.docker("network", "inspect", own_network(stack)))[0]["IPAM"]
    stack.daemon.kill()
    network = remove_all(stack)
    stack.engine.restart()  # it has forgotten that anything was removed
    stack.daemon.start()
    stack.daemon.wait_ready()
    assert [what_matters(stack.inspect(c)) for c in stack.CONTAINERS] == before
    assert json.loads(stack.engine.docker("network", "inspect", network))[0]["IPAM"] == subnet
    log = stack.daemon.tail(200)
    assert log.count("has been made anew as it was") == 4, log
    ps = stack.compose("ps", "--all", "--format", "{{.Service}}").split()
    assert sorted(ps) == ["gateway", "health-monitor", "trading-bot"], "Compose knows them no more"


def test_what_was_removed_on_purpose_stays_away_until_asked_for(stack):
    stack.daemon.stop()
    stack.compose("down", "--timeout", "2")
    stack.daemon.start()
    stack.daemon.wait_for(lambda s: s["engine"]["up"] and len(s["services"]) == 3, what="three services")
    for name in ("gateway", "trading-bot", "health-monitor"):
        stack.daemon.wait_state(name, "absent")
    stack.daemon.restart()  # nor does it come back by the daemon's restart
    with pytest.raises(AssertionError):
        stack.daemon.wait_ready(deadline_s=4)
    assert stack.engine.docker("ps", "--all", "--quiet") == ""
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_ready()
    assert sorted(c for c in stack.CONTAINERS) == sorted(
        stack.engine.docker("ps", "--format", "{{.Names}}").split()
    )


def test_what_is_held_is_not_made_anew(stack):
    stack.daemon.ctl("hold", "trading-bot")
    stack.daemon.kill()
    remove_all(stack)
    stack.engine.restart()
    stack.daemon.start()
    stack.daemon.wait_for(
        lambda s: all(service(s, n)["state"] == "ready" for n in ("gateway", "health-monitor")),
        what="the other two",
    )
    assert "trading-bot" not in stack.engine.docker("ps", "--all", "--format", "{{.Names}}").split()


def test_a_missing_image_is_said_once_and_mended_by_up(stack):
    image = stack.inspect("trading-bot")["Config"]["Image"]
    stack.engine.docker("tag", image, "spare:latest")
    stack.daemon.kill()
    archive = stack.home / "bot.tar"
    stack.engine.docker("save", "--output", archive, image)
    remove_all(stack)
    stack.engine.docker("rmi", "--force", "spare:latest", image)
    stack.engine.restart()
    stack.daemon.start()
    event = stack.daemon.wait_event(lambda e: e["event"] == "service.restore-failed")
    assert event["service"] == "trading-bot" and "image" in event["text"].lower()
    assert service(stack.daemon.status(), "trading-bot")["state"] == "absent"
    stack.engine.docker("load", "--input", archive)
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_ready()
