"""Ways to get the bot to trade for real, on a real engine. Each is tried; none may get through. The
session's end prints how many were tried and how many held (harness/attempts.py)."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness.attempts import (
    BOT,
    CONFIG,
    GATEWAY,
    LIVE,
    PAPER,
    SERVICE,
    World,
    attempt,
    host_uid_command,
)
from harness.stack import service

PLAN = '{"strategy": "A", "symbols": ["SPY"]}'


@pytest.fixture(scope="module")
def shared_ground(repo, programs, images, tmp_path_factory):
    ground = World(repo, programs, images, tmp_path_factory.mktemp("interlock"))
    try:
        yield ground
    finally:
        ground.close()


@pytest.fixture
def ground(shared_ground):
    yield shared_ground
    shared_ground.back_to_safety()


# --- settings that are nearly safe

DRY_RUNS = [None, "", "0", "1", "false", "False", "TRUE", "True", " true", "true ", "\ttrue",
            "true\n", "TRUE;", "true;", "yes", "on", "t", "'true'", "truе", "ｔｒｕｅ",
            "true" + " " * 60]  # fmt: skip


def test_dry_run_that_is_not_exactly_true(ground):
    for value in DRY_RUNS:

        def act(value=value):
            ground.create(env=ground.env(DRY_RUN=value))
            ground.refused("interlock")

        attempt(f"DRY_RUN={value!r}", act)


def test_trading_mode_that_is_not_exactly_paper(ground):
    for value in ["live", "Live", "LIVE", "paper ", "Paper", "both", ""]:

        def act(value=value):
            ground.create(env=ground.env(TRADING_MODE=value))
            ground.refused("interlock")

        attempt(f"TRADING_MODE={value!r}", act)


def test_settings_that_are_said_twice_or_elsewhere(ground):
    ways = {
        "DRY_RUN twice, false last": {"env": ground.env() + ["DRY_RUN=false"]},
        "DRY_RUN twice, true last": {"env": ["DRY_RUN=false", *ground.env()]},
        "dry_run in small letters": {"env": ground.env() + ["dry_run=false"]},
        "a blank behind the name": {"env": ground.env() + ["DRY_RUN =false"]},
        "Dry-Run": {"env": ground.env() + ["Dry-Run=false"]},
        "trading_mode in small letters": {"env": ground.env() + ["trading_mode=live"]},
        "a name without a value": {"env": ground.env(DRY_RUN=None) + ["DRY_RUN"]},
        "the command line sets it": {
            "command": ["/careless_bot", "DRY_RUN=false"]
        },
        "a log that nobody can read": {"LogConfig": {"Type": "none"}},
        "a volume that nobody can see into": {"Binds": [], "Tmpfs": {"/data": "rw"}},
    }
    for what, how in ways.items():

        def act(how=how):
            ground.create(**how)
            ground.refused()

        attempt(what, act)


def test_a_gateway_that_is_not_paper(ground):
    def create_gateway(mode):
        ground.daemon.ctl("stop", "gateway")
        good = ground.inspect(GATEWAY)
        ground.docker("rm", "--force", GATEWAY)
        env = [e for e in good["Config"]["Env"] if not e.startswith("TRADING_MODE")]
        body = {
            "Image": good["Config"]["Image"],
            "Env": env + [f"TRADING_MODE={mode}"],
            "Labels": good["Config"]["Labels"],
            "HostConfig": {
                "PortBindings": good["HostConfig"]["PortBindings"],
                "NetworkMode": "docker_trading-network",
            },
            "ExposedPorts": good["Config"].get("ExposedPorts"),
        }
        ground.api("POST", f"/v1.41/containers/create?name={GATEWAY}", body)
        ground.daemon.call("Rescan", timeout_s=10)

    def by_the_daemon():
        create_gateway("live")
        assert ground.daemon.ctl("start", SERVICE, "--timeout", "30s", check=False).returncode != 0
        ground.daemon.wait_state("gateway", "blocked")
        assert not ground.ever_started(GATEWAY) and not ground.running(BOT)

    def by_hand():
        create_gateway("live")
        ground.docker("start", GATEWAY)
        ground.stopped(GATEWAY)
        assert not ground.running(BOT)

    try:
        attempt("a gateway with TRADING_MODE=live, by the daemon", by_the_daemon)
        attempt("a gateway with TRADING_MODE=live, by hand", by_hand)
    finally:
        ground.docker("rm", "--force", GATEWAY)
        ground.stack.create()


# --- ways to start


def bad(ground, **kwargs):
    return ground.create(env=ground.env(DRY_RUN="false"), **kwargs)


def test_every_command_that_starts(ground):
    ways = {
        "tradestackctl up": ["up"],
        "tradestackctl start": ["start", SERVICE],
        "tradestackctl restart": ["restart", SERVICE],
        "tradestackctl reset, then start": ["reset", SERVICE],
        "tradestackctl unhold": ["unhold", SERVICE],
        "tradestackctl reload": ["reload"],
    }
    for what, command in ways.items():

        def act(command=command):
            bad(ground)
            ground.daemon.call("Rescan", timeout_s=10)
            options = ["--timeout", "20s"] if command[0] in ("up", "start", "restart") else []
            ground.daemon.ctl(*command, *options, check=False)
            ground.daemon.ctl("start", SERVICE, "--timeout", "20s", check=False)
            ground.blocked("interlock")
            assert not ground.ever_started(BOT)

        attempt(what, act)


def test_every_hand_that_starts(ground):
    def by_hand(*command):
        def act():
            bad(ground)
            ground.docker(*command, check=False)
            ground.tripped("interlock")

        return act

    attempt("docker start", by_hand("start", BOT))
    ground.back_to_safety()
    attempt("docker restart", by_hand("restart", BOT))
    ground.back_to_safety()

    def with_a_policy():
        bad(ground, RestartPolicy={"Name": "always"})
        ground.docker("start", BOT)
        ground.docker("update", "--restart", "always", BOT, check=False)
        ground.tripped("interlock")
        time.sleep(2)
        assert not ground.running(BOT), "the engine's policy started it again"

    attempt("docker start with --restart always", with_a_policy)
    ground.back_to_safety()

    def again_and_again():
        bad(ground)
        for _ in range(5):
            ground.docker("start", BOT, check=False)
            time.sleep(0.3)
        ground.tripped("interlock")

    attempt("docker start again and again", again_and_again)
    ground.back_to_safety()

    def while_held():
        ground.daemon.ctl("hold", SERVICE)
        bad(ground)
        ground.docker("start", BOT)
        ground.stopped()

    attempt("docker start of a held service", while_held)
    ground.back_to_safety()

    def while_released():
        ground.daemon.ctl("release")
        bad(ground)
        ground.docker("start", BOT)
        ground.stopped()

    attempt("docker start after a release", while_released)
    ground.daemon.call("Start", timeout_s=10)


def test_what_a_daemon_finds_running(ground):
    def adopted():
        ground.daemon.stop()
        bad(ground)
        ground.docker("start", BOT)
        ground.daemon.start()
        ground.tripped("interlock")

    attempt("started while no daemon ran", adopted)
    ground.back_to_safety()

    def after_a_kill():
        ground.daemon.kill()
        bad(ground)
        ground.docker("start", BOT)
        ground.daemon.start()
        ground.tripped("interlock")

    attempt("started after the daemon was killed", after_a_kill)
    ground.back_to_safety()

    def while_frozen():
        os.kill(ground.daemon.pid, signal.SIGSTOP)
        bad(ground)
        ground.docker("start", BOT)
        os.kill(ground.daemon.pid, signal.SIGCONT)
        ground.tripped("interlock")

    attempt("started while the daemon stood still", while_frozen)


def test_a_stop_that_is_resisted(ground):
    def stubborn():
        ground.create(env=ground.env(DRY_RUN="false", STUBBORN="1"))
        ground.docker("start", BOT)
        ground.tripped("interlock")
        assert ground.inspect(BOT)["State"]["ExitCode"] == 137

    attempt("a bot that ignores SIGTERM", stubborn)
    ground.back_to_safety()

    def paused():
        bad(ground)
        ground.docker("start", BOT)
        ground.docker("pause", BOT, check=False)
        ground.tripped("interlock")

    attempt("a bot that is paused at once", paused)


# --- races and exchanged containers


def test_exchanged_between_check_and_start(ground):
    def race():
        """Good and bad containers change places while an operator starts again and again."""
        over = threading.Event()

        def operator():
            while not over.is_set():
                ground.daemon.ctl("start", SERVICE, "--no-wait", check=False)

        thread = threading.Thread(target=operator)
        thread.start()
        bad_ids = []
        try:
            for turn in range(12):
                env = ground.env(DRY_RUN="false" if turn % 2 else "true")
                container = ground.create(env=env)
                if turn % 2:
                    bad_ids.append(container)
                time.sleep(0.15)
        finally:
            over.set()
            thread.join()
        ground.daemon.call("Rescan", timeout_s=10)
        ground.until(lambda: not ground.running(bad_ids[-1]), 12, "the last one is stopped")
        allowed = [
            e["data"]["container"]
            for e in ground.audit(5000)
            if e["event"] == "start" and e["outcome"] == "allowed"
        ]
        assert not set(allowed) & set(bad_ids), "a forbidden container was started"

    attempt("re-created under the same name while it is started", race)
    ground.back_to_safety()

    def renamed():
        ground.create(name="other", env=ground.env(DRY_RUN="false"))
        ground.docker("rename", BOT, "aside")
        ground.docker("rename", "other", BOT)
        ground.docker("start", BOT)
        ground.stopped(BOT)

    attempt("docker rename of a forbidden one into its place", renamed)
    ground.back_to_safety()

    def up_by_compose(value, *options):
        """Compose gives up when the daemon is faster with a container that it is still making:
        then again, until the bot has been started with this DRY_RUN."""

        def started():
            ground.stack.compose("up", "--detach", *options, check=False)
            found = json.loads(ground.docker("inspect", BOT, check=False) or "[]")
            return any(
                f"DRY_RUN={value}" in bot["Config"]["Env"]
                and not bot["State"]["StartedAt"].startswith("0001-")
                for bot in found
            )

        ground.until(started, 60, "Compose starts the bot")

    def env_file():
        text = ground.stack.env_file.read_text()
        try:
            ground.daemon.ctl("stop", SERVICE)
            ground.stack.env_file.write_text(text.replace("DRY_RUN=true", "DRY_RUN=false"))
            ground.daemon.ctl("start", SERVICE)
            env = ground.inspect(BOT)["Config"]["Env"]
            assert "DRY_RUN=true" in env, "it runs as it was checked, whatever the file says now"
            up_by_compose("false", "trading-bot")
            ground.tripped("interlock")
        finally:
            ground.stack.env_file.write_text(text)
            ground.docker("rm", "--force", BOT)

    attempt("env file edited between check and start, then docker compose up", env_file)
    ground.back_to_safety()

    def restart_by_compose():
        text = ground.stack.env_file.read_text()
        try:
            ground.stack.env_file.write_text(text.replace("DRY_RUN=true", "DRY_RUN=1"))
            up_by_compose("1", "--force-recreate")
            ground.tripped("interlock")
        finally:
            ground.stack.env_file.write_text(text)
            ground.docker("rm", "--force", BOT)

    attempt("docker compose up --force-recreate", restart_by_compose)


# --- copies


def test_copies_beside_the_bot(ground):
    image = ground.good["Config"]["Image"]
    false = ["--env", "DRY_RUN=false", "--network", "docker_trading-network"]
    mine = ["--label", "com.docker.compose.project=docker"]
    other = [
        "--label", "com.docker.compose.project=other",
        "--label", "com.docker.compose.service=bot",
    ]  # fmt: skip
    none = ["--label", "com.docker.compose.project=", "--label", "com.docker.compose.service="]
    as_bot = [*mine, "--label", f"com.docker.compose.service={SERVICE}"]

    def run(*args):
        def act():
            ground.docker("run", "--detach", "--name", "copy", *args, check=False)
            ground.stopped("copy")
            ground.docker("rm", "--force", "copy", check=False)
            assert any(e["event"] in ("stray", "trip") for e in ground.audit(20))

        return act

    attempt("a container of the same image, no labels", run(*false, image))
    attempt("a container of the same image in a second project", run(*other, *false, image))
    ground.docker("tag", image, "harmless:latest")
    attempt("the image under another name", run(*false, "harmless:latest"))
    attempt("a second container of the service", run(*as_bot, *false, image))
    as_monitor = [*mine, "--label", "com.docker.compose.service=health-monitor",
                  "--label", "com.docker.compose.container-number=2"]  # fmt: skip
    attempt("the bot's image as a second health monitor", run(*as_monitor, *false, image))
    ground.back_to_safety()
    ground.docker("commit", BOT, "committed:latest")
    attempt("docker commit, and run it with the labels it inherits", run(*false, "committed"))
    ground.back_to_safety()
    attempt("docker commit, and run it as another project", run(*other, *false, "committed"))
    ground.back_to_safety()
    attempt("docker commit, and run it without labels", run(*none, *false, "committed"))
    ground.back_to_safety()
    attempt("a copy without DRY_RUN", run(image))
    attempt("a copy with --restart always", run("--restart", "always", *false, image))

    def one_off():
        ground.stack.compose("run", "--detach", "--name", "copy", "--env", "DRY_RUN=false", SERVICE,
                            check=False)  # fmt: skip
        ground.stopped("copy")

    attempt("docker compose run", one_off)
    ground.back_to_safety()

    def look_alike():
        labels = {**ground.good["Config"]["Labels"], "com.docker.compose.container-number": "0"}
        ground.create(name="copy", env=ground.env(DRY_RUN="false"), labels=labels)
        ground.docker("start", "copy", check=False)
        ground.stopped("copy")

    attempt("a container that pretends to be the service's first", look_alike)


def test_labels_that_make_no_sense(ground):
    """Whoever may start a container may set its labels: they must blind nobody."""
    image = ground.good["Config"]["Image"]
    false = ["--env", "DRY_RUN=false", "--network", "docker_trading-network"]
    mine = ["--label", "com.docker.compose.project=docker"]
    long = "s" * 90

    def bystander():
        """A bot trips while a container with odd labels is in the project."""
        ground.docker("run", "--detach", "--name", "odd", *mine,
                      "--label", f"com.docker.compose.service={long}", image)  # fmt: skip
        ground.daemon.call("Rescan", timeout_s=10)
        assert ground.daemon.status()["engine"]["up"], "the engine counts as lost"
        ground.talk("live trading\n")
        ground.tripped("log-trip")

    attempt("a trip beside a container whose service has 90 letters", bystander)
    ground.back_to_safety()

    odd = {
        "a service of 90 letters": {"service": long},
        "dependencies that cannot be understood": {"depends_on": "gateway:when_it_suits"},
        "more dependencies than there can be": {"depends_on": ",".join(map(str, range(200)))},
    }
    for what, labels in odd.items():
        args = [f"com.docker.compose.{name}={value}" for name, value in labels.items()]
        args = [word for arg in args for word in ("--label", arg)]

        def copy(args=args):
            ground.docker("run", "--detach", "--name", "copy", *false, *args, image)
            ground.stopped("copy")
            ground.docker("rm", "--force", "copy")

        attempt(f"a copy with {what}", copy)

    def in_its_place():
        labels = {**ground.good["Config"]["Labels"],
                  "com.docker.compose.depends_on": odd["dependencies that cannot be understood"]["depends_on"]}  # fmt: skip
        ground.create(env=ground.env(DRY_RUN="false"), labels=labels)
        ground.docker("start", BOT)
        ground.stopped(BOT)
        assert any(e["event"] == "stray" for e in ground.audit(20))
        assert ground.start().returncode != 0
        assert not ground.running(BOT)

    attempt("re-created with dependencies that cannot be understood", in_its_place)
    ground.back_to_safety()


def test_copies_among_many(ground):
    image = ground.good["Config"]["Image"]

    def gateway():
        ground.docker("run", "--detach", "--name", "copy", "--env", "TRADING_MODE=live",
                      "--label", "com.docker.compose.project=docker",
                      "--label", "com.docker.compose.service=gateway",
                      "--label", "com.docker.compose.container-number=2", image)  # fmt: skip
        ground.stopped("copy")

    attempt("a second gateway of the project, in live mode", gateway)
    ground.back_to_safety()

    def one_off_of_another_image():
        """Not made from the bot's image, so only its labels tell whose it is."""
        archive = ground.folder / "careless_bot.tar"
        ground.docker("import", "--change", 'ENTRYPOINT ["/careless_bot"]',
                      "--change", "ENV BUILT=anew", archive, "anew:latest")  # fmt: skip
        ground.docker("run", "--detach", "--name", "copy", "--env", "DRY_RUN=false",
                      "--label", "com.docker.compose.project=docker",
                      "--label", f"com.docker.compose.service={SERVICE}",
                      "--label", "com.docker.compose.oneoff=True", "anew:latest")  # fmt: skip
        ground.stopped("copy")

    attempt("docker compose run of an image that was built anew", one_off_of_another_image)
    ground.back_to_safety()
    ground.docker("rmi", "--force", "anew:latest", check=False)


