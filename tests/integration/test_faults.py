"""What goes wrong, on real parts: logins, loops, hands, the safety rules, webhooks, disks, reloads."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.stack import service

GATEWAY = "ibkr-gateway"
# Far above what an answer takes on a busy machine, far below the engine's time-out (5 s): an answer
# that waited for the engine is slower.
HELD_UP_S = 1.0


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
def told(stack_factory, receiver):
    """A ready stack whose alerts go to the receiver."""
    signals = {"login-failed": "Login failed", "locked-out": "Too many failed login attempts"}
    return bring_up(stack_factory(config={**discord(receiver), "signals gateway": signals}))


def kill_gateway(stack):
    os.kill(stack.inspect(GATEWAY)["State"]["Pid"], signal.SIGKILL)


def started(stack, container):
    return stack.inspect(container)["State"]["StartedAt"]


def wait_log(stack, text, deadline_s=20):
    deadline = time.monotonic() + deadline_s
    while text not in stack.daemon.log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, f"no {text!r} in\n{stack.daemon.tail()}"
        time.sleep(0.05)


# --- the engine's own troubles


def test_a_port_that_another_holds_is_named_with_its_cure(stack_factory, receiver):
    patient = {"service gateway": {"budget": 2, "budget_window": "1h", "backoff_first": "100ms"}}
    stack = stack_factory(config={**discord(receiver), **patient})
    stack.create()
    image = stack.inspect(GATEWAY)["Config"]["Image"]
    stack.engine.docker("run", "--detach", "--name", "thief", "--publish", "127.0.0.1:4002:4004", image)
    try:
        stack.daemon.start()
        stack.daemon.call("Start", timeout_s=10)
        stack.daemon.wait_state("gateway", "failed")
        said = service(stack.daemon.status(), "gateway")
        assert "127.0.0.1:4002 failed: port is already allocated" in json.dumps(said), said
        receiver.wait_until(lambda: "gateway has failed" in " ".join(receiver.titles()), "it failed")
        assert "systemctl restart docker; then: tradestackctl reset gateway" in json.dumps(
            receiver.messages()
        )
    finally:
        stack.engine.docker("rm", "--force", "thief")
    stack.daemon.ctl("reset", "gateway")
    stack.daemon.wait_ready()


# --- the gateway's own troubles


def test_death_and_recovery_are_told_with_the_attempt(told, receiver):
    kill_gateway(told)
    told.daemon.wait_ready(restarts={"gateway": 1})
    receiver.wait_until(lambda: any("ready again" in t for t in receiver.titles()), "all is well")
    # As they were first sent: the recovery edits the first one.
    sent = receiver.requests(method="POST")
    embeds = [e for request in sent for e in request["body"].get("embeds", [])]
    died = next(e for e in embeds if "died" in e["title"])
    assert "exit code 137" in died["description"], died
    attempt = [f["value"] for f in died["fields"] if f["name"] == "Attempt"]
    assert attempt and attempt[0].startswith("1 of "), died
    back = next(e for e in embeds if "ready again" in e["title"])
    assert any(f["name"] == "Took" for f in back["fields"])


def test_refused_logins_stop_the_gateway_for_good_until_reset(told, receiver):
    told.gateway_send("log 2026-02-10 10:00:00:000 IBC: Login failed")
    wait_log(told, "signal=login-failed")
    assert service(told.daemon.status(), "gateway")["state"] == "ready", "one may be a slip"
    told.gateway_send("log 2026-02-10 10:00:01:000 IBC: Login failed")
    told.daemon.wait_state("gateway", "failed")
    gateway = service(told.daemon.status(), "gateway")
    assert gateway["reason"] == "login-failed" and "reset gateway" in gateway["next"]
    assert told.inspect(GATEWAY)["State"]["Status"] == "exited"
    receiver.wait_until(lambda: [t for t in receiver.titles() if "gateway has failed" in t], "it")
    refused = told.daemon.ctl("start", "gateway", check=False)
    assert refused.returncode == 1 and "tradestackctl reset gateway" in refused.stderr
    # It stays so over a restart of the daemon, and nothing is told twice.
    told.daemon.wait_delivered()
    told.daemon.kill()
    told.daemon.start()
    told.daemon.wait_state("gateway", "failed")
    assert told.inspect(GATEWAY)["State"]["Status"] == "exited"
    told.daemon.ctl("reset", "gateway")
    told.daemon.wait_ready()
    assert len([t for t in receiver.titles() if "gateway has failed" in t]) == 1


def test_a_locked_account_stops_the_gateway_at_the_first_sign(told):
    told.gateway_send("mode locked-out")
    told.daemon.wait_state("gateway", "failed")
    assert service(told.daemon.status(), "gateway")["reason"] == "locked-out"


@pytest.mark.parametrize("mode", ["upstream-lost", "upstream-2110"])
def test_a_lost_upstream_is_no_reason_to_restart(stack_factory, receiver, mode):
    config = {**discord(receiver), "service gateway": {"alert_after": "1s"}}
    stack = bring_up(stack_factory(config=config))
    before = started(stack, GATEWAY)
    stack.gateway_send(f"mode {mode}")
    status = stack.daemon.wait_state("gateway", "not-ready")
    receiver.wait_until(lambda: [t for t in receiver.titles() if "is not ready" in t], "an alert")
    assert "restart would not help" in service(stack.daemon.status(), "gateway")["next"]
    assert service(status, "gateway")["probes"][0]["reason"] == "upstream-down"
    stack.gateway_send("mode ok")
    stack.daemon.wait_ready()
    assert started(stack, GATEWAY) == before


@pytest.mark.parametrize("mode", ["relay-only", "accept-close", "silent", "no-accounts", "garbage"])
def test_an_open_port_is_not_a_ready_gateway(stack_factory, mode):
    stack = bring_up(stack_factory(config={"service gateway": {"act_after": "60s"}}))
    stack.gateway_send(f"mode {mode}")
    if mode in ("no-accounts", "garbage"):
        stack.gateway_send("drop")
    stack.daemon.wait_state("gateway", "not-ready", 15)
    assert stack.daemon.ctl("status", check=False).returncode == 3
    stack.gateway_send("mode ok")
    stack.daemon.wait_ready()


def test_a_restart_loop_ends_in_failed_with_one_alert(stack_factory, receiver):
    config = {
        **discord(receiver),
        "service gateway": {"budget": 2, "backoff_first": "100ms", "backoff_max": "200ms"},
    }
    stack = bring_up(stack_factory(config=config))
    for _ in range(3):
        stack.daemon.wait_for(lambda s: service(s, "gateway")["state"] == "ready", 20, "ready")
        kill_gateway(stack)
        stack.daemon.wait_for(lambda s: service(s, "gateway")["state"] != "ready", 10, "a loss")
    stack.daemon.wait_state("gateway", "failed")
    receiver.wait_until(lambda: [t for t in receiver.titles() if "has failed" in t], "the end")
    assert service(stack.daemon.status(), "gateway")["reason"] == "budget"
    stack.daemon.ctl("reset", "gateway")
    stack.daemon.wait_ready()


# --- hands


def test_a_start_by_hand_is_respected(told):
    told.daemon.ctl("stop", "trading-bot")
    told.daemon.wait_state("trading-bot", "stopped")
    told.engine.docker("start", "trading-bot")
    # Without a bot that is wanted down, the stack is as ready.
    told.daemon.wait_state("trading-bot", "ready")
    told.daemon.wait_ready()
    assert told.inspect("trading-bot")["State"]["Running"]


def test_hold_means_hands_off(told):
    told.daemon.ctl("hold", "gateway")
    kill_gateway(told)
    told.daemon.wait_state("gateway", "held")
    assert told.inspect(GATEWAY)["State"]["Status"] == "exited"
    told.daemon.ctl("unhold", "gateway")
    told.daemon.wait_ready()


def test_down_stops_in_reverse_and_up_starts_in_order(told):
    told.daemon.ctl("down")
    finished = {c: told.inspect(c)["State"]["FinishedAt"] for c in told.CONTAINERS}
    assert finished["trading-bot"] < finished[GATEWAY]
    assert told.daemon.ctl("status", check=False).returncode == 3
    told.daemon.ctl("up")
    assert told.daemon.ctl("status").returncode == 0
    assert started(told, "trading-bot") > started(told, GATEWAY)


def test_release_gives_the_restart_policies_back(told):
    def policies():
        return {told.inspect(c)["HostConfig"]["RestartPolicy"]["Name"] for c in told.CONTAINERS}

    assert policies() == {"no"}
    told.daemon.ctl("release")
    deadline = time.monotonic() + 10
    while policies() != {"unless-stopped"}:
        assert time.monotonic() < deadline
    told.daemon.restart()
    assert policies() == {"unless-stopped"}, "a released stack was taken over at the next start"
    told.daemon.ctl("up")
    deadline = time.monotonic() + 10
    while policies() != {"no"}:
        assert time.monotonic() < deadline


def test_stop_on_exit_stops_in_reverse_and_all_come_back(stack_factory):
    stack = bring_up(stack_factory(config={"daemon": {"stop_on_exit": "yes"}}))
    stack.engine.docker("stop", "trading-bot")  # by hand, and taken back: it is one like the others
    stack.daemon.wait_state("trading-bot", "held")
    stack.engine.docker("start", "trading-bot")
    stack.daemon.wait_ready()
    stack.daemon.stop()
    state = {c: stack.inspect(c)["State"] for c in stack.CONTAINERS}
    assert {s["Status"] for s in state.values()} == {"exited"}
    assert state["trading-bot"]["FinishedAt"] < state[GATEWAY]["FinishedAt"]
    stack.daemon.start()
    stack.daemon.wait_ready()


def test_a_dependent_restarts_with_the_gateway_only_if_its_policy_says_so(stack_factory):
    stack = bring_up(stack_factory(config={"service trading-bot": {"on_dependency_return": "restart"}}))
    bot, monitor = started(stack, "trading-bot"), started(stack, "health-monitor")
    kill_gateway(stack)
    deadline = time.monotonic() + 30
    while started(stack, "trading-bot") == bot:
        assert time.monotonic() < deadline
    stack.daemon.wait_ready(restarts={"gateway": 1})
    assert started(stack, "health-monitor") == monitor


def test_strangers_may_look_and_not_touch(told):
    def as_nobody(*arguments):
        return subprocess.run(
            [told.daemon._programs.tradestackctl, "--socket", told.daemon.socket, *arguments],
            capture_output=True, text=True, timeout=30, user=65534, group=65534, extra_groups=[],
        )  # fmt: skip

    assert as_nobody("status").returncode == 0
    refused = as_nobody("stop", "trading-bot")
    assert refused.returncode == 1 and "operate right" in refused.stderr
    assert "control.refused" in told.daemon.log.read_text()
    assert service(told.daemon.status(), "trading-bot")["state"] == "ready"


UNHEALTHY = """
name: docker
services:
  sick:
    image: tradestack-gwsim:latest
    container_name: ibkr-gateway
    command: ["--listen", "127.0.0.1:4002", "--control", "127.0.0.1:7462"]
    healthcheck:
      test: ["CMD", "/usr/bin/tradestack-gwsim", "--send", "127.0.0.1:7462", "mode ok"]
      interval: 300ms
      timeout: 2s
      retries: 2
