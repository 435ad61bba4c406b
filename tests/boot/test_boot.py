"""Nobody touches anything: after each of these the stack is ready again, or one alert says why not."""

import contextlib
import json
import random
import re
import shutil
import time

import pytest

from conftest import note

CONTAINERS = ("ibkr-gateway", "trading-bot", "health-monitor")
ROUNDS = 10
ENOUGH = "/run/patience-is-over"


def inspect(machine, container, field):
    return machine.run("docker", "inspect", "--format", f"{{{{{field}}}}}", container)


def started(machine):
    return [inspect(machine, c, ".State.StartedAt") for c in CONTAINERS]


def service(status, name):
    return next((s for s in status["services"] if s["name"] == name), {"state": None})


def main_pid(machine, unit="tradestackd"):
    return machine.run("systemctl", "show", "--property=MainPID", "--value", unit)


# --- the service as it is installed


def test_the_unit_is_hardened_and_does_its_whole_job(ready):
    text = ready.run("systemd-analyze", "security", "--no-pager", "tradestackd.service")
    exposure = float(re.search(r"exposure level for tradestackd.service: ([0-9.]+)", text)[1])
    note(f"{ready.release}: exposure {exposure}")
    assert exposure <= 1.5, text
    who = ready.run("ps", "-o", "user=", "-p", main_pid(ready))
    assert who.startswith("tradest"), who


def test_the_units_are_correct(ready):
    done = ready.run(
        "systemd-analyze", "verify", "--man=no", "tradestackd.service", "tradestackd.socket",
        "tradestack-engine-proxy.service", check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "tradestack" in line]
    assert done.returncode == 0 and ours == [], done.stderr


def test_systemctl_says_the_state_in_one_line(ready):
    def text():
        return ready.run("systemctl", "show", "--property=StatusText", "--value", "tradestackd")

    # Told to systemd a moment after it is told to us.
    ready.wait(lambda: text() == "ready: 3 of 3 services ready", 10, "line that says it")


def test_the_journal_has_fields_and_explains(ready):
    entries = ready.journal("TRADESTACK_SERVICE=gateway")
    state = next(e for e in reversed(entries) if e["TRADESTACK_EVENT"] == "service.state")
    assert state["TRADESTACK_STATE_TO"] == "ready" and state["TRADESTACK_REASON"] == "ready"
    assert state["CONTAINER_NAME"] == "ibkr-gateway" and len(state["CONTAINER_ID"]) == 12
    assert state["TRADESTACK_ATTEMPT"] == "0"
    text = ready.run("journalctl", "-x", "--no-pager", "--boot", f"MESSAGE_ID={state['MESSAGE_ID']}")
    assert "gateway went from" in text and "tradestackctl status gateway" in text


def test_doctor_knows_what_starts_at_boot(ready):
    def verdicts():
        text = ready.run("tradestackctl", "doctor", "--boot", "--json", check=False).stdout
        return {f["id"]: f["verdict"] for f in map(json.loads, text.splitlines()) if not f["service"]}

    wanted = {"daemon-at-boot", "daemon-by-manager", "engine-at-boot", "next-boot"}
    assert verdicts() == dict.fromkeys(wanted, "pass")
    ready.run("systemctl", "disable", "tradestackd.service")
    try:
        found = verdicts()
        assert found["daemon-at-boot"] == found["next-boot"] == "warning", found
        text = ready.run("tradestackctl", "doctor", check=False).stdout
        assert "systemctl enable --now tradestackd" in text, text
    finally:
        ready.run("systemctl", "enable", "tradestackd.service")


def test_a_reload_is_announced(ready):
    pid = main_pid(ready)
    ready.run("systemctl", "reload", "tradestackd")
    ready.wait(lambda: ready.journal("TRADESTACK_EVENT=config.reloaded"), 10, "reload")
    # The unit is "reloading" until systemd has read that it is over.
    ready.wait(lambda: ready.run("systemctl", "is-active", "tradestackd") == "active", 10, "end of it")
    assert main_pid(ready) == pid


# --- in order


def test_a_restart_of_the_daemon_leaves_containers_alone(ready):
    before, pid = started(ready), main_pid(ready)
    ready.run("systemctl", "restart", "tradestackd")
    ready.wait_ready()
    assert started(ready) == before and main_pid(ready) != pid


