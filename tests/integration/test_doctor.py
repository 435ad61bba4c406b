"""tradestackctl doctor against seeded faults on a real engine: each is found and named, with cause,
evidence and cure; a healthy stack yields no finding. One stack is shared by all tests of this file:
each takes its faults back."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness import receiver as receiver_module
from harness import stack as stack_module
from harness.varlink import Varlink

GATEWAY, BOT, MONITOR = stack_module.Stack.CONTAINERS
PASSWORD = "correct-horse-battery"  # what must never be seen
USER = "paperuser77"


def world_of(stack, receiver):
    """What the stack's users would have set up, so that nothing is to be complained of."""
    return {
        "daemon": {"project": "docker"},
        "service gateway": {"stop_grace": "60s", "act_after": "1s", "backoff_first": "200ms"},
        "service health-monitor": {"backoff_first": "100ms", "budget": 2, "budget_window": "1h"},
        "channel discord": {
            "kind": "discord",
            "url_file": receiver.discord_url_file,
            "ca_file": receiver.ca_file,
        },
    }


class Doctor:
    def __init__(self, stack, receiver, tools):
        self.stack = stack
        self.receiver = receiver
        self.tools = tools  # a folder before all others in PATH

    def run(self, *arguments, path=None):
        env = {"PATH": path or f"{self.tools}:{os.environ['PATH']}"}
        done = self.stack.daemon.ctl("doctor", "--json", *arguments, check=False, env=env)
        assert done.returncode in (0, 3, 5), done.stderr
        # Whatever is found, no secret is shown.
        assert PASSWORD not in done.stdout and USER not in done.stdout
        assert self.receiver.token not in done.stdout
        found = [json.loads(line) for line in done.stdout.splitlines()]
        exits = {"pass": 0, "note": 0, "unknown": 3, "warning": 3, "error": 5}
        assert done.returncode == max((exits[f["verdict"]] for f in found), default=0)
        return found

    def missing(self, found, wanted):
        """What of wanted is not among the findings."""
        for identity, *words in wanted:
            texts = [json.dumps(f) for f in found if f["id"] == identity]
            if not any(all(w in t for w in words) for t in texts):
                yield identity, *words

    def expect(self, *wanted, arguments=(), path=None, deadline_s=20, before=lambda: None):
        """Each of wanted is (id, word…): soon there is such a finding, with these words in it.
        before: what is done before each look."""
        end = time.monotonic() + deadline_s
        while True:
            late = time.monotonic() > end  # before the run: one that begins in time may be slow
            before()
            found = self.run(*arguments, path=path)
            missing = list(self.missing(found, wanted))
            if not missing:
                break
            shown = "\n".join(json.dumps(f) for f in found)
            assert not late, f"no {missing} in\n{shown}"
        for f in found:
            assert f["what"] and f["evidence"], f
            assert f["cure"] or f["verdict"] in ("note", "pass"), f
        return found

    def expect_nothing(self, deadline_s=20):
        """What a test did is undone: the doctor, too, says so, soon."""
        end = time.monotonic() + deadline_s
        while True:
            late = time.monotonic() > end  # as above
            found = self.run()
            if not found:
                return
            assert not late, "\n".join(json.dumps(f) for f in found)
            time.sleep(0.3)


def wait_until(condition, what, deadline_s=30):
    end = time.monotonic() + deadline_s
    while True:
        late = time.monotonic() > end
        if condition():
            return
        assert not late, what
        time.sleep(0.1)


def put_tool(folder, name, text):
    tool = folder / name
    tool.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    tool.chmod(0o755)


def monitor_config(repo, folder):
    """The monitor's own configuration, looking once a second and not waiting long: who is silent
    fails three times before it counts as unhealthy."""
    text = (repo / "stack/health-monitor.conf").read_text(encoding="utf-8")
    for usual in ("interval = 30s", "interval = 10s", "timeout = 5s"):
        assert usual in text
        text = text.replace(usual, usual.split("=")[0] + "= 1s")
    path = folder / "monitor.conf"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return path


def monitor_log(stack):
    """What the monitor has said since it started: docker keeps what its former runs said, too."""
    since = stack.inspect(MONITOR)["State"]["StartedAt"]
    return stack.engine.docker_output("logs", "--since", since, "--tail", "60", MONITOR)


