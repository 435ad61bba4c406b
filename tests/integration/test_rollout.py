"""`tradestackctl up` on a changed file: new containers beside the running ones, exchanged one after
the other, each only when the one before is ready; back by itself when one does not become ready."""

import re

import pytest

from harness.stack import what_matters
from harness.varlink import VarlinkError

CONFIG = {"service gateway": {"ready_timeout": "20s"}, "service trading-bot": {"ready_timeout": "8s"}}


@pytest.fixture
def stack(stack_factory):
    stack = stack_factory(config=CONFIG)
    stack.daemon.start()
    up(stack)
    return stack


def up(stack, *arguments, check=True, **changes):
    """Changes the settings and runs `up`."""
    with stack.env_file.open("a", encoding="utf-8") as file:
        file.write("".join(f"{key}={value}\n" for key, value in changes.items()))
    return stack.daemon.ctl("up", "--file", stack.compose_file, "--env-file", stack.env_file,
                            *arguments, check=check, timeout=150)  # fmt: skip


def containers(stack):
    """name -> id of everything there is."""
    lines = stack.engine.docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}")
    return dict(line.split() for line in lines.splitlines())


def environment(stack, container):
    return dict(pair.split("=", 1) for pair in stack.inspect(container)["Config"]["Env"])


def nothing_left(stack):
    assert sorted(containers(stack)) == sorted(stack.CONTAINERS)
    assert stack.daemon.status()["move"] is None


def settled(stack):
    """As Compose left it and the daemon runs it: a further `up` finds nothing to do."""
    nothing_left(stack)
    before = containers(stack)
    done = up(stack)
    assert "nothing has changed" in done.stdout
    assert containers(stack) == before
    stack.daemon.wait_ready()
    assert "Recreate" not in stack.engine.docker_output("compose", "--file", stack.compose_file,
                                                         "--env-file", stack.env_file, "up",
                                                         "--no-start", "--dry-run")  # fmt: skip


def test_only_what_has_changed_is_exchanged(stack):
    before = containers(stack)
    policy = stack.inspect("trading-bot")["HostConfig"]["RestartPolicy"]
    done = up(stack, SYMBOLS="QQQ")
    assert "is exchanged" in done.stdout
    after = containers(stack)
    assert environment(stack, "trading-bot")["SYMBOLS"] == "QQQ"
    assert after["trading-bot"] != before["trading-bot"]
    assert after["ibkr-gateway"] == before["ibkr-gateway"]
    assert after["health-monitor"] == before["health-monitor"]
    assert stack.inspect("trading-bot")["HostConfig"]["RestartPolicy"] == policy
    settled(stack)


def test_dependents_stop_for_their_gateway_and_start_again(stack):
    before = containers(stack)
    done = up(stack, GATEWAY_TIME_ZONE="Europe/Berlin")
    after = containers(stack)
    assert environment(stack, "ibkr-gateway")["TZ"] == "Europe/Berlin"
    assert after["ibkr-gateway"] != before["ibkr-gateway"]
    assert after["trading-bot"] == before["trading-bot"]
    steps = re.findall(r"\u2713 (\S+) +(stops|starts and becomes ready)", done.stdout)
    assert steps == [
        ("health-monitor", "stops"), ("trading-bot", "stops"), ("gateway", "stops"),
        *((name, "starts and becomes ready") for name in ("gateway", "health-monitor", "trading-bot")),
    ]  # fmt: skip
    settled(stack)


def test_what_does_not_become_ready_goes_back_by_itself(stack):
    before = containers(stack)
    done = up(stack, BOT_IMAGE="tradestack-gwsim:latest", check=False)
    assert done.returncode == 1
    assert "put back" in done.stderr and "expected: trading-bot starts and becomes ready" in done.stderr
    assert "last lines of its log" in done.stderr
    assert containers(stack) == before
    nothing_left(stack)
    stack.daemon.wait_ready()
    events = stack.daemon.ctl("events", "--tail", "100").stdout
    assert "goes back" in events and "gone back" in events


def wait_step(stack, text):
    stack.daemon.wait_for(lambda s: s["move"] and text in s["move"]["step"], 60, f"step: {text}")


def test_a_stop_is_obeyed_whatever_goes_on(stack):
    before = containers(stack)
    up(stack, "--no-wait", SYMBOLS="QQQ")
    wait_step(stack, "all stays ready")
    # Both at once and not by the tool, which waits: the rollout is over five seconds from now.
    stack.daemon.call("Stop", service="trading-bot")
    with pytest.raises(VarlinkError, match="containers are being exchanged"):
        stack.daemon.call("Start", service="trading-bot")
    stack.daemon.wait_for(lambda s: s["move"] is None, 60, "end of the rollout")
    stack.daemon.wait_state("trading-bot", "stopped")
    after = containers(stack)
    assert after["trading-bot"] != before["trading-bot"] and sorted(after) == sorted(stack.CONTAINERS)
    assert "an operator has stopped" in stack.daemon.ctl("events", "--tail", "50").stdout
    stack.daemon.ctl("start", "trading-bot")
    stack.daemon.wait_ready()