# --- what the log says

LINES = {
    "plainly": ["INFO going LIVE now\\n"],
    "in another case": ["trading mode: LiVe\\n"],
    "production": ["Environment: PRODUCTION\\n"],
    "as JSON": ['{"liveTrading":true}\\n'],
    "as a setting": ["LIVE_TRADING=1\\n"],
    "in colours": ["\\x1b[1;31mli\\x1b[0mve\\x1b[K trading\\n"],
    "with a NUL inside": ["li\\x00ve trading\\n"],
    "with other control bytes": ["l\\x01i\\x08v\\x7fe trading\\n"],
    "in pieces": ["trading mode: li", "%wait", "ve\\n"],
    "on standard error": ["%err", "live orders are on\\n"],
    "on both outputs at once": ["mode: li", "%err", "harmless\\n", "%out", "ve\\n"],
    "behind a carriage return": ["harmless\\rlive trading\\r\\n"],
    "behind 12 KiB of a line": ["@12000", " live trading\\n"],
    "across the engine's cut at 16 KiB": ["@16381", " li", "ve", " trading\\n"],
    "across our own cut at 8 KiB": ["@8159", " live trading", "@300", "\\n"],
    "after a lot": ["@200000", "\\n", "live trading\\n"],
    "the account's kind": ["Account: U1 (NOT a paper account)\\n"],
}