def monitor_is_content(stack):
    end = time.monotonic() + 40
    while time.monotonic() < end:
        last = {}
        for line in monitor_log(stack).splitlines():
            if line.startswith('{"timestamp"') and '"component"' in line:
                check = json.loads(line)
                last[check["component"]] = check["status"]
        if last.get("gateway") == "healthy" and last.get("trading-bot") == "healthy":
            return
        time.sleep(0.3)
    raise AssertionError(stack.logs(MONITOR, 40))


@pytest.fixture(scope="module")
def shared(repo, programs, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor")
    folder.chmod(0o755)
    tools = folder / "tools"
    tools.mkdir()
    # A service manager that says what an installed package would have it say.
    put_tool(tools, "systemctl", '[ "$1" = is-active ] && echo active || echo enabled\n')
    env = {
        "IBKR_USERNAME": USER,
        "IBKR_PASSWORD": PASSWORD,
        "MONITOR_CONFIG": monitor_config(repo, folder),
    }
    with receiver_module.Receiver(repo, folder) as receiver:
        stack = stack_module.Stack(repo, programs, images, env=env)
        stack.env_file.chmod(0o600)
        state = stack.home / "state"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", state], check=True)
        try:
            stack.daemon.configure(world_of(stack, receiver))
            stack.create()
            stack.daemon.start()
            stack.daemon.ctl("up")
            monitor_is_content(stack)
            yield Doctor(stack, receiver, tools)
        finally:
            stack.close()
            subprocess.run(["umount", "--lazy", state], check=False)


@pytest.fixture
def doctor(shared):
    """The healthy stack: what a test before has left behind is its fault, not the next one's."""
    shared.expect_nothing(60)
    return shared


@contextlib.contextmanager
def settings(doctor, extra):
    """The daemon with other settings in force, until the end."""
    daemon = doctor.stack.daemon
    usual = world_of(doctor.stack, doctor.receiver)
    daemon.configure(stack_module.merge(usual, extra))
    daemon.ctl("reload")
    try:
        yield
    finally:
        daemon.configure(usual)
        daemon.ctl("reload")


def compose_file(doctor, name, text):
    """A further Compose file over the stack's own."""
    path = doctor.stack.home / name
    path.write_text(text, encoding="utf-8")
    return path


@contextlib.contextmanager
def other_containers(doctor, text):
    """The containers as another file makes them; afterwards those of the stack's own again."""
    stack = doctor.stack
    usual = ("--file", stack.compose_file, "--env-file", stack.env_file)
    over = compose_file(doctor, "over.yml", text)
    stack.daemon.ctl("down")
    stack.engine.compose(*usual[:2], "--file", over, *usual[2:], "up", "--no-start")
    stack.daemon.call("Rescan", timeout_s=20)
    try:
        yield
    finally:
        stack.daemon.ctl("down", check=False)
        stack.create()
        stack.daemon.call("Rescan", timeout_s=20)
        for service in ("gateway", "trading-bot", "health-monitor"):
            stack.daemon.ctl("reset", service)
        stack.daemon.ctl("up")
        monitor_is_content(stack)


# --- nothing wrong


def test_a_healthy_stack_yields_no_finding(doctor):
    env = {"PATH": f"{doctor.tools}:{os.environ['PATH']}"}

    def content():
        done = doctor.stack.daemon.ctl("doctor", check=False, env=env)
        return done.returncode == 0 and "checks, 0 findings" in done.stdout

    wait_until(content, "0 findings")


# --- what shows while everything runs


SIGNS = {
    "relay-refused": "2026/11/24 00:00:00 socat[7] E connect(5, AF=2 127.0.0.1:4002, 16): Connection refused",
    "relay-timeout": "2026/11/24 00:00:00 socat[7] E connect(5, AF=2 127.0.0.1:4002, 16): Connection timed out",
    "relay-bind": "socat[7] E bind(5, {AF=2 0.0.0.0:4004}, 16): Address already in use",
    "login-failed": "IBC: Login failed",
    "login-error": "IBC: Login error message: no",
    "unrecognized-user": "IBC: detected dialog: Unrecognized Username or Password",
    "locked-out": "IBC: Too many failed login attempts. Please wait 53 seconds",
    "no-server": "IBC: Connection to server failed",
    "2fa-wait": "IBC: Second Factor Authentication initiated",
    "2fa-missed": "IBC: Re-login after second factor authentication timeout in 5 second",
    "2fa-closed": "IBC: IBC closing because login has not completed after Second Factor Authentication",
    "session-clash": "IBC: Existing session detected",
    "session-lost": "IBC: Re-login to session",
    "both-passwords-log": ".> TWS_PASSWORD and TWS_PASSWORD_FILE are set (but are exclusive)",
    "bad-trading-mode": ".> Invalid TRADING_MODE: papr",
    "ibc-exit": "IBC returned exit status 76",
    "cold-login": "autorestart file not found: full authentication will be required",
    "java-heap": "java.lang.OutOfMemoryError: Java heap space",
    "display": "cannot open display: :1",
    "display-error": "Fatal server error:",
}


def test_every_unhealthy_log_sign_is_named(doctor):
    for line in SIGNS.values():
        doctor.stack.gateway_send(f"log {line}")
    for _ in range(3):
        doctor.stack.gateway_send("log IBC: Cold restart in progress")
    found = doctor.expect(*[(sign, "gateway") for sign in SIGNS], ("cold-restart", "3 times"))
    assert next(f for f in found if f["id"] == "locked-out")["since"]
    # A login that has completed ends what was about logging in.
    doctor.stack.gateway_send("log IBC: Login has completed")

    def left():
        return {f["id"] for f in doctor.run()}

    # Docker writes the line to its log a moment after we have sent it.
    wait_until(lambda: not {"login-failed", "2fa-wait"} & left(), "an end of the login's troubles")
    assert "java-heap" in left()
    doctor.stack.daemon.ctl("restart", "gateway")  # a new run: its own log


def test_secrets_in_a_log_line_are_taken_out(doctor):
    doctor.stack.gateway_send(f"log IBC: Login failed for {USER} with {PASSWORD}")
    doctor.expect(("login-failed", "***"))
    doctor.stack.daemon.ctl("restart", "gateway")


def test_a_wrong_clock_and_a_rival(doctor):
    engine = doctor.stack.engine
    doctor.stack.gateway_send("skew 90")
    image = "containrrr/watchtower:1"
    engine.docker("tag", "tradestack-gwsim:latest", image)
    engine.docker("run", "--detach", "--name", "rival", image)
    try:
        doctor.expect(("clock-skew", "ahead of ours", "timedatectl"), ("rival", "watchtower"))
    finally:
        doctor.stack.gateway_send("skew 0")
        engine.docker("rm", "--force", "--volumes", "rival")
        engine.docker("rmi", image)


def test_paused_held_and_stopped(doctor):
    daemon = doctor.stack.daemon
    doctor.stack.engine.docker("pause", BOT)
    doctor.stack.engine.docker("stop", "--time", "2", MONITOR)
    daemon.wait_state("health-monitor", "held")
    daemon.ctl("hold", "gateway")
    try:
        doctor.expect(
            ("paused", "trading-bot", f"docker unpause {BOT}"),
            ("stopped-by-hand", "health-monitor", "tradestackctl start health-monitor"),
            ("held", "gateway", "tradestackctl unhold gateway"),
        )
    finally:
        doctor.stack.engine.docker("unpause", BOT)
        daemon.ctl("unhold", "gateway")
        daemon.ctl("up")
    daemon.ctl("stop", "health-monitor")
    doctor.expect(("stopped", "health-monitor", "tradestackctl start health-monitor"))
    daemon.ctl("release")
    doctor.expect(("released", "tradestackctl up"))
    daemon.ctl("up")
    monitor_is_content(doctor.stack)


def test_a_silent_api_and_its_exit_status(doctor):
    daemon = doctor.stack.daemon
    daemon.ctl("hold", "gateway")  # else it would be restarted at once
    try:
        doctor.stack.gateway_send("mode hang")
        daemon.wait_for(
            lambda s: stack_module.service(s, "gateway")["probes"][0]["result"] == "failing",
            20, "a failing probe")  # fmt: skip
        doctor.expect(("probe-failing", "gateway", "silent"), ("monitor-sees-trouble", "gateway"))
        doctor.stack.engine.docker(
            "exec", GATEWAY, "/usr/bin/tradestack-gwsim", "--send", "127.0.0.1:7462",
            "mode 2fa-timeout", check=False)  # fmt: skip
        daemon.wait_for(lambda s: not stack_module.service(s, "gateway")["ready"])
        doctor.expect(("exit-status", "87", "second factor"))
    finally:
        daemon.ctl("unhold", "gateway")
        daemon.ctl("up")
    monitor_is_content(doctor.stack)


def test_a_live_account_is_named(doctor):
    daemon = doctor.stack.daemon
    daemon.ctl("stop", "trading-bot")
    doctor.stack.gateway_send("mode live")
    try:
        doctor.expect(("safety-account", "trading-bot", "U7654321"), ("stopped", "trading-bot"))
    finally:
        doctor.stack.gateway_send("mode ok")
        daemon.wait_state("gateway", "ready")
        daemon.ctl("up")


def test_a_crash_loop_is_named(doctor):
    daemon = doctor.stack.daemon

    def failed():
        return stack_module.service(daemon.status(), "health-monitor")["state"] == "failed"

    def runs_anew(started):
        state = doctor.stack.inspect(MONITOR)["State"]
        return state["Running"] and state["StartedAt"] != started

    for _ in range(3):
        state = doctor.stack.inspect(MONITOR)["State"]
        assert state["Pid"] > 0  # 0 would be our own process group
        os.kill(state["Pid"], signal.SIGKILL)
        wait_until(lambda: runs_anew(state["StartedAt"]) or failed(), "a new run, or the last one")
        if failed():
            break
    daemon.wait_state("health-monitor", "failed")
    doctor.expect(("crash-loop", "health-monitor", "tradestackctl reset health-monitor"))
    daemon.ctl("reset", "health-monitor")
    daemon.ctl("up")
    monitor_is_content(doctor.stack)


# --- ports and missing things


def test_who_holds_the_port(doctor):
    daemon, engine = doctor.stack.daemon, doctor.stack.engine
    image = doctor.stack.inspect(GATEWAY)["Config"]["Image"]
    daemon.ctl("stop", "gateway")
    engine.docker("run", "--detach", "--name", "thief", "--publish", "127.0.0.1:4002:4004", image)
    try:
        doctor.expect(("port-held", "4002", "container thief", "docker stop thief"))
    finally:
        engine.docker("rm", "--force", "thief")
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 4002))
        held.listen()
        name = pathlib.Path(f"/proc/{os.getpid()}/comm").read_text(encoding="ascii").strip()
        doctor.expect(("port-held", "4002", f"process {name} (pid {os.getpid()})", "ss -ltnp"))
    daemon.ctl("up")
    monitor_is_content(doctor.stack)