RESTARTS = {
    "its container": lambda stack: stack.engine.docker("restart", "--time", "2", "trading-bot"),
    "the engine": lambda stack: stack.engine.restart(),
}


@pytest.mark.parametrize("what", RESTARTS)
def test_a_restart_by_hand_is_no_reason_to_go_back(stack, what):
    before = containers(stack)
    up(stack, "--no-wait", SYMBOLS="QQQ")
    wait_step(stack, "all stays ready")
    RESTARTS[what](stack)
    stack.daemon.wait_for(lambda s: s["move"] is None, 120, "end of the rollout")
    assert "goes back" not in stack.daemon.ctl("events", "--tail", "500").stdout
    stack.daemon.wait_ready()
    assert containers(stack)["trading-bot"] != before["trading-bot"]
    settled(stack)


def test_a_container_that_vanishes_is_not_called_ready(stack):
    before = containers(stack)
    up(stack, "--no-wait", SYMBOLS="QQQ")
    wait_step(stack, "all stays ready")
    stack.engine.docker("rm", "--force", "trading-bot")
    stack.daemon.wait_for(lambda s: s["move"] is None, 120, "end of the rollout")
    events = stack.daemon.ctl("events", "--tail", "50").stdout
    assert "goes back" in events and "has no container any more" in events
    stack.daemon.wait_ready()
    assert containers(stack) == before


def backups(stack):
    return [b["name"] for b in stack.daemon.call("Backups")["backups"]]


def rollback(stack, *arguments, check=True):
    return stack.daemon.ctl("rollback", "--yes", *arguments, check=check, timeout=150)


def test_rollback_puts_back_what_was_though_the_files_are_gone(stack):
    before = {name: what_matters(stack.inspect(name)) for name in stack.CONTAINERS}
    up(stack, SYMBOLS="QQQ", GATEWAY_TIME_ZONE="Europe/Berlin")
    changed = what_matters(stack.inspect("trading-bot"))
    stack.env_file.unlink()
    shown = stack.daemon.ctl("rollback", "--dry-run").stdout
    assert "is exchanged" in shown and "SYMBOLS" not in shown
    done = rollback(stack)
    assert {name: what_matters(stack.inspect(name)) for name in stack.CONTAINERS} == before, done.stdout
    nothing_left(stack)
    stack.daemon.wait_ready()
    names = backups(stack)
    assert [name.rsplit("-", 1)[1] for name in names] == ["rollout", "rollback"]
    rollback(stack, names[1])  # and forth again
    assert what_matters(stack.inspect("trading-bot")) == changed
    assert "nothing differs" in stack.daemon.ctl("rollback", names[1], "--dry-run").stdout


def test_backups_are_private_whole_and_pruned(stack):
    secret = "S3cret-of-this-test"
    for symbols in ("QQQ", "IWM"):
        up(stack, SYMBOLS=symbols, IBKR_USERNAME=secret)
    first, second = backups(stack)
    folder = stack.home / "state/backups" / second
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["container-1.json", "container-2.json", "container-3.json", "manifest.json",
                     "networks.json"]  # fmt: skip
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert any(secret in path.read_text(encoding="utf-8") for path in folder.iterdir())
    told = "".join(
        stack.daemon.ctl(*command).stdout
        for command in (["backups"], ["backups", "show", second], ["backups", "verify", second],
                        ["rollback", "--dry-run"], ["events"], ["audit"])
    )  # fmt: skip
    assert secret not in told + stack.daemon.tail(400) and "ibkr-gateway" in told and "is whole" in told
    victim = folder / "container-2.json"
    victim.write_text(victim.read_text(encoding="utf-8").replace("S3cret", "S3cres"), encoding="utf-8")
    before = containers(stack)
    assert "container-2.json is not what was written" in stack.daemon.ctl(
        "backups", "verify", second, check=False).stderr  # fmt: skip
    refused = rollback(stack, check=False)
    assert refused.returncode == 1 and "is not what was written" in refused.stderr
    assert containers(stack) == before
    assert "no backup" in rollback(stack, "20200101T000000Z-rollout", check=False).stderr
    stack.daemon.ctl("backups", "prune", "--keep", "1")
    assert backups(stack) == [second]