def test_a_shutdown_gives_the_gateway_its_time(ready):
    text = ready.run("busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
                     "org.freedesktop.login1.Manager", "InhibitDelayMaxUSec")  # fmt: skip
    assert text == "t 180000000"
    assert "tradestackd" in ready.run("systemd-inhibit", "--list", "--no-pager")


def test_a_reboot_stops_in_reverse_order_and_all_come_back(ready):
    began = ready.mark()
    took = ready.reboot()
    ready.wait_booted()
    ready.wait_ready()
    text = ready.run("journalctl", "--boot=-1", "--no-pager", "--output=cat", "-u", "tradestackd")
    assert "the stack has stopped" in text, text
    stops = re.findall(r"^([a-z-]+): stopping -> stopped", text, re.M)
    assert len(stops) == 3 and stops[-1] == "gateway", text
    ready.wait_title("the machine goes down", began)
    ready.wait_title("the stack is up after a reboot", began)
    note(f"{ready.release}: down in {took:.1f} s, orderly")


def test_a_reboot_that_asks_nobody(ready):
    """As Ctrl-Alt-Del and hypervisors do it: logind is not asked, all services end at once."""
    began = ready.mark()
    ready.shut_down("reboot", command=["kill", "-s", "RTMIN+5", "1"])
    ready.boot()
    ready.wait_ready()
    text = ready.run("journalctl", "--boot=-1", "--no-pager", "--output=cat", "-u", "tradestackd")
    assert "tradestackd ends; the machine goes down" in text, text[-3000:]
    ready.wait_title("the stack is up after a reboot", began)


def test_a_shutdown_that_is_called_off(ready):
    """logind gives up when the reboot cannot be started: what was stopped for it comes back."""
    began, before = ready.mark(), started(ready)
    # Something else holds the shutdown until its target has become impossible (at most a minute).
    ready.run("systemd-run", "--quiet", "systemd-inhibit", "--what=shutdown", "--mode=delay",
              "--who=patience", "timeout", str(60 * ready.PATIENCE), "sh", "-c",
              f"until [ -e {ENOUGH} ]; do sleep 0.2; done")  # fmt: skip
    ready.wait(lambda: "patience" in ready.run("systemd-inhibit", "--list"), 10, "second inhibitor")
    try:
        ready.run("systemctl", "reboot", check=False)
        ready.run("systemctl", "mask", "--runtime", "reboot.target")
        ready.wait_title("the machine goes down", began)
        ready.wait(lambda: ready.journal("--grep=the stack has stopped, "), 40, "stopped stack")
        ready.run("touch", ENOUGH)
        ready.wait(lambda: ready.journal("--grep=called off"), 30, "end of the shutdown")
    finally:
        ready.run("systemctl", "unmask", "--runtime", "reboot.target")
        ready.run("rm", "-f", ENOUGH)
    ready.wait_ready()
    assert all(a != b for a, b in zip(before, started(ready), strict=True))


def test_boot_to_ready_and_our_share_of_it(ready):
    ready.shut_down()
    ready.boot()
    ready.wait_ready()
    whole = time.monotonic() - ready.booted_at
    ours, parts = our_share(ready)
    note(f"{ready.release}: boot to ready {whole:.1f} s, ours {ours:.3f} s ({parts})")
    assert ours <= 0.5 * ready.PATIENCE, parts


def log_time(machine, container, line):
    """When the container wrote that line, in this run; its own time of being ready."""
    text = machine.run("sh", "-c", f"docker logs --timestamps {container} 2>&1")
    stamps = [row.split()[0] for row in text.splitlines() if line in row]
    return float(machine.run("date", "--date", stamps[-1], "+%s.%N"))


def our_share(machine):
    """Seconds on the way to ready that are neither the engine's nor the containers' own: from what
    could be acted on (the engine answers, the dependency is ready) to the start, and from the
    moment in which the service says in its log that it is ready to our knowing it."""
    at = {}
    for e in machine.journal("-u", "tradestackd", "-t", "tradestackd"):
        name, event = e.get("TRADESTACK_SERVICE", ""), e.get("TRADESTACK_EVENT")
        key = (name, e.get("TRADESTACK_ACTION") or e.get("TRADESTACK_STATE_TO"), event)
        at.setdefault(key, int(e["__REALTIME_TIMESTAMP"]) / 1e6)
    up = at["", None, "engine.up"]
    gateway = (at["gateway", "start", "service.action"], at["gateway", "ready", "service.state"])
    bot = (at["trading-bot", "start", "service.action"], at["trading-bot", "ready", "service.state"])
    parts = {
        "gateway start": gateway[0] - up,
        "gateway known": gateway[1] - log_time(machine, "ibkr-gateway", "Gateway ready"),
        "bot start": bot[0] - gateway[1],
        "bot known": bot[1] - log_time(machine, "trading-bot", "Bot operational in safe mode"),
    }
    return sum(max(0.0, v) for v in parts.values()), {k: round(v, 3) for k, v in parts.items()}


