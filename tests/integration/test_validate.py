"""tradestackctl validate on a real engine: every point of the operators' list, with evidence; what
does not hold is named; the tests that act bring the stack back whatever happens meanwhile."""

import contextlib
import json
import socket
import threading

import pytest

from harness import stack as stack_module
from harness.varlink import Varlink, VarlinkError
from test_doctor import monitor_config, monitor_is_content, wait_until

GATEWAY, BOT, MONITOR = stack_module.Stack.CONTAINERS
HELPER = "io.tradestack.helper"
LOOKING = ["containers", "network", "reach", "api", "authenticated", "paper-account", "dry-run",
           "trading-mode", "safety", "bot-start", "bot-api", "monitor-gateway", "monitor-bot", "logs",
           "channels", "boot"]  # fmt: skip
ACTING = ["alert", "restart", "cold-start"]


@pytest.fixture
def ready(stack_factory, repo, receiver, tmp_path):
    """A ready stack with alerts, whose monitor has looked."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    channel = {"kind": "discord", "url_file": receiver.discord_url_file, "ca_file": receiver.ca_file}
    stack = stack_factory(
        env={"MONITOR_CONFIG": monitor_config(repo, tmp_path)}, config={"channel discord": channel}
    )
    stack.create()
    stack.daemon.start()
    stack.daemon.ctl("up")
    monitor_is_content(stack)
    return stack


def validate(stack, *arguments, check=True):
    done = stack.daemon.ctl("validate", "--json", *arguments, check=check, timeout=180)
    points = {}
    for line in done.stdout.splitlines():
        point = json.loads(line)
        assert point["id"] not in points
        points[point["id"]] = point
    return done, points


def helpers(stack):
    return stack.engine.docker("ps", "--all", "--quiet", "--filter", f"label={HELPER}").split()


def address_of(stack, container):
    networks = stack.inspect(container)["NetworkSettings"]["Networks"]
    return networks["docker_trading-network"]["IPAddress"]


def test_every_point_with_its_evidence_and_a_report(ready, tmp_path):
    volumes = ready.engine.docker("volume", "ls", "--quiet")
    report = tmp_path / "report.md"
    done, points = validate(ready, "--send-alert", "--report", report)
    assert list(points) == LOOKING + ACTING
    for name in LOOKING + ["alert"]:
        if name != "boot":  # of the machine that the tests run on
            assert points[name]["verdict"] == "pass", points[name]
        assert points[name]["evidence"]
    for name in ("restart", "cold-start"):
        assert points[name]["verdict"] == "skipped" and f"--{name}-test" in points[name]["cure"]
    for container in (GATEWAY, BOT, MONITOR):
        assert f"{container} {address_of(ready, container)}" in points["network"]["evidence"]
    address = address_of(ready, GATEWAY)
    assert f"gateway is {address}; port 4004: ok" in points["reach"]["evidence"]
    assert "DU1234567" in points["paper-account"]["evidence"]
    for words in ("DRY_RUN=true", "connected successfully", "(Paper Trading)", "Strategy C"):
        assert words in points["bot-start"]["evidence"]
    text = report.read_text(encoding="utf-8")
    assert "Every point holds" in text and "| reach | pass |" in text and address in text
    validate(ready, "--report", tmp_path / "report.json")
    as_json = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert as_json["failed"] == 0 and [p["id"] for p in as_json["points"]] == LOOKING + ACTING
    # Nothing stays behind: no helper, no volume.
    assert not helpers(ready)
    assert ready.engine.docker("volume", "ls", "--quiet") == volumes


def test_what_does_not_hold_is_named(ready, receiver):
    receiver.behave("404")
    # The bot is told a port that is not open inside.
    ready.daemon.ctl("down")
    over = ready.home / "over.yml"
    over.write_text("services: {trading-bot: {environment: {GATEWAY_PORT: 4002}}}\n", encoding="utf-8")
    ready.engine.compose("--file", ready.compose_file, "--file", over,
                         "--env-file", ready.env_file, "up", "--no-start")  # fmt: skip
    ready.daemon.call("Rescan", timeout_s=20)
    ready.daemon.call("Start", timeout_s=10)
    ready.daemon.wait_state("gateway", "ready")
    ready.daemon.wait_for(
        lambda s: stack_module.service(s, "trading-bot")["state"] in ("starting", "not-ready"),
        20, "a bot that is up and not ready")  # fmt: skip
    # It is "starting" as soon as the engine is asked to start it.
    wait_until(lambda: runs(ready, BOT), "a bot that runs")
    done, points = validate(ready, "--send-alert", "--restart-test", check=False)
    assert done.returncode == 3
    bad = {name for name, p in points.items() if p["verdict"] == "error"}
    assert bad >= {"containers", "reach", "bot-start", "bot-api", "alert", "restart"}, bad
    assert "port 4002: refused" in points["reach"]["evidence"]
    assert "404" in points["alert"]["evidence"]
    assert "not begun" in points["restart"]["evidence"]
    assert all(points[name]["cure"] for name in bad)
    assert points["api"]["verdict"] == "pass"
    ready.engine.docker("stop", "--time", "1", BOT)
    ready.daemon.wait_state("trading-bot", "held")
    _, points = validate(ready, check=False)
    assert points["reach"]["verdict"] == "unknown"
    assert not helpers(ready)


def test_restart_and_cold_start_bring_everything_back(ready):
    before = {c: ready.inspect(c) for c in (GATEWAY, BOT, MONITOR)}
    done, points = validate(ready, "--restart-test", "--cold-start-test")
    assert points["restart"]["verdict"] == points["cold-start"]["verdict"] == "pass"
    after = {c: ready.inspect(c) for c in before}
    for container, then in before.items():
        assert after[container]["Id"] != then["Id"] and after[container]["State"]["Running"]
        assert after[container]["Config"]["Env"] == then["Config"]["Env"]
    assert ready.daemon.status()["state"] == "ready"


class Running(threading.Thread):
    """A validation that somebody has begun and may leave."""

    def __init__(self, stack, **options):
        super().__init__(daemon=True)
        self.control = Varlink(stack.daemon.socket)
        self.options = options
        self.start()

    def run(self):
        with contextlib.suppress(OSError, TimeoutError, VarlinkError):
            for _ in self.control.stream("Validate", 120, **self.options):
                pass

    def leave(self):
        with contextlib.suppress(OSError):  # gone already, with the daemon
            # close() alone would leave the connection open while the thread waits on it.
            self.control._socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self.control.__exit__()


def runs(stack, container):
    return stack.inspect(container)["State"]["Running"]


def with_helper(stack):
    """A validation whose helper runs. That lives for a second only: who missed it begins again."""
    running = Running(stack)

    def there():
        nonlocal running
        ended = not running.is_alive()
        if helpers(stack):
            return True
        if ended:
            running.leave()
            running = Running(stack)
        return False

    wait_until(there, "a helper that runs", 60)
    return running


def wait_idle(stack):
    """The validation before has come to its end."""

    def idle():
        try:
            stack.daemon.call("Validate", timeout_s=30)
        except VarlinkError:
            return False
        return True

    wait_until(idle, "the end of the validation before")


def test_a_killed_daemon_leaves_no_helper_and_no_stack_that_is_down(ready):
    # In the middle of the look from inside: the helper exists.
    running = with_helper(ready)
    ready.daemon.kill()
    running.leave()
    ready.daemon.start()
    wait_until(lambda: not helpers(ready), "the helper's end")
    # With everything stopped.
    ready.daemon.wait_ready()
    running = Running(ready, restart_test=True)
    wait_until(lambda: not runs(ready, BOT), "a stopped bot")
    ready.daemon.kill()
    running.leave()
    ready.daemon.start()
    ready.daemon.wait_ready(90)
    # With the containers removed.
    running = Running(ready, cold_start_test=True)
    there = ("ps", "--all", "--quiet", "--filter", f"name={BOT}")
    wait_until(lambda: not ready.engine.docker(*there), "a removed bot")
    ready.daemon.kill()
    running.leave()
    ready.daemon.start()
    ready.daemon.wait_ready(90)
    assert all(runs(ready, container) for container in (GATEWAY, BOT, MONITOR))


def test_who_leaves_early_and_who_says_stop(ready):
    # The client goes while all is being stopped: the stack comes back.
    running = Running(ready, restart_test=True)
    wait_until(lambda: not runs(ready, BOT), "a stopped bot")
    running.leave()
    ready.daemon.wait_ready(60)
    wait_idle(ready)
    # One at a time; and an operator's stop meanwhile is the last word.
    running = Running(ready, restart_test=True)
    wait_until(lambda: not runs(ready, BOT), "a stopped bot")
    with pytest.raises(VarlinkError, match="another validation"):
        ready.daemon.call("Validate", timeout_s=20)
    ready.daemon.ctl("stop", "trading-bot")
    ready.daemon.wait_for(
        lambda s: stack_module.service(s, "gateway")["ready"]
        and stack_module.service(s, "health-monitor")["ready"],
        60, "the others")  # fmt: skip
    assert stack_module.service(ready.daemon.status(), "trading-bot")["state"] == "stopped"
    running.leave()
