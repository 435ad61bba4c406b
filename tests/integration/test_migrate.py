"""The operators' move: from a gateway that runs from a file of its own, in a network of its own, to
the unified stack, whose file was never started or only its health monitor. With real Compose."""

import json
import pathlib
import re

import pytest

from harness.attempts import careless_bot
from harness.stack import what_matters
from harness.standalone import CREDENTIALS, OLD, SECRET, Standalone

CONFIG = {"service gateway": {"ready_timeout": "15s"}, "service trading-bot": {"ready_timeout": "8s"}}


@pytest.fixture
def old(stack_factory):
    stack = stack_factory(env=CREDENTIALS, config=CONFIG)
    standalone = Standalone(stack)
    stack.daemon.start()
    yield standalone
    standalone.clean()


def aside(names):
    return [name for name in names if re.fullmatch(r"ibkr-gateway\.old-\d+", name)]


def test_the_whole_move_and_back(old):
    networks = old.stack.engine.docker("network", "ls", "--quiet")
    shown = old.migrate("--dry-run")
    assert old.stack.engine.docker("network", "ls", "--quiet") == networks
    old.is_as_before()
    for text in ("ibkr-gateway, project gateway", "gateway_default -> docker_trading-network",
                 "is kept as ibkr-gateway.old-", "is new; is started", "downtime: at most",
                 "port 4002 is free: held by what is stopped", "the gateway is healthy now",
                 "trading-bot keeps to the safety rules"):  # fmt: skip
        assert text in shown.stdout, shown.stdout
    assert "not confirmed" in old.migrate(check=False).stderr
    old.is_as_before()
    done = old.migrate("--yes", "--deprecate-old", "--reason", "Task 3.4")
    old.is_moved()
    steps = re.findall(r"\u2713 (\S+) +(stops|starts and becomes ready|says in its log)", done.stdout)
    assert steps == [("gateway", "stops"), *((name, "starts and becomes ready") for name in
                     ("gateway", "health-monitor", "trading-bot")), ("trading-bot", "says in its log")]
    (kept,) = aside(old.containers())
    assert old.stack.inspect(kept)["HostConfig"]["RestartPolicy"]["Name"] == "no"
    text = old.file.read_text(encoding="utf-8")
    assert text.startswith("# DEPRECATED: This file is no longer used.\n# Migrated to: ")
    assert "# Reason: Task 3.4\n" in text and text.endswith(OLD)
    (backup,) = [b["name"] for b in old.daemon.call("Backups")["backups"]]
    folder = old.stack.home / "state/backups" / backup
    assert (folder / "old.env").read_text(encoding="utf-8") == f"OLD_SECRET={SECRET}\n"
    assert "TWS_PASSWORD: " + SECRET in (folder / "old-compose.yml").read_text(encoding="utf-8")
    told = done.stdout + done.stderr + shown.stdout + old.daemon.tail(500)
    assert SECRET not in told + old.daemon.ctl("audit").stdout + old.daemon.ctl("events").stdout
    refused = old.daemon.ctl("up", "--file", old.stack.compose_file, "--env-file", old.stack.env_file,
                             check=False)  # fmt: skip
    assert refused.returncode == 1 and "not accepted yet" in refused.stderr
    old.daemon.ctl("rollback", "--yes", timeout=120)  # the file has changed meanwhile: it is not needed
    old.is_as_before()


def test_accepting_removes_what_was_kept(old):
    old.stack.compose("up", "--detach", "--no-deps", "health-monitor")
    old.daemon.call("Rescan")
    done = old.migrate("--yes")
    steps = re.findall(r"\u2713 (\S+) +stops", done.stdout)
    assert steps == ["health-monitor", "gateway"]  # the monitor must not fight the move
    old.is_moved()
    assert old.daemon.status()["move"]["kept"]
    old.daemon.ctl("migrate", "--accept")
    assert sorted(old.containers()) == sorted(old.stack.CONTAINERS)
    assert old.daemon.status()["move"] is None
    assert "no migration" in old.daemon.ctl("migrate", "--accept", check=False).stderr
    old.daemon.ctl("rollback", "--yes", timeout=120)  # from the snapshot now
    assert what_matters(old.stack.inspect("ibkr-gateway")) == old.before
    old.stack.engine.docker("rm", "--force", "health-monitor")


@pytest.mark.parametrize("settings, step, seen", [
    ({"GATEWAY_IMAGE": "tradestack-bot:latest"}, "gateway starts and becomes ready", "gateway is"),
    ({"MONITOR_CONFIG": "/dev/null"}, "all services stay ready", "health-monitor is"),
    ({"DRY_RUN": "false"}, None, "DRY_RUN"),
    ({"BOT_IMAGE": "tradestack-monitor:latest"}, "trading-bot starts and becomes ready", "trading-bot is"),
], ids=["gateway", "monitor", "unsafe", "bot"])  # fmt: skip
def test_a_failed_checkpoint_goes_back_by_itself(old, settings, step, seen):
    old.change(**settings)
    done = old.migrate("--yes", check=False)
    assert done.returncode == 1 and seen in done.stderr + done.stdout, done.stdout + done.stderr
    if step:
        assert f"expected: {step}" in done.stderr and "last lines of its log" in done.stderr
    old.is_as_before()


def test_a_bot_that_does_not_say_what_it_must_goes_back(old, tmp_path):
    """It answers every probe, but is not the bot: what the operators read in its log is not there."""
    old.change(BOT_IMAGE=careless_bot(old.stack.engine, tmp_path))
    done = old.migrate("--yes", check=False)
    assert done.returncode == 1, done.stdout
    assert "expected: trading-bot says in its log" in done.stderr, done.stderr
    assert "its log does not yet have a line that" in done.stderr
    old.is_as_before()
    old.stack.engine.docker("rmi", "--force", "careless:latest")