def test_what_the_log_says(ground):
    for what, texts in LINES.items():

        def act(texts=texts):
            ground.talk(*texts)
            ground.tripped("log-trip")
            assert ground.daemon.ctl("start", SERVICE, check=False).returncode != 0
            assert ground.daemon.ctl("reset", SERVICE, check=False).returncode != 0
            assert not ground.running(BOT)
            ground.daemon.ctl("stop", SERVICE)  # or it would say it again
            ground.until(lambda: ground.reset_safety().returncode == 0, 20, "the reset")

        attempt(f"a log that says it {what}", act)


def test_a_log_line_from_before_the_daemon(ground):
    def act():
        ground.talk("%wait", "%wait", "%wait", "live trading\\n")
        ground.until(lambda: ground.running(BOT), 20, "it runs")
        ground.daemon.kill()
        time.sleep(2)
        ground.daemon.start()
        ground.tripped("log-trip")

    attempt("a log line while no daemon looked", act)


def test_a_log_line_of_the_gateway(ground):
    def act():
        ground.stack.gateway_send("log Starting IBC in live mode, with params")
        ground.tripped("log-trip")

    attempt("the gateway's log says that it is live", act)
    # The line stays in this run's log, which every daemon to come reads from its begin.
    ground.daemon.ctl("restart", "gateway")
    ground.daemon.wait_state("gateway", "ready")