def test_missing_container_and_missing_image(doctor, tmp_path):
    daemon, engine = doctor.stack.daemon, doctor.stack.engine
    image = "tradestack-monitor:latest"
    saved = tmp_path / "monitor.tar"
    engine.docker("save", "--output", saved, image)
    daemon.ctl("stop", "health-monitor")
    engine.docker("rmi", "--force", image)
    try:
        doctor.expect(("image-missing", "health-monitor", "build.sh"))
    finally:
        engine.docker("load", "--input", saved)
    engine.docker("tag", image, "keeps:it")
    engine.docker("rmi", image)
    doctor.expect(("image-untagged", "health-monitor", image))
    engine.docker("tag", "keeps:it", image)
    engine.docker("rmi", "keeps:it")
    daemon.ctl("up")
    engine.docker("rm", "--force", MONITOR)
    daemon.wait_state("health-monitor", "absent")
    doctor.expect(("missing-container", "health-monitor", "tradestackctl up"))
    daemon.ctl("up")
    monitor_is_content(doctor.stack)


def test_drift_of_the_compose_file(doctor):
    stack = doctor.stack
    text = stack.env_file.read_text(encoding="utf-8")
    stack.env_file.write_text(text + "SYMBOLS=QQQ\n", encoding="utf-8")
    try:
        doctor.expect(("drift", "trading-bot", f"tradestackctl up --file {stack.compose_file} --env-file {stack.env_file}"))
    finally:
        stack.env_file.write_text(text, encoding="utf-8")
    other = compose_file(doctor, "other.yml", "services:\n  gateway:\n    image: a\n  news:\n    image: b\n")
    doctor.expect(
        ("not-created", "news"),
        ("orphan", "trading-bot"),
        ("drift", "gateway"),
        arguments=("--file", other),
    )
    broken = compose_file(doctor, "broken.yml", "services: [\n")
    doctor.expect(("file-unreadable", "broken.yml"), arguments=("--file", broken))