# --- power


def begin_nothing(machine):
    del machine


def begin_up(machine):
    machine.run("tradestackctl", "down")
    machine.run("tradestackctl", "up", "--no-wait")


def begin_restart(machine):
    machine.run("tradestackctl", "restart", "gateway", "--no-wait")


def begin_rollout(machine):
    """Another value for the bot, so that Compose makes it anew."""
    env = "/opt/stack/simulator.env"
    text = re.sub(r"SYMBOLS=.*\n", "", machine.read(env) + "\n")
    machine.write(env, f"{text}SYMBOLS=SPY,Q{random.randrange(1000)}\n")
    machine.run("systemd-run", "--quiet", "--working-directory=/opt/stack", "tradestackctl", "up",
                "--file", "/opt/stack/docker-compose.yml", "--env-file",
                "/opt/stack/simulator.env", "--no-wait")  # fmt: skip


BEGINNINGS = (begin_nothing, begin_up, begin_restart, begin_rollout)


ENGINE_FAULT = "port is already allocated"


def outcome_of_power_loss(machine, since):
    """Ready; or the one fault of Docker's own that a power cut can leave (it keeps a port of the
    run before as taken), told in an alert with the engine's words."""
    if machine.status()["state"] == "ready":
        return True
    told = [t for t in machine.titles(since) if "gateway has failed" in t]
    return told and machine.journal("TRADESTACK_EVENT=service.failed", f"--grep={ENGINE_FAULT}")


def mend_engine(machine):
    note(f"{machine.release}: after that the engine could not start the gateway; one alert said so")
    machine.run("systemctl", "restart", "docker")
    machine.run("tradestackctl", "reset", "gateway")
    machine.wait_ready()


def test_power_loss_at_any_moment(ready):
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    for n in range(ROUNDS):
        begin = BEGINNINGS[n % len(BEGINNINGS)]
        wait = dice.uniform(0, 2.5)
        note(f"{ready.release}: power loss {wait:.2f} s into {begin.__name__[6:]} (seed {seed})")
        begin(ready)
        time.sleep(wait)
        began = ready.mark()
        ready.power_loss()
        ready.boot()
        ready.wait(lambda: outcome_of_power_loss(ready, began), 90, "ready stack or alert")
        if ready.status()["state"] != "ready":
            mend_engine(ready)
        ready.wait_ready()
        ready.wait_title("the stack is up after an unexpected reboot", began)


def test_a_hold_and_a_trip_last_over_a_power_loss(ready):
    ready.run("tradestackctl", "hold", "health-monitor")
    ready.run("docker", "exec", "ibkr-gateway", "/usr/bin/tradestack-gwsim", "--send",
              "127.0.0.1:7462", "accounts U7654321")  # fmt: skip
    ready.wait(lambda: service(ready.status(), "trading-bot")["state"] == "blocked", 30, "trip")
    ready.power_loss()
    ready.boot()
    ready.wait(lambda: service(ready.status(), "gateway")["state"] == "ready", 60, "gateway")
    time.sleep(3)
    status = ready.status()
    assert service(status, "trading-bot")["state"] == "blocked"
    assert service(status, "health-monitor")["state"] == "held"
    assert inspect(ready, "trading-bot", ".State.Running") == "false"
    ready.run("tradestackctl", "safety", "reset", "trading-bot", "--reason", "looked at it")
    ready.run("tradestackctl", "unhold", "health-monitor")
    ready.run("tradestackctl", "up")
    ready.wait_ready()


# --- the daemon