def test_what_a_gateway_said_ends_with_its_run(ground):
    """Also when the bot did not run, so that there was nothing to stop and nothing to reset."""

    def act():
        ground.daemon.ctl("stop", SERVICE)
        ground.stack.gateway_send("log Starting IBC in live mode, with params")
        ground.until(
            lambda: "live mode" in json.dumps(ground.safety()["rules"]), 20, "the line is seen"
        )
        ground.daemon.ctl("start", SERVICE, "--no-wait", check=False)
        ground.blocked("log-trip")
        assert "logs gateway --tail 100; then: tradestackctl restart gateway" in ground.daemon.tail(10)

    try:
        attempt("the gateway's log says that it is live while the bot is down", act)
    finally:
        ground.daemon.ctl("restart", "gateway")
    ground.daemon.ctl("start", SERVICE)
    ground.until(lambda: ground.running(BOT), 20, "it runs")


def test_harmless_lines_stop_nothing(ground):
    ground.talk(
        "INFO - Environment: DRY\\x5fRUN=true\\n",
        "INFO - Account: DU1234567 (Paper Trading)\\n",
        "liveness ok; alive; live market data farm; delivered\\n",
        "LIVE_TRADING=false, live: off\\n",
        "@20000",
        "\\n",
        "10197 No market data during competing live session\\n",
    )
    ground.until(lambda: ground.running(BOT), 20, "it runs")
    time.sleep(3)
    assert ground.running(BOT) and not ground.safety()["tripped"], ground.safety()