"""


def test_what_turns_unhealthy_is_restarted(stack_factory, tmp_path):
    compose_file = tmp_path / "docker-compose.yml"
    compose_file.write_text(UNHEALTHY)
    probe = {"kind": "engine", "purposes": "startup, liveness, readiness", "fall": 1}
    config = {"service sick": {"act_after": "0", "guarded": "no"}, "probe sick/engine": probe}
    stack = bring_up(stack_factory(config=config, compose_file=compose_file))
    before = started(stack, GATEWAY)
    # Its control port is what its health check asks: stopped, the process cannot answer.
    os.kill(stack.inspect(GATEWAY)["State"]["Pid"], signal.SIGSTOP)
    deadline = time.monotonic() + 60
    while started(stack, GATEWAY) == before:
        assert time.monotonic() < deadline, stack.daemon.tail()
    stack.daemon.wait_ready(restarts={"sick": 1})


# --- the safety rules


def test_a_bot_that_is_not_in_dry_run_is_never_started(stack_factory, receiver):
    stack = stack_factory(env={"DRY_RUN": "false"}, config=discord(receiver))
    stack.create()
    stack.daemon.start()
    stack.daemon.call("Start", timeout_s=10)
    stack.daemon.wait_state("trading-bot", "blocked")
    bot = service(stack.daemon.status(), "trading-bot")
    assert "DRY_RUN is false" in bot["detail"]
    assert started(stack, "trading-bot").startswith("0001-")
    receiver.wait_until(lambda: [t for t in receiver.titles() if "not started" in t], "the refusal")
    stack.engine.docker("start", "trading-bot", check=False)
    deadline = time.monotonic() + 20
    while stack.inspect("trading-bot")["State"]["Status"] == "running":
        assert time.monotonic() < deadline, "started by hand, it was left running"
    assert service(stack.daemon.status(), "trading-bot")["state"] in ("blocked", "stopping")


def test_a_live_account_stops_the_bot_at_once(stack_factory, receiver):
    told = bring_up(stack_factory(config={**discord(receiver), "safety": {"cro_group": "root"}}))
    told.gateway_send("mode live")
    told.daemon.wait_state("trading-bot", "blocked", 15)
    assert told.inspect("trading-bot")["State"]["Status"] == "exited"
    assert told.daemon.ctl("reset", "trading-bot", check=False).returncode == 1
    receiver.wait_until(lambda: [t for t in receiver.titles() if "safety rule" in t], "the trip")
    reset = ["safety", "reset", "trading-bot", "--reason", "the gateway is back on paper"]
    assert told.daemon.ctl(*reset, check=False).returncode == 1, "reset while it was still live"
    told.gateway_send("mode ok")
    told.gateway_send("drop")
    told.daemon.wait_state("gateway", "ready")
    told.daemon.ctl(*reset)
    told.daemon.wait_ready()


# --- webhooks


def test_alerts_outlive_a_dead_webhook_and_a_killed_daemon(told, receiver):
    receiver.wait_until(lambda: [t for t in receiver.titles() if "is up" in t], "the first one")
    receiver.listen(False)
    kill_gateway(told)
    told.daemon.wait_ready(restarts={"gateway": 1})
    assert told.daemon.status()["alerts"][0]["pending"] >= 1
    told.daemon.kill()
    receiver.listen(True)
    told.daemon.start()
    receiver.wait_until(lambda: any("ready again" in t for t in receiver.titles()), "all of them")
    titles = [t for t in receiver.titles() if "gateway" in t]
    assert "died" in titles[0] and "ready again" in titles[-1]


def test_a_webhook_that_is_gone_is_left_alone_and_its_secret_stays_one(told, receiver):
    receiver.wait_until(lambda: [t for t in receiver.titles() if "is up" in t], "the first one")
    receiver.behave("404")
    told.daemon.ctl("alert", "test")
    told.daemon.wait_event(lambda e: e["event"] == "alert.refused", 15)
    tries = len(receiver.requests())
    told.daemon.ctl("alert", "test")
    kill_gateway(told)
    told.daemon.wait_ready(restarts={"gateway": 1})
    assert len(receiver.requests()) == tries, "a refused channel was tried again"
    channel = told.daemon.status()["alerts"][0]
    assert channel["state"] == "refused" and channel["pending"] >= 2
    everything = (
        told.daemon.log.read_text()
        + json.dumps(told.daemon.status())
        + pathlib.Path(f"/proc/{told.daemon.pid}/cmdline").read_text()
        + told.daemon.ctl("events").stdout
    )
    assert receiver.token not in everything


def test_a_hanging_webhook_holds_up_nothing(told, receiver):
    receiver.behave("hang")
    told.daemon.ctl("alert", "test")
    kill_gateway(told)
    told.daemon.wait_ready(20, restarts={"gateway": 1})


# --- engine


class LyingEngine(threading.Thread):
    """Accepts and answers what no engine would."""

    def __init__(self, path, answer):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        self.answer = answer

    def close(self):
        """The thread must be out of accept() first: it would go on with the next socket of that number."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join(10)
        assert not self.is_alive()
        self.listener.close()

    def run(self):
        held = []
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.answer is None:
                held.append(client)
                continue
            try:
                client.recv(4096)
                client.sendall(self.answer)
                client.close()
            except OSError:
                pass


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{{{{{",
        b"HTTP/1.1 200 OK\r\nApi-Version: 99999999999\r\nContent-Length: 2\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000,
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        None,
    ],
    ids=["nonsense", "garbage-json", "no-such-version", "endless-head", "error", "silent"],
)
def test_a_lying_engine_neither_ends_nor_stalls_the_daemon(stack_factory, answer):
    stack = stack_factory()
    path = stack.home / "liar.sock"
    liar = LyingEngine(path, answer)
    liar.start()
    stack.daemon.configure({"engine": {"address": f"unix://{path}", "timeout": "5s"}})
    stack.daemon.start()
    slowest = 0.0
    for _ in range(40):
        began = time.monotonic()
        stack.daemon.status()
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.05)  # two seconds of lies, not a wait for anything
    assert slowest < HELD_UP_S
    status = stack.daemon.wait_for(lambda s: s["engine"]["detail"], 30, "word of what is wrong")
    assert status["state"] == "engine-down" and not status["engine"]["up"]
    liar.close()


# --- disk, configuration, tools


@contextlib.contextmanager
def small_state_disk(stack):
    """A state directory of two megabytes under the running daemon. Gives what fills it up."""
    state = stack.home / "state"
    stack.daemon.stop()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", state], check=True)

    def fill():
        with open(state / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * 4096):
                pass
        return state / "filler"

    try:
        stack.daemon.start()
        stack.daemon.wait_ready()
        yield fill
    finally:
        stack.daemon.stop()
        subprocess.run(["umount", state], check=True)


def test_a_full_disk_stops_no_supervision(told, receiver):
    with small_state_disk(told) as fill:
        filler = fill()
        kill_gateway(told)
        status = told.daemon.wait_ready(30, restarts={"gateway": 1})
        assert not status["store"]["ok"]
        receiver.wait_until(
            lambda: [t for t in receiver.titles() if "cannot be written" in t], "the trouble"
        )
        filler.unlink()
        kill_gateway(told)
        told.daemon.wait_ready(30, restarts={"gateway": 2})
        told.daemon.wait_for(lambda s: s["store"]["ok"], 20, "a store that works again")


def test_a_full_disk_makes_no_trail_suspicious(told):
    """What still fits into the trail's last block must not run ahead of the state file, which takes
    nothing more: after a death of the daemon that would look like somebody else's lines."""
    with small_state_disk(told) as fill:
        filler = fill()
        for _ in range(4):
            told.daemon.ctl("hold", "health-monitor")
            told.daemon.ctl("unhold", "health-monitor")
        told.daemon.kill()
        filler.unlink()
        told.daemon.start()
        told.daemon.wait_ready()
        told.daemon.ctl("audit", "verify")


def test_a_broken_configuration_changes_nothing(told):
    before = started(told, GATEWAY)
    good = told.daemon.config_file.read_text()
    told.daemon.config_file.write_text(
        good.replace("act_after = 1s", "restart = allways\nfoo = 1")
    )
    done = told.daemon.ctl("reload", check=False)
    assert done.returncode == 1
    assert "tradestackd.conf:" in done.stderr and "allways" in done.stderr and "foo" in done.stderr
    check = told.daemon.ctl("check", "--config", told.daemon.config_file, check=False)
    assert check.returncode != 0 and "allways" in check.stderr
    told.daemon.config_file.write_text(good.replace("interval = 500ms", "interval = 700ms"))
    done = told.daemon.ctl("reload")
    assert "interval" in done.stdout and "700ms" in done.stdout
    told.daemon.wait_ready()
    assert started(told, GATEWAY) == before


def test_the_tools_show_logs_events_and_json(told):
    assert "Strategy C active" in told.daemon.ctl("logs", "trading-bot", "--tail", "200").stdout
    assert len(told.daemon.ctl("logs", "trading-bot", "-n", "2").stdout.splitlines()) == 2
    events = told.daemon.ctl("events", "--json").stdout.splitlines()
    assert any(json.loads(line)["state_to"] == "ready" for line in events)
    status = json.loads(told.daemon.ctl("status", "--json").stdout)
    for one in status["services"]:
        wanted = {"name", "container", "state", "ready", "since", "reason", "restarts", "probes"}
        assert wanted <= set(one)
    assert "\033" not in told.daemon.ctl("status").stdout
    unknown = told.daemon.ctl("restart", "gatway", check=False)
    assert unknown.returncode == 1 and "gateway" in unknown.stderr
    assert told.daemon.ctl("frobnicate", check=False).returncode == 2
    assert told.daemon.ctl("--help").returncode == 0


def test_logs_are_followed(told):
    follow = subprocess.Popen(
        [told.daemon._programs.tradestackctl, "--socket", told.daemon.socket, "logs", "gateway", "-f"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told.gateway_send("log a line from afar")
        deadline = time.monotonic() + 20
        for line in follow.stdout:
            if "a line from afar" in line:
                break
            assert time.monotonic() < deadline
    finally:
        follow.terminate()
        assert follow.wait(10) == 0


def test_the_monitor_sees_everything_and_a_silent_supervisor(told):
    deadline = time.monotonic() + 60
    wanted = {"gateway", "trading-bot", "supervisor"}
    healthy = {}
    while wanted - set(healthy):
        assert time.monotonic() < deadline, healthy
        for line in told.logs("health-monitor", 50).splitlines():
            if line.startswith('{"timestamp"') and '"component"' in line:
                check = json.loads(line)
                if check["status"] == "healthy":
                    healthy[check["component"]] = check
        time.sleep(0.2)  # docker logs is costly; the monitor reports twice a minute
    for check in healthy.values():
        assert check["api_ready"] and check["port_responding"] and check["latency_ms"] >= 0