def test_a_daemon_that_hangs_is_replaced(ready):
    ready.run("sh", "-c", "mkdir -p /run/systemd/system/tradestackd.service.d; printf "
              "'[Service]\\nWatchdogSec=3s\\n' >/run/systemd/system/tradestackd.service.d/t.conf; "
              "systemctl daemon-reload; systemctl restart tradestackd")  # fmt: skip
    ready.wait_ready()
    before, pid = started(ready), main_pid(ready)
    ready.run("kill", "-STOP", pid)
    ready.wait(lambda: main_pid(ready) not in (pid, "0"), 40, "new daemon")
    ready.wait_ready()
    assert started(ready) == before
    ready.run("sh", "-c", "rm -r /run/systemd/system/tradestackd.service.d; systemctl daemon-reload")


# --- the engine


def test_an_engine_that_was_stopped_stays_stopped(ready):
    began = ready.mark()
    ready.run("systemctl", "stop", "docker")
    time.sleep(8)
    assert ready.run("systemctl", "is-active", "docker", check=False).stdout.strip() == "inactive"
    status = ready.status()
    assert not status["engine"]["up"] and "docker.service was stopped" in status["engine"]["detail"]
    ready.wait_title("the container engine does not answer", began)
    ready.run("systemctl", "restart", "tradestackd")  # nor does our own start bring it back
    time.sleep(3)
    assert ready.run("systemctl", "is-active", "docker", check=False).stdout.strip() == "inactive"
    ready.run("systemctl", "start", "docker")
    ready.wait_ready()


@pytest.mark.parametrize("how", ["restart", "kill", "upgrade"])
def test_an_engine_that_comes_back_finds_its_stack(ready, how):
    ready.run("systemctl", "reset-failed", "docker")  # its start limit: 3 in a minute
    if how == "restart":
        ready.run("systemctl", "restart", "docker")
    elif how == "kill":
        ready.run("kill", "-KILL", main_pid(ready, "docker"))
    else:
        ready.run("sh", "-c", "dpkg --install /opt/engine/docker.io_*.deb")
    time.sleep(2)
    ready.wait_ready()


@contextlib.contextmanager
def broken_engine(machine, lines):
    """Loses its power and boots with another command as its engine. Gives how far Discord was then."""
    drop_in = "/etc/systemd/system/docker.service.d"
    machine.write(f"{drop_in}/broken.conf", f"[Service]\nExecStart=\n{lines}\n")
    machine.run("sync")
    try:
        machine.power_loss()
        began = machine.mark()
        machine.boot()
        yield began
    finally:
        machine.run("sh", "-c", f"rm -r {drop_in}; systemctl daemon-reload")


def test_an_engine_that_hangs_at_boot_is_reported_and_waited_for(ready):
    with broken_engine(ready, "ExecStart=/bin/sleep infinity") as began:
        ready.wait_title("the container engine does not answer", began, 60)
    ready.run("systemctl", "--no-block", "restart", "docker")
    ready.wait_ready()
    ready.wait_title("the container engine answers again", began)


def test_an_engine_that_fails_or_is_late_at_boot(ready):
    with broken_engine(ready, "ExecStart=/bin/false\nRestart=no") as began:
        ready.wait_title("the container engine does not answer", began, 60)
        text = (ready.shared / "discord/requests.jsonl").read_text(encoding="utf-8")
        cure = (
            "systemctl reset-failed docker.socket docker.service; "
            "systemctl restart docker.socket docker.service"
        )
        assert cure in text, text[-2000:]
    ready.run("sh", "-c", cure)
    ready.wait_ready()


def test_containers_that_the_engine_has_lost_are_made_anew(ready):
    began = ready.mark()
    ready.power_loss()
    with ready.disk() as root:
        for path in (root / "var/lib/docker/containers").iterdir():
            shutil.rmtree(path)
        for path in (root / "var/lib/docker/network/files").iterdir():
            path.unlink()
    ready.boot()
    ready.wait_ready()
    for name in ("gateway", "trading-bot", "health-monitor"):
        ready.wait_title(f"{name} was missing and has been made anew", began)


# --- disks and secrets


def outcome(machine, since):
    told = [t for t in machine.titles(since) if "cannot be" in t]
    return told or (machine.status()["state"] == "ready" and "all ready")