# --- accounts


def test_accounts_that_are_not_paper(ground):
    ways = {
        "a live account in the middle of a session": [f"accounts {LIVE}"],
        "a live account beside a paper one": [f"accounts {PAPER},{LIVE}"],
        "a live account for a moment": [f"accounts {LIVE}", f"accounts {PAPER}"],
        "an advisor's live account": ["accounts F1234567"],
        "more accounts than can be listed": [
            "accounts " + ",".join(f"DU{n:07}" for n in range(70))[:500]
        ],
        "a session that comes back live": ["mode live", "drop"],
    }
    for what, commands in ways.items():

        def act(commands=commands):
            for command in commands:
                ground.stack.gateway_send(command)
            ground.tripped("live-account")

        attempt(what, act)
        ground.back_to_safety()


def test_a_gateway_that_says_nothing(ground):
    def act():
        ground.daemon.ctl("stop", SERVICE)
        ground.daemon.ctl("hold", "gateway")
        ground.stack.gateway_send("mode hang")
        ground.until(
            lambda: any(
                r["rule"] == "account" and r["finding"] == "unknown"
                for r in ground.safety()["rules"]
            ),
            30,
            "the account counts as unknown",
        )
        ground.daemon.ctl("start", SERVICE, "--no-wait", check=False)
        time.sleep(3)
        assert not ground.running(BOT), "started though nobody knows the account"

    try:
        attempt("a gateway that hangs before the bot's start", act)
    finally:
        ground.stack.gateway_send("mode ok")
        ground.daemon.ctl("unhold", "gateway")


# --- the gameplan


def test_gameplans_that_nobody_approved(ground):
    def put(text):
        (ground.volume / "gameplan.json").write_text(text)

    def broken(text):
        def make():
            put(text)

        return make

    def link():
        put_elsewhere = ground.volume / "elsewhere.json"
        put_elsewhere.write_text('{"strategy": "C"}')
        (ground.volume / "gameplan.json").symlink_to("elsewhere.json")

    ways = {
        "a plan": broken(PLAN),
        "a plan of strategy C": broken('{"strategy": "C"}'),
        "a broken plan": broken('{"strategy": "C"'),
        "a plan that says a key twice": broken('{"strategy": "C", "strategy": "A"}'),
        "a plan with NaN": broken('{"strategy": "C", "risk": NaN}'),
        "an empty plan": broken(""),
        "a plan of 200 KiB": broken('{"strategy": "C", "notes": "' + "x" * 200000 + '"}'),
        "a plan of 6 MiB": broken('{"strategy": "C", "notes": "' + "x" * (6 << 20) + '"}'),
        "a link to a plan": link,
        "a folder in its place": lambda: (ground.volume / "gameplan.json").mkdir(),
    }
    for what, make in ways.items():

        def before(make=make):
            ground.daemon.ctl("stop", SERVICE)
            make()
            done = ground.daemon.ctl("start", SERVICE, "--timeout", "30s", check=False)
            assert done.returncode != 0 and not ground.running(BOT)
            ground.blocked("gameplan")

        attempt(f"{what}, before the start", before)
        ground.clear_volume()
        ground.up()

    for what in ("a plan", "a broken plan", "a link to a plan"):

        def during(make=ways[what]):
            make()
            ground.tripped("gameplan")

        attempt(f"{what}, while it runs", during)
        ground.back_to_safety()


def test_an_approved_plan_that_changes(ground):
    def act():
        ground.daemon.ctl("stop", SERVICE)
        plan = ground.volume / "gameplan.json"
        plan.write_text('{"strategy": "C"}')
        ground.approve("gameplan", "--gameplan", plan)
        ground.up()
        plan.write_text('{"strategy": "C", "notes": "one more word"}')
        ground.tripped("gameplan")
        assert not ground.open_approvals(), "the approval outlived its plan"
        plan.write_text('{"strategy": "C"}')
        ground.until(
            lambda: ground.safety()["rules"][6]["finding"] == "fail", 10, "the old one is refused too"
        )

    attempt("an approved gameplan that is changed, and changed back", act)


# --- approvals


def live_bot(ground):
    """Approved to leave dry-run on the paper account, and running so: what approvals are for."""
    ground.approve("dry-run-off", "--account", PAPER)
    bad(ground)
    ground.daemon.call("Rescan", timeout_s=10)
    ground.daemon.ctl("start", SERVICE, "--no-wait")
    ground.until(lambda: ground.running(BOT), 20, "it runs as approved")
    time.sleep(1)
    assert ground.running(BOT) and not ground.safety()["tripped"], ground.safety()