# --- settings of the containers


MANY_MISTAKES = """
services:
  gateway:
    environment:
      TWS_USERID: ""
      TWS_USERNAME: {user}
      TWS_PASSWORD_FILE: /run/secrets/pw
      EXISTING_SESSION_DETECTED_ACTION: manual
    volumes: ["{password}:/run/secrets/pw:ro"]
    ports: ["0.0.0.0:4012:4004"]
  trading-bot:
    environment: {{GATEWAY_PORT: 4002, GATEWAY_HOST: ibgateway, DRY_RUN: "yes", TRADING_MODE: live}}
    networks: !override [elsewhere]
  health-monitor:
    environment: {{DISCORD_WEBHOOK_URL: "https://discord.com/api/webhooks/1/{token}"}}
networks:
  elsewhere:
"""


def test_many_mistakes_at_once_are_all_named(doctor):
    password = doctor.stack.home / "password"
    password.write_text(PASSWORD, encoding="utf-8")
    password.chmod(0o644)
    doctor.stack.env_file.chmod(0o644)
    text = MANY_MISTAKES.format(user=USER, password=password, token=doctor.receiver.token)
    try:
        with other_containers(doctor, text):
            doctor.expect(
                ("user-variable", "TWS_USERNAME", "TWS_USERID"),
                ("both-passwords", "TWS_PASSWORD and TWS_PASSWORD_FILE"),
                ("secret-file-mode", "0644"),
                ("env-file-mode", "chmod 600"),
                ("session-action", "manual"),
                ("port-open", "0.0.0.0"),
                ("wrong-port", "GATEWAY_PORT=4002", "GATEWAY_RELAY_PORT=4004"),
                ("wrong-host", "ibgateway"),
                ("network", "elsewhere"),
                ("safety-dry-run", "trading-bot"),
                ("safety-trading-mode", "live"),
                ("secret-variable", "DISCORD_WEBHOOK_URL"),
            )
    finally:
        doctor.stack.env_file.chmod(0o600)