@pytest.mark.parametrize("end", ["power_loss", "shut_down"])
def test_a_full_disk_at_boot(ready, end):
    """After an orderly end the state file has no journal left, so that not even one fits."""
    getattr(ready, end)()
    with ready.state_disk() as state, (state / "filler").open("wb", buffering=0) as f:
        try:
            while f.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    began = ready.mark()
    try:
        ready.boot()
        ready.wait(lambda: service(ready.status(), "gateway")["state"] == "ready", 60, "gateway")
        # What still fits into blocks that files had before is written; else it is told.
        told = ready.wait(lambda: outcome(ready, began), 40, "ready stack or alert")
        note(f"{ready.release}: with a full disk after {end}: {told}")
    finally:
        ready.run("rm", "/var/lib/tradestack/filler")
    ready.wait_ready()


def test_a_secret_that_everybody_may_read_is_said_and_harms_nothing(ready):
    ready.run("sh", "-c", "mv /etc/tradestack/credentials/discord-webhook /etc/tradestack/ && "
              "chmod 644 /etc/tradestack/discord-webhook")  # fmt: skip
    try:
        ready.reboot()
        ready.wait_ready()
        status = ready.status()
        assert [c["state"] for c in status["alerts"]] == ["refused"], status["alerts"]
        assert "everybody may read this secret" in status["alerts"][0]["detail"]
        entries = ready.journal("TRADESTACK_EVENT=alert.refused")
        assert entries and "chmod" in entries[-1]["MESSAGE"]
    finally:
        ready.run("mv", "/etc/tradestack/discord-webhook", "/etc/tradestack/credentials/")
        ready.set_secret()
        ready.run("systemctl", "restart", "tradestackd")


# --- the stricter choice


def test_the_engine_proxy_lets_the_whole_job_through_and_nothing_more(ready):
    conf = "/etc/tradestack/tradestackd.conf"
    drop_in = "/etc/systemd/system/tradestackd.service.d"
    ready.run("sh", "-c", f"cp {conf} /root/kept.conf; mkdir -p {drop_in}; "
              f"printf '[Service]\\nSupplementaryGroups=\\n' >{drop_in}/proxy.conf; "
              f"sed -i 's|^#address =|address = unix:///run/tradestack-proxy/docker.sock|; "
              f"s|^#unit =|unit = docker.service|' {conf}; systemctl daemon-reload; "
              "systemctl enable --now tradestack-engine-proxy; systemctl restart tradestackd")  # fmt: skip
    try:
        ready.wait_ready()
        ready.run("tradestackctl", "restart", "gateway")
        ready.wait_ready()
        ready.reboot()
        ready.wait_ready()
        for method, path in (("POST", "/v1.41/containers/create"), ("GET", "/v1.41/volumes"),
                             ("POST", "/v1.41/containers/abc/exec"), ("DELETE", "/v1.41/containers/abc"),
                             ("GET", "/v1.41/containers/../volumes")):  # fmt: skip
            code = ready.run("curl", "--silent", "--path-as-is", "--output", "/dev/null", "--write-out",
                             "%{http_code}", "--unix-socket", "/run/tradestack-proxy/docker.sock",
                             "--request", method, f"http://x{path}")  # fmt: skip
            assert code == "403", (method, path, code)
    finally:
        ready.run("sh", "-c", f"cp /root/kept.conf {conf}; rm -r {drop_in}; systemctl daemon-reload; "
                  "systemctl disable --now tradestack-engine-proxy; systemctl restart tradestackd")  # fmt: skip


# --- the package: last, because it goes


def test_upgrade_leaves_containers_alone(ready):
    before = started(ready)
    ready.install("deb-next")
    ready.wait_ready()
    assert started(ready) == before
    assert ready.run("dpkg-query", "--show", "tradestack").endswith("+next")


def test_removal_gives_restart_policies_back_and_purge_leaves_nothing(ready):
    before = started(ready)
    ready.run("apt-get", "remove", "-y", "tradestack")
    policies = {inspect(ready, c, ".HostConfig.RestartPolicy.Name") for c in CONTAINERS}
    assert policies == {"unless-stopped"} and started(ready) == before
    ready.run("apt-get", "purge", "-y", "tradestack")
    left = ready.run("find", "/etc", "/usr", "/var", "/run", "-xdev", "-name", "*tradestack*",
                     "-not", "-path", "/var/lib/docker/*", "-not", "-path", "/var/lib/tradestack",
                     "-not", "-name", "*var-lib-tradestack.mount")  # fmt: skip
    assert left == "", left
    assert ready.run("ls", "-A", "/var/lib/tradestack") == ""  # a mount of the test's
    assert ready.run("getent", "passwd", "tradestack", check=False).returncode != 0
