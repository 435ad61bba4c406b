"""The stack's own containers on the real engine, without the daemon: images, compose file, bot."""

import json
import time
import urllib.error
import urllib.request

import pytest

from harness import stack as stack_module

GATEWAY = "ibkr-gateway"
BOT = "trading-bot"

# The operators' procedure expects these, in this order, when the bot starts for the first time.
FIRST_START = [
    "Bot startup initiated",
    "Environment: DRY_RUN=true",
    "Gateway connection config: gateway:4004",
    "Waiting for Gateway readiness...",
    "Gateway health check attempt 1/30",
    "Gateway responding on port 4004",
    "Gateway authenticated: True",
    "Initializing broker connection...",
    "IBKR Gateway connected successfully",
    "Account: DU1234567 (Paper Trading)",
    "No gameplan file found at /data/gameplan.json",
    "Defaulting to Strategy C (Cash Preservation)",
    "Strategy C active: No trading, monitoring only",
    "Bot operational in safe mode",
]


class Containers:
    """Gateway and bot under plain Compose."""

    def __init__(self, stack):
        self.stack = stack
        self.engine = stack.engine

    def up(self, *services):
        self.stack.compose("up", "--detach", *services)

    def lines(self):
        """The bot's lines without their times."""
        lines = self.stack.logs(BOT, 500).splitlines()
        return [line.split("] ", 1)[-1] for line in lines]

    def wait_line(self, text, deadline_s=30, count=1):
        """Waits until the bot has logged the text `count` times."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            lines = self.lines()
            if sum(text in line for line in lines) >= count:
                return lines
            time.sleep(0.1)
        raise AssertionError(f"no {text!r} in the bot's log:\n" + "\n".join(self.lines()))

    def address(self):
        networks = self.stack.inspect(BOT)["NetworkSettings"]["Networks"]
        return networks["docker_trading-network"]["IPAddress"]

    def health(self, path="/health", method="GET"):
        request = urllib.request.Request(f"http://{self.address()}:8080{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def exit_code(self, deadline_s=30):
        return int(self.engine.docker("wait", BOT, timeout=deadline_s))


@pytest.fixture
def containers(images, repo):
    made = []

    def make(**env):
        # No restarts: how the bot ends is what some tests look at.
        override = {"TRADESTACK_RUN_DIR": "/var/empty", **env}
        stack = stack_module.Stack(repo, None, images, env=override)
        made.append(stack)
        return Containers(stack)

    yield make
    for stack in made:
        stack.close()


def test_first_start_reads_as_the_operators_expect(containers):
    c = containers()
    c.up("gateway", "trading-bot")
    lines = c.wait_line("Market data")
    informed = [line.removeprefix("INFO - ") for line in lines]
    # Compose starts the bot together with the gateway, so a first attempt may come too early.
    found = [text for text in informed if text in FIRST_START]
    assert found == FIRST_START
    assert any("Account summary: NetLiquidation" in text for text in informed)
    assert any(text.startswith("Positions: ") for text in informed)
    assert any(text.startswith("Gateway API time: ") for text in informed)


def test_health_follows_the_connection(containers):
    c = containers()
    c.up("gateway", "trading-bot")
    c.wait_line("operational in safe mode")
    status, body = c.health()
    assert status == 200
    assert json.loads(body) == {
        "status": "ok",
        "reason": "connected",
        "account": "DU1234567",
        "dry_run": True,
        "trading_mode": "paper",
        "strategy": "C",
    }
    assert c.health("/nothing")[0] == 404
    assert c.health(method="POST")[0] in (405, 501)
    c.stack.gateway_send("mode refuse")
    c.wait_line("Gateway connection lost")
    status, body = c.health()
    assert (status, json.loads(body)["status"]) == (503, "unavailable")
    c.stack.gateway_send("mode ok")
    c.wait_line("operational in safe mode", count=2)
    assert c.health()[0] == 200


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("hang", "accepted, then said nothing"),
        ("reset", ""),
        ("garbage", "answered what its protocol does not allow"),
        ("accept-close", ""),
    ],
)
def test_bot_survives_a_broken_gateway(containers, mode, why):
    c = containers()
    c.up("gateway", "trading-bot")
    c.wait_line("operational in safe mode")
    if mode == "garbage":  # held sessions do not see it: they end first, and none begins before it
        c.stack.gateway_send("mode refuse")
        c.wait_line("Gateway connection lost")
    c.stack.gateway_send(f"mode {mode}")
    c.wait_line("Gateway connection lost", deadline_s=40)
    c.wait_line(f"Gateway not ready: {why}")
    c.stack.gateway_send("mode ok")
    c.wait_line("operational in safe mode", deadline_s=60, count=2)


def test_bot_reconnects_after_a_restart_of_the_gateway(containers):
    c = containers()
    c.up("gateway", "trading-bot")
    c.wait_line("operational in safe mode")
    c.engine.docker("restart", "--time", "5", GATEWAY)
    c.wait_line("operational in safe mode", deadline_s=60, count=2)
    # The second time it has no gameplan to settle and logs none.
    assert sum("Strategy C active" in line for line in c.lines()) == 1


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({"DRY_RUN": "false"}, 10, "DRY_RUN"),
        ({"DRY_RUN": "True"}, 10, "DRY_RUN"),
        ({"TRADING_MODE": "live"}, 11, "TRADING_MODE"),
        ({"SYMBOLS": "spy"}, 2, "SYMBOLS"),
    ],
)
def test_bot_refuses_unsafe_settings(containers, env, code, says):
    c = containers(**env)
    c.stack.compose("create", "--no-recreate", "trading-bot")
    c.engine.docker("update", "--restart", "no", BOT)
    c.engine.docker("start", BOT)
    assert c.exit_code() == code
    assert f"ERROR - Refusing to run: {says}" in c.lines()[-1]


def test_bot_refuses_a_live_account_in_the_middle(containers):
    c = containers()
    c.up("gateway", "trading-bot")
    c.wait_line("operational in safe mode")
    c.engine.docker("update", "--restart", "no", BOT)
    c.stack.gateway_send("mode live")
    assert c.exit_code() == 12
    assert any("NOT a paper account" in line for line in c.lines())


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ('{"strategy": "C", "date": "2026-02-10"}', None),
        ('{"strategy": "A"}', 'strategy "A" is refused'),
        ('{"strategy": "C", "size": NaN}', "JSON"),
        ('{"strategy": "C", "orders": []}', 'unknown key "orders"'),
    ],
)
def test_gameplan_is_loaded_or_refused(containers, tmp_path, plan, says):
    tmp_path.chmod(0o755)
    (tmp_path / "gameplan.json").write_text(plan, encoding="utf-8")
    c = containers(BOT_DATA=tmp_path)
    c.stack.compose("create")
    c.engine.docker("update", "--restart", "no", BOT)
    c.engine.docker("start", GATEWAY, BOT)
    if says is None:
        c.wait_line("Gameplan loaded: Strategy C (Cash Preservation) for 2026-02-10")
        c.wait_line("operational in safe mode")
    else:
        assert c.exit_code() == 13
        assert says in c.lines()[-1]


def test_bot_stops_at_once(containers):
    c = containers()
    c.up("gateway", "trading-bot")
    c.wait_line("operational in safe mode")
    c.engine.docker("stop", "--time", "10", BOT)
    assert c.stack.inspect(BOT)["State"]["ExitCode"] == 0  # killed after 10 s it would be 137


def test_containers_are_confined(containers):
    c = containers()
    c.stack.compose("create")
    for name in (BOT, "health-monitor"):
        container = c.stack.inspect(name)
        host = container["HostConfig"]
        assert container["Config"]["User"] == "10001:10001"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
    ports = c.stack.inspect(GATEWAY)["HostConfig"]["PortBindings"]
    assert ports == {"4004/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4002"}]}