NO_LOGIN = """
services:
  gateway:
    command: ["--listen", "127.0.0.1:4002", "--relay", "0.0.0.0:4004", "--control", "0.0.0.0:7462",
              "--mode", "relay-only"]
    environment: {TWS_USERID: "", TWS_PASSWORD: ""}
    ports: !override ["127.0.0.1:4002:4002"]
"""


def test_missing_credentials_and_a_port_that_leads_nowhere(doctor):
    with other_containers(doctor, NO_LOGIN):
        doctor.stack.daemon.call("Start", service="gateway")
        doctor.stack.daemon.wait_state("gateway", "starting")
        doctor.expect(
            ("credentials-missing", "TWS_USERID is empty", "both empty"),
            ("wrong-published-port", "4002", "4004"),
            ("starting", "gateway"),
        )


HOG = """
#include <stdlib.h>
#include <string.h>
int main(void) { for (;;) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); } }
"""


def test_a_service_that_the_kernel_killed_for_its_memory(doctor, tmp_path):
    (tmp_path / "hog.c").write_text(HOG, encoding="utf-8")
    subprocess.run(["gcc", "-static", "-O0", "-o", tmp_path / "hog", tmp_path / "hog.c"], check=True)
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY hog /hog\nENTRYPOINT ["/hog"]\n', encoding="utf-8")
    subprocess.run(["docker", "build", "--quiet", "--tag", "hog:1", tmp_path], check=True,
                   env={**doctor.stack.engine.env, "DOCKER_BUILDKIT": "0"})  # fmt: skip
    with other_containers(doctor, "services: {health-monitor: {image: hog:1, mem_limit: 16m}}\n"):
        doctor.stack.daemon.call("Start", service="health-monitor")
        doctor.expect(("out-of-memory", "health-monitor", "memory limit 16 MB", "mem_limit"))
    doctor.stack.engine.docker("rmi", "--force", "hog:1")