def test_what_is_approved_runs(ground):
    """And is shown as what it is: forbidden by itself, and approved."""
    ground.approve("live", "--account", LIVE)
    ground.stack.gateway_send(f"accounts {LIVE}")
    time.sleep(2)
    assert ground.running(BOT), ground.daemon.tail()
    findings = {rule["rule"]: rule["finding"] for rule in ground.safety()["rules"]}
    assert findings["account"] == "approved" and findings["dry-run"] == "pass", findings
    assert ground.daemon.status()["state"] == "ready"
    # Over a restart of the daemon, too: approvals are read back from the trail.
    ground.daemon.restart()
    ground.daemon.wait_ready()
    assert ground.open_approvals()[0]["used"] and ground.running(BOT)
    ground.daemon.ctl("revoke", ground.open_approvals()[0]["id"])
    ground.tripped("live-account")


def test_approvals_end(ground):
    def revoked():
        live_bot(ground)
        ground.daemon.ctl("revoke", ground.open_approvals()[0]["id"])
        ground.tripped("interlock")

    attempt("an approval that is revoked while it runs", revoked)
    ground.back_to_safety()

    def another_account():
        live_bot(ground)
        ground.stack.gateway_send("accounts DU7777777")
        ground.tripped("interlock")
        assert not ground.open_approvals()
        ground.stack.gateway_send(f"accounts {PAPER}")
        time.sleep(2)
        assert not ground.open_approvals() and not ground.running(BOT)

    attempt("another account than the approved one, and back", another_account)
    ground.back_to_safety()

    def another_service_spelling():
        ground.approve("dry-run-off", "--account", PAPER)
        ground.create(env=ground.env(DRY_RUN="False"))
        ground.refused("interlock")

    attempt("an approval does not loosen the spelling", another_service_spelling)
    ground.back_to_safety()

    def live_needs_its_own():
        ground.approve("dry-run-off", "--account", PAPER)
        ground.create(env=ground.env(TRADING_MODE="live"))
        ground.refused("interlock")

    attempt("dry-run-off used for TRADING_MODE=live", live_needs_its_own)
    ground.back_to_safety()

    def too_long():
        done = ground.approve("live", "--account", LIVE, expires="31d", check=False)
        assert done.returncode != 0 and not ground.open_approvals()
        done = ground.approve("live", "--account", LIVE, expires="1s", check=False)
        assert done.returncode != 0 and not ground.open_approvals()
        done = ground.approve("live", check=False)
        assert done.returncode != 0 and not ground.open_approvals()

    attempt("an approval for longer than 30 days, or for no account", too_long)


def test_who_may_approve(ground):
    def as_nobody(*command):
        return subprocess.run(
            host_uid_command(65534, 65534, ground.programs.tradestackctl, "--socket",
                             ground.daemon.socket, *command),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def nobody_approves():
        done = as_nobody("approve", "dry-run-off", SERVICE, "--account", PAPER, "--expires", "1h",
                         "--reason", "x")  # fmt: skip
        assert done.returncode != 0 and not ground.open_approvals(), done.stderr
        assert any(e["outcome"] == "refused" and e["uid"] == 65534 for e in ground.audit(10))

    attempt("an approval by somebody outside the CRO group", nobody_approves)

    def nobody_resets():
        bad(ground)
        ground.docker("start", BOT)
        ground.tripped("interlock")
        assert as_nobody("safety", "reset", SERVICE, "--reason", "x").returncode != 0
        assert as_nobody("reset", SERVICE).returncode != 0
        assert ground.safety()["tripped"]

    attempt("a reset by somebody outside the CRO group", nobody_resets)

    def reset_without_cure():
        assert ground.reset_safety().returncode != 0, "reset though nothing was mended"
        assert ground.safety()["tripped"] and not ground.running(BOT)

    attempt("a reset while the rule is still broken", reset_without_cure)
    ground.back_to_safety()

    def alone():
        ground.daemon.configure({**CONFIG, "safety": {**CONFIG["safety"],
                                                               "approvers": 2}})  # fmt: skip
        ground.daemon.call("Reload", timeout_s=10)
        ground.approve("dry-run-off", "--account", PAPER)
        pending = ground.open_approvals()[0]
        assert pending["state"] == "pending"
        assert ground.daemon.ctl("approve", "confirm", pending["id"], check=False).returncode != 0
        ground.create(env=ground.env(DRY_RUN="false"))
        ground.refused("interlock")

    try:
        attempt("one person in the place of two", alone)
    finally:
        ground.daemon.configure(CONFIG)
        ground.daemon.call("Reload", timeout_s=10)
    ground.back_to_safety()

    def root_without_group():
        config = CONFIG
        ground.daemon.configure({**config, "safety": {**config["safety"], "cro_group": "daemon"}})
        ground.daemon.call("Reload", timeout_s=10)
        done = ground.approve("dry-run-off", "--account", PAPER, check=False)
        assert done.returncode != 0 and not ground.open_approvals()

    try:
        attempt("root, who is not in the CRO group", root_without_group)
    finally:
        ground.daemon.configure(CONFIG)
        ground.daemon.call("Reload", timeout_s=10)


# --- the clock


class WrongClock:
    """The daemon with a wall clock of its own."""

    def __init__(self, ground):
        self.ground = ground
        self.file = ground.folder / "clock"
        self.library = ground.folder / "wrong_clock.so"
        source = pathlib.Path(__file__).with_name("wrong_clock.c")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", self.library, source, "-ldl"],
            check=True,
        )
        self.set(0)

    def set(self, seconds):
        partial = self.file.with_suffix(".new")
        partial.write_text(str(seconds))
        partial.rename(self.file)

    def start(self):
        """The daemon, preloaded."""
        changes = {
            "LD_PRELOAD": str(self.library),
            "WRONG_CLOCK_FILE": str(self.file),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }
        before = {name: os.environ.get(name) for name in changes}
        os.environ.update(changes)
        try:
            self.ground.daemon.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def __enter__(self):
        self.ground.daemon.stop()
        self.start()
        self.ground.daemon.wait_state("gateway", "ready")
        return self

    def __exit__(self, *_):
        self.ground.daemon.stop()
        self.ground.daemon.start()