def test_a_bot_that_trips_in_letters_of_another_code_goes_back(old, tmp_path):
    """What it says is no UTF-8, and stands in the reason all the same."""
    says = r"M\xe4rkte offen: going live now \xe4\xf6\xfc " + r"\xe2\x82" * 60 + r"\n"
    old.change(BOT_IMAGE=careless_bot(old.stack.engine, tmp_path, says))
    done = old.migrate("--yes", check=False)
    assert done.returncode == 1 and "going live now" in done.stderr, done.stdout + done.stderr
    old.is_as_before()
    old.stack.engine.docker("rmi", "--force", "careless:latest")


def test_alerts_that_are_refused_fail_the_validation(old, receiver):
    """Everything is ready; but nobody would learn of it if it were not."""
    channel = {"kind": "discord", "url_file": receiver.discord_url_file, "ca_file": receiver.ca_file}
    old.daemon.configure({"channel discord": channel})
    receiver.behave("404")
    old.daemon.restart()
    done = old.migrate("--yes", check=False)
    assert done.returncode == 1, done.stdout
    assert "expected: all services stay ready, and the validation passes" in done.stderr, done.stderr
    assert "validation: alerts can go out: no" in done.stderr
    old.is_as_before()


OLD_BOT = """\
  {service}:
    container_name: {service}
    image: tradestack-bot:latest
    environment: {{GATEWAY_HOST: gateway, GATEWAY_PORT: "4004", TRADING_MODE: paper, DRY_RUN: "{dry_run}"}}
    volumes: ["plans:/data:ro"]
    restart: unless-stopped
    stop_grace_period: 5s
volumes: {{plans: {{}}}}
"""


@pytest.mark.parametrize("service, dry_run, plan, refusal", [
    ("trading-bot", "true", False, None),
    ("trading-bot", "true", True, "the gameplan is refused"),
    ("mybot", "false", False, "DRY_RUN is false, and no approval covers it"),
], ids=["allowed", "gameplan", "another-name"])  # fmt: skip
def test_an_old_bot_starts_again_by_the_same_rules(old, service, dry_run, plan, refusal):
    """The daemon starts it itself on the way back: judged and written down like any start of a bot."""
    old.file.write_text(OLD + OLD_BOT.format(service=service, dry_run=dry_run), encoding="utf-8")
    old.start()
    before = old.stack.inspect(service)
    if plan:
        volume = old.stack.engine.docker("volume", "inspect", "gateway_plans", "--format", "{{.Mountpoint}}")
        pathlib.Path(volume, "gameplan.json").write_text("{}", encoding="utf-8")
    old.change(BOT_IMAGE="tradestack-monitor:latest")
    done = old.migrate("--yes", check=False)
    assert done.returncode == 1, done.stdout
    after = old.stack.inspect(service)
    assert after["Id"] == before["Id"] and old.stack.inspect("ibkr-gateway")["State"]["Running"]
    starts = [e for e in map(json.loads, old.daemon.ctl("audit", "--json").stdout.splitlines())
              if e["event"] == "start" and e["data"]["container"] == before["Id"]]  # fmt: skip
    assert {e["outcome"] for e in starts} == {"refused" if refusal else "allowed"}, done.stdout
    assert after["State"]["Running"] == (not refusal)
    if refusal:
        assert refusal in starts[0]["text"]
        assert f"but not all of it runs: {service}: the safety rules refuse it: {refusal}" in done.stderr
    old.stack.engine.docker("rm", "--force", "--volumes", service)
    old.stack.engine.docker("volume", "rm", "gateway_plans")


def test_halted_on_demand_then_back(old):
    old.change(BOT_IMAGE="tradestack-monitor:latest")
    done = old.migrate("--yes", "--no-rollback", check=False)
    assert "halted" in done.stderr and "rollback goes back" in done.stderr
    assert old.daemon.status()["move"]["way"] == "halted"
    assert aside(old.containers())
    refused = old.daemon.ctl("restart", "gateway", check=False)
    assert "are being exchanged" in refused.stderr and "rollback" in refused.stderr
    old.daemon.restart()  # halted it stays
    assert old.daemon.status()["move"]["way"] == "halted"
    old.daemon.ctl("rollback", timeout=120)
    old.is_as_before()


def test_what_is_not_as_it_must_be_is_told_first(old):
    old.change(BOT_IMAGE="nowhere:latest", IBKR_PASSWORD="", SYMBOLS="${NOT_SET}")
    old.stack.engine.docker("stop", "--time", "1", "ibkr-gateway")
    done = old.migrate("--yes", check=False)
    assert done.returncode == 1 and "nothing was changed" in done.stderr
    for text in ("\u2717 the gateway is healthy now: ibkr-gateway is exited",
                 "nowhere:latest is not here and may not be pulled",
                 "variables that the new file needs are set: NOT_SET",
                 "the password had a value and has none now"):  # fmt: skip
        assert text in done.stdout, done.stdout
    assert old.containers() == {"ibkr-gateway": "exited"}
    (old.folder / "broken.yml").write_text("services: [", encoding="utf-8")
    broken = old.daemon.ctl("migrate", "--from", old.folder / "broken.yml", "--to", old.file, check=False)
    assert broken.returncode == 1 and "broken.yml is not valid" in broken.stderr