def test_a_restart_policy_that_would_race(doctor):
    """The daemon takes it over as soon as it is told: stopped meanwhile, it asks before it acts."""
    daemon = doctor.stack.daemon
    for _ in range(10):
        os.kill(daemon.pid, signal.SIGSTOP)
        doctor.stack.engine.docker("update", "--restart", "always", BOT)
        with Varlink(daemon.socket, 20) as control:
            control._send("Doctor", {})
            os.kill(daemon.pid, signal.SIGCONT)
            findings = control._receive(time.monotonic() + 20)["parameters"]["findings"]
        found = [f for f in findings if f["id"] == "restart-policy"]
        doctor.expect_nothing()
        if found:
            break
    assert found and found[0]["service"] == "trading-bot"
    assert "always" in found[0]["evidence"] and f"docker update --restart=no {BOT}" in found[0]["cure"]


# --- alerts, settings, state


def test_webhooks(doctor):
    daemon, receiver = doctor.stack.daemon, doctor.receiver
    for mode, identity, cure in (
        ("404", "webhook-gone", "make a new webhook"),
        ("401", "webhook-denied", "copy the webhook"),
        ("429", "webhook-rate-limited", "they are sent when it allows"),
    ):
        receiver.behave(mode)
        daemon.ctl("alert", "test")
        doctor.expect((identity, mode, cure))
        receiver.behave("ok")
        daemon.ctl("reload")
        doctor.expect_nothing(40)


def test_webhook_files_at_the_start(doctor):
    daemon, home = doctor.stack.daemon, doctor.stack.home
    for name, text, mode in (("open", "https://discord.com/api/webhooks/1/abc", 0o644),
                             ("odd", "http://example.org/hook", 0o600)):  # fmt: skip
        (home / name).write_text(text, encoding="utf-8")
        (home / name).chmod(mode)
    usual = world_of(doctor.stack, doctor.receiver)
    daemon.configure(stack_module.merge(usual, {
        f"channel {name}": {"kind": "discord", "url_file": home / name} for name in ("open", "odd", "none")
    }))  # fmt: skip
    daemon.restart()
    try:
        doctor.expect(
            ("webhook-file-mode", "channel open", "chmod 600"),
            ("webhook-malformed", "channel odd", "https://discord.com/api/webhooks/"),
            ("webhook-file", "channel none"),
        )
    finally:
        daemon.configure(usual)
        daemon.restart()
        daemon.wait_ready()


def test_settings(doctor):
    daemon = doctor.stack.daemon
    usual = world_of(doctor.stack, doctor.receiver)
    with settings(doctor, {"service gateway": {"stop_grace": "5s"}}):
        doctor.expect(("stop-grace", "5 s"))
    daemon.configure(stack_module.merge(usual, {"service gateway": {"budget": 7}}))
    doctor.expect(("settings-not-loaded", "budget", "tradestackctl reload"))
    daemon.config_file.write_text("[service gateway]\nbugdet = 7\n", encoding="utf-8")
    doctor.expect(("settings-broken", "bugdet"))
    daemon.configure(usual)
    unguarded = {"safety": {"require_guard": "no"}, "service trading-bot": {"guarded": "no"}}
    with settings(doctor, unguarded):
        doctor.expect(("no-guard", "guarded = yes"))
    daemon.configure({k: v for k, v in usual.items() if k != "channel discord"})
    daemon.restart()
    try:
        doctor.expect(("no-channel", "nobody is told"))
    finally:
        daemon.configure(usual)
        daemon.restart()
        daemon.wait_ready()


def test_a_full_disk_and_a_state_file_that_cannot_be_written(doctor):
    state = doctor.stack.home / "state"
    filler = os.open(state / "filler", os.O_CREAT | os.O_WRONLY, 0o600)

    def write():
        """What doctor itself writes may find room in the space that the state file's log has had
        before. Changes make the file grow, which is soon over."""
        for _ in range(10):
            doctor.stack.daemon.call("Hold", timeout_s=20, service="health-monitor")
            doctor.stack.daemon.call("Unhold", timeout_s=20, service="health-monitor")

    try:
        with contextlib.suppress(OSError):
            while os.write(filler, b"x" * 4096):
                pass
        doctor.expect(("disk-full", "0 %"), ("state-unwritable", "tradestack.db", "df -h"),
                      deadline_s=60, before=write)  # fmt: skip
    finally:
        os.close(filler)
        (state / "filler").unlink()
    doctor.stack.daemon.wait_for(lambda s: s["store"]["ok"], 20, "a store that works again")