def test_the_clock_set_back_and_forth(ground):
    def forth():
        with WrongClock(ground) as clock:
            live_bot(ground)
            clock.set(2 * 3600)
            ground.daemon.ctl("approvals")
            ground.tripped("interlock")
            clock.set(0)
            time.sleep(1)
            assert not ground.open_approvals(), "an expired approval came back with the clock"
            assert not ground.running(BOT)

    attempt("the clock set forth past the expiry, and back", forth)
    ground.back_to_safety()

    def back():
        with WrongClock(ground) as clock:
            live_bot(ground)
            clock.set(-3600)
            ground.daemon.ctl("approvals")
            ground.tripped("interlock")
            assert not ground.open_approvals(), "nobody knows how old it is"

    attempt("the clock set back while an approval holds", back)
    ground.back_to_safety()

    def back_while_away():
        with WrongClock(ground) as clock:
            live_bot(ground)
            ground.daemon.kill()
            clock.set(-7200)
            clock.start()
            ground.tripped("interlock")
            assert not ground.open_approvals()

    attempt("the clock set back while the daemon is away", back_while_away)


# --- kills and exchanged files


def state_file(ground, name):
    return ground.daemon.home / "state" / name


def trip_by_hand(ground):
    bad(ground)
    ground.docker("start", BOT)
    ground.tripped("interlock")


def test_killed_between_stop_and_latch(ground):
    def at_the_entry():
        """Killed as soon as the trail has the trip: before the stop has had any effect."""
        trail = state_file(ground, "audit.jsonl")
        before = trail.read_text().count('"event":"trip"')
        bad(ground)
        ground.docker("start", BOT)
        ground.until(
            lambda: trail.read_text().count('"event":"trip"') > before, 20, "the trip is written"
        )
        ground.daemon.kill()
        ground.daemon.start()
        ground.tripped("interlock")
        ground.create()  # a good one in its place does not free it
        ground.daemon.call("Rescan", timeout_s=10)
        assert ground.daemon.ctl("start", SERVICE, check=False).returncode != 0
        assert not ground.running(BOT)

    attempt("the daemon killed between trip and latch", at_the_entry)
    ground.back_to_safety()

    def store_lost_too():
        bad(ground)
        ground.docker("start", BOT)
        ground.tripped("interlock")
        ground.daemon.kill()
        for path in state_file(ground, "").glob("tradestack.db*"):
            path.unlink()
        ground.daemon.start()
        ground.create()
        ground.daemon.call("Rescan", timeout_s=10)
        ground.blocked()
        assert ground.daemon.ctl("start", SERVICE, check=False).returncode != 0

    attempt("killed, and the state file removed", store_lost_too)