def test_a_damaged_audit_trail(doctor):
    daemon = doctor.stack.daemon
    trail = doctor.stack.home / "state/audit.jsonl"
    daemon.stop()
    whole = trail.read_bytes()
    trail.write_bytes(whole.replace(b'"outcome":"taken"', b'"outcome":"takes"', 1))
    daemon.start()
    try:
        doctor.expect(("audit-damaged", "tradestackctl audit verify"), ("safety-audit-trail",))
    finally:
        daemon.kill()
        trail.write_bytes(whole)
    # What tripped at the damage is the CRO's to reset: a fresh state is quicker here.
    for leftover in (doctor.stack.home / "state").iterdir():
        leftover.unlink()
    daemon.start()
    daemon.ctl("up")
    monitor_is_content(doctor.stack)


# --- the machine


def test_an_old_compose_or_none(doctor, tmp_path):
    real = shutil.which("docker")
    put_tool(tmp_path, "docker", f'[ "$1 $2" = "compose version" ] && {{ echo 1.29.2; exit; }}; exec {real} "$@"\n')
    old = f"{tmp_path}:{doctor.tools}:{os.environ['PATH']}"
    doctor.expect(("compose-old", "1.29.2", "2.17"), path=old)
    put_tool(tmp_path, "docker", 'echo "docker: \'compose\' is not a docker command." >&2; exit 1\n')
    doctor.expect(("compose-missing", "is not a docker command"), path=old)


def test_a_machine_that_does_not_bring_it_back(doctor, tmp_path):
    put_tool(tmp_path, "systemctl", '[ "$1" = is-active ] && echo inactive || echo disabled\n')
    path = f"{tmp_path}:{os.environ['PATH']}"
    doctor.expect(
        ("daemon-at-boot", "disabled", "systemctl enable --now tradestackd"),
        ("daemon-by-manager", "inactive"),
        path=path,
    )
    found = doctor.expect(("next-boot", "does not come back whole"), arguments=("--boot",), path=path)
    assert found[-1]["id"] == "next-boot"
    good = doctor.expect(("next-boot", "comes back by itself"), ("service-at-boot", "gateway"),
                         arguments=("--boot",))  # fmt: skip
    assert {f["verdict"] for f in good} == {"pass"}


def test_an_engine_that_is_too_old_or_away(doctor, programs, tmp_path):
    """Its own daemon, on a socket where first nobody and then an old engine answers."""
    home = pathlib.Path(tmp_path)
    away = type("Away", (), {"host": f"unix://{home}/e.sock", "env": doctor.stack.engine.env})
    daemon = stack_module.Daemon(programs, home, away)
    daemon.start()
    other = Doctor(type("Stack", (), {"daemon": daemon}), doctor.receiver, doctor.tools)
    answer = b"HTTP/1.1 200 OK\r\nApi-Version: 1.39\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
    old = f"""
import socket
s = socket.socket(socket.AF_UNIX); s.bind({str(home / "e.sock")!r}); s.listen(8)
while True:
    c, _ = s.accept(); c.recv(4096); c.sendall({answer!r}); c.close()
"""
    try:
        other.expect(("engine-down", "systemctl status docker"))
        child = subprocess.Popen([sys.executable, "-c", old])
        try:
            other.expect(("engine-old", "1.39", "install Docker"))
        finally:
            child.kill()
            child.wait()
    finally:
        daemon.stop()


def test_without_a_daemon_the_machine_is_looked_at(doctor, tmp_path):
    put_tool(tmp_path, "systemctl", 'echo disabled\n')
    done = subprocess.run(
        [doctor.stack.daemon._programs.tradestackctl, "--socket", tmp_path / "none.sock", "doctor"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=30)  # fmt: skip
    assert done.returncode == 4
    assert "systemctl enable --now tradestackd" in done.stderr