def test_exchanged_state_and_trail(ground):
    def older_store():
        ground.daemon.stop()
        saved = ground.folder / "older"
        shutil.copytree(state_file(ground, ""), saved)
        ground.daemon.start()
        ground.daemon.wait_ready()
        trip_by_hand(ground)
        ground.daemon.stop()
        for path in state_file(ground, "").glob("tradestack.db*"):
            path.unlink()
        for path in saved.glob("tradestack.db*"):
            shutil.copy(path, state_file(ground, path.name))
        ground.create()
        ground.daemon.start()
        ground.blocked()
        assert ground.daemon.ctl("start", SERVICE, check=False).returncode != 0
        shutil.rmtree(saved)

    attempt("the state file replaced by an older one", older_store)
    ground.back_to_safety()

    trail = state_file(ground, "audit.jsonl")

    def tampered(change):
        def act():
            trip_by_hand(ground)
            ground.daemon.stop()
            change()
            ground.create()
            ground.daemon.start()
            ground.daemon.wait_state("gateway", "ready")
            ground.daemon.ctl("start", SERVICE, "--timeout", "5s", check=False)
            assert not ground.running(BOT)
            assert ground.daemon.ctl("audit", "verify", check=False).returncode != 0

        return act

    def without_trips():
        kept = [line for line in trail.read_text().splitlines() if '"event":"trip"' not in line]
        trail.write_text("\n".join(kept) + "\n")

    def cut_short():
        lines = trail.read_text().splitlines()
        trail.write_text("\n".join(lines[:-3]) + "\n")

    def one_letter():
        text = trail.read_text()
        at = text.rindex('"event":"trip"') + 10
        trail.write_text(text[:at] + "x" + text[at + 1 :])

    def removed():
        trail.unlink()

    for what, change in {
        "the trips taken out of the audit trail": without_trips,
        "the end of the audit trail cut off": cut_short,
        "one letter of the audit trail changed": one_letter,
        "the audit trail removed": removed,
    }.items():
        attempt(what, tampered(change))
        ground.back_to_safety()

    def under_our_feet():
        copy = trail.with_suffix(".copy")
        shutil.copy(trail, copy)
        os.rename(copy, trail)
        ground.daemon.ctl("hold", "health-monitor")
        ground.daemon.ctl("unhold", "health-monitor")
        ground.until(lambda: not ground.running(BOT), 12, "the bot is stopped")
        assert ground.daemon.ctl("audit", "verify", check=False).returncode != 0

    attempt("the audit trail exchanged while the daemon runs", under_our_feet)
    ground.back_to_safety()

    def forged_approval():
        """Well made and well chained, but added while no daemon looked."""
        import hashlib

        ground.daemon.stop()
        lines = trail.read_text().splitlines()
        last = json.loads(lines[-1])
        now = int(time.time() * 1000)
        entry = {
            "at": last["at"], "event": "approval.granted", "outcome": "valid", "pid": 1,
            "prev": last["hash"], "seq": last["seq"] + 1, "service": SERVICE, "text": "forged",
            "uid": 0, "user": "root",
            "data": {"kind": "dry-run-off", "service": SERVICE, "account": PAPER, "gameplan": "",
                     "created_ms": now, "expires_ms": now + 3600000, "reason": "forged"},
        }  # fmt: skip
        bare = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        entry["hash"] = hashlib.sha256(bare.encode()).hexdigest()
        with trail.open("a") as f:
            f.write(json.dumps(entry, sort_keys=True, separators=(",", ":")) + "\n")
        ground.create(env=ground.env(DRY_RUN="false"))
        ground.daemon.start()
        ground.daemon.wait_state("gateway", "ready")
        assert not ground.open_approvals(), "a forged approval counts"
        ground.daemon.ctl("start", SERVICE, "--timeout", "5s", check=False)
        assert not ground.ever_started(BOT)
        ground.daemon.stop()
        ground.daemon.start()  # which knows the line by now
        ground.daemon.wait_state("gateway", "ready")
        assert not ground.open_approvals(), "a forged approval counts at the second start"
        ground.daemon.ctl("start", SERVICE, "--timeout", "5s", check=False)
        assert not ground.ever_started(BOT)

    attempt("an approval written into the audit trail by hand", forged_approval)
    ground.back_to_safety()

    def written_anew():
        """The same number of bytes, well chained: only who wrote the true one can tell."""
        import hashlib

        before = trail.read_bytes()
        prev, lines = "0" * 64, []
        for line in before.decode().splitlines():
            entry = json.loads(line)
            if entry["event"] == "start":
                entry["outcome"] = entry["outcome"].swapcase()
            entry["prev"] = prev
            del entry["hash"]
            bare = json.dumps(entry, sort_keys=True, separators=(",", ":"))
            prev = entry["hash"] = hashlib.sha256(bare.encode()).hexdigest()
            lines.append(json.dumps(entry, sort_keys=True, separators=(",", ":")))
        after = ("\n".join(lines) + "\n").encode()
        assert len(after) == len(before) and after != before
        trail.write_bytes(after)
        try:
            assert ground.daemon.ctl("audit", "verify", check=False).returncode != 0
        finally:
            trail.write_bytes(before)
        assert ground.daemon.ctl("audit", "verify").returncode == 0

    attempt("the audit trail written anew, with the same length", written_anew)


def test_an_engine_that_stands_still(ground):
    def act():
        bad(ground)
        ground.daemon.call("Rescan", timeout_s=10)
        ground.engine.pause()
        try:
            ground.daemon.ctl("start", SERVICE, "--no-wait", check=False)
            time.sleep(1)
        finally:
            ground.engine.resume()
        ground.blocked("interlock")
        assert not ground.ever_started(BOT)

    attempt("a start asked of an engine that stands still", act)


def test_the_trail_is_whole_after_all_that(ground):
    done = ground.daemon.ctl("audit", "verify")
    assert "none changed" in done.stdout
    kinds = {(e["event"], e["outcome"]) for e in ground.audit(2000)}
    assert ("start", "allowed") in kinds and ("command", "taken") in kinds


# --- the other answer to blindness


def test_a_running_bot_that_cannot_be_verified_is_kept_or_stopped(ground):
    ground.stack.gateway_send("mode hang")
    ground.daemon.ctl("hold", "gateway")
    time.sleep(6)
    assert ground.running(BOT), "verified, it is left running by default"
    config = CONFIG
    ground.daemon.configure({**config, "safety": {**config["safety"], "when_blind": "stop"}})
    try:
        ground.daemon.call("Reload", timeout_s=10)
        ground.stopped()
        assert not ground.safety()["tripped"], "nothing is known to be wrong"
        ground.stack.gateway_send("mode ok")
        ground.stack.gateway_send("drop")
        ground.daemon.ctl("unhold", "gateway")
        ground.daemon.wait_ready()
    finally:
        ground.daemon.configure(config)
        ground.daemon.call("Reload", timeout_s=10)
