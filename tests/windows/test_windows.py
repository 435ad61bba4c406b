"""From the MSI to a running stack and away again, in one order, as a machine lives through it."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from wine import PIPE

REPO = pathlib.Path(__file__).resolve().parents[2]
GATEWAY = "ibkr-gateway"
CONTAINERS = (GATEWAY, "trading-bot", "health-monitor")


@pytest.fixture(scope="module", autouse=True)
def whole_run(windows, stack, config, receiver):
    """All tests are of this one machine."""


def running(engine):
    return {name for name in CONTAINERS
            if json.loads(engine.docker("inspect", name))[0]["State"]["Running"]}  # fmt: skip


def pid_of(engine, name):
    return json.loads(engine.docker("inspect", name))[0]["State"]["Pid"]


def groups_of(header):
    """The categories: word -> number."""
    table = header[header.index("define TS_MESSAGE_GROUPS"):header.index("define TS_MESSAGE_INSERTS")]
    return {word: int(number) for number, word in re.findall(r'X\((\d+), "(\w+)"\)', table)}


def wait_for(condition, what, deadline_s=30):
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(0.2)
    return value


# --- the programs themselves


def test_programs_need_nothing_but_windows(windows):
    allowed = {"advapi32", "bcrypt", "crypt32", "iphlpapi", "kernel32", "msvcrt", "ntdll", "ole32",
               "secur32", "shell32", "user32", "ws2_32", "wtsapi32"}  # fmt: skip
    for name in ("daemon/tradestackd.exe", "ctl/tradestackctl.exe"):
        shown = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", windows.build / name],
                               capture_output=True, text=True, check=True).stdout  # fmt: skip
        used = {dll.lower() for dll in re.findall(r"DLL Name: (\S+?)\.dll", shown, re.I)}
        assert used <= allowed, used - allowed
        flags = re.search(r"DllCharacteristics\s+(\w+)", shown)[1]
        assert int(flags, 16) & 0x0160 == 0x0160  # high-entropy addresses, moved at will, no code in data


def test_message_file_and_table_are_one(windows):
    """Every message of messages.h is in the program, under the number that events carry."""
    header = (REPO / "lib/base/messages.h").read_text(encoding="utf-8")
    rows = re.findall(r'X\((\d+), (TS_MSG_\w+), "([\w.-]+)", TS_LOG_(\w+),\s*\\?\s*"([^"]+)"\)',
                      header.replace("\\\n", "\n"))  # fmt: skip
    assert len(rows) >= 40
    severity = {"ERROR": 3, "WARNING": 2}
    printed = windows.scm("messages", windows.build / "daemon/tradestackd.exe")
    table = {int(m[1], 16): m[2] for m in re.finditer(r"^0x(\w+) (.*)$", printed, re.M)}
    for number, _, name, level, meaning in rows:
        text = table[severity.get(level, 1) << 30 | int(number)]
        assert text.startswith("%1\\n"), text
        assert meaning in text and "%2" in text and "%3" in text, name
    groups = groups_of(header)
    for word, number in groups.items():
        assert table[number].startswith(word)
    assert {name.split(".")[0] for _, _, name, _, _ in rows} <= set(groups)


# --- MSI, service, stack


def test_msi_installs_and_starts_the_service(windows, config, engine):
    config()
    windows.msiexec("/i", f"Z:{windows.build}/tradestack.msi")
    windows.wait_service("running")
    assert (windows.programs / "tradestackctl.exe").is_file()
    registry = windows.run("reg", "query",
                           r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\tradestackd")  # fmt: skip
    assert "EventMessageFile" in registry and "tradestackd.exe" in registry
    assert "CategoryCount" in registry
    service = windows.run("reg", "query", r"HKLM\SYSTEM\CurrentControlSet\Services\tradestackd")
    assert re.search(r"Start\s+REG_DWORD\s+0x2", service), service  # automatic
    assert re.search(r"PreshutdownTimeout\s+REG_DWORD\s+0x2bf20", service), service  # 180 s
    assert "--service" in service
    windows.wait_event("daemon.started", f"tcp://127.0.0.1:{engine.tcp_port}")
    # Wine does not keep recovery actions; it tells that they were asked for, and the period.
    assert "SERVICE_CONFIG_FAILURE_ACTIONS not implemented: period 86400" in windows.log.read_text()


def test_up_over_the_pipe(windows, engine, receiver):
    windows.wait_status(lambda s: s["engine"]["up"], "engine", 30)
    said = windows.ctl("up", "--timeout", "90s", timeout=120)
    assert "gateway" in said
    windows.wait_ready()
    assert running(engine) == set(CONTAINERS)
    assert json.loads(windows.ctl("version", "--json", check=None) or "{}") is not None


def test_alert_goes_out_over_real_tls(windows, receiver):
    windows.ctl("alert", "test")
    receiver.wait_until(lambda: any("test" in t.lower() for t in receiver.titles()), "the test alert came")


def test_killed_gateway_comes_back(windows, engine, receiver):
    before = pid_of(engine, GATEWAY)
    os.kill(before, signal.SIGKILL)
    windows.wait_status(
        lambda s: s["state"] == "ready" and any(v["name"] == "gateway" and v["restarts"] >= 1 for v in s["services"]),
        "restart of the gateway", 90)  # fmt: skip
    assert pid_of(engine, GATEWAY) != before
    windows.wait_event("service.state", "gateway")


def test_stop_and_start_leave_the_containers_alone(windows, engine):
    pids = {name: pid_of(engine, name) for name in CONTAINERS}
    windows.service("stop")
    assert windows.service_state() == "stopped"
    windows.wait_event("daemon.stopping", "containers are left running")
    assert {name: pid_of(engine, name) for name in CONTAINERS} == pids
    assert "File not found" in windows.ctl("status", check=4)
    windows.service("start")
    windows.wait_ready()
    assert {name: pid_of(engine, name) for name in CONTAINERS} == pids


def test_parameter_change_reloads(windows):
    file = windows.data / "tradestackd.conf"
    text = file.read_text(encoding="utf-8")
    since = len(windows.events())
    file.write_text(text.replace("alert_after = 2s", "alert_after = 3s"), encoding="utf-8")
    windows.service("reload")
    windows.wait_event("config.reloaded", "1 change", since)
    file.write_text(text + "\n[nonsense]\n", encoding="utf-8")
    windows.service("reload")
    windows.wait_event("config.refused", "", since)
    since = len(windows.events())
    file.write_text(text, encoding="utf-8")
    windows.service("reload")
    windows.wait_event("config.reloaded", "1 change", since)


def test_resume_looks_at_everything_anew(windows):
    """What a power event does; only the machine itself may send one."""
    since = len(windows.events())
    windows.service("look")
    windows.wait_event("machine.awake", "looked at anew", since)
    assert windows.wait_ready()


# --- the pipe


def test_pipe_is_open_to_few(windows):
    shown = windows.scm("sddl", PIPE).strip()
    owner, entries = re.match(r"O:(S-[\d-]+|\w\w)D:P?(.*)$", shown).groups()
    allowed = re.findall(r"\(A;;(\w+);;;([\w-]+)\)", entries)
    assert {who for _, who in allowed} <= {"SY", "BA", owner}, shown
    assert "WD" not in entries and "AU" not in entries and "BU" not in entries


def test_a_pipe_that_is_not_the_daemons_is_not_spoken_to(windows):
    """Its owner here is a group, not a service, the system or the user."""
    squatter = windows.start(windows.build / "tests/windows/scm.exe", "squat", "//./pipe/ts-squat")
    assert squatter.stdout.readline().strip() == "ready"
    said = windows.ctl("--socket", "//./pipe/ts-squat", "status", check=4)
    squatter.wait(30)
    assert "this is not tradestackd" in said


def test_thousand_rapid_connects(windows):
    pid = windows.daemon_pid()

    def size():
        return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))

    windows.scm("visits", PIPE, 50)
    before = size()
    assert windows.scm("visits", PIPE, 1000, timeout=120).strip() == "1000"
    wait_for(lambda: size()[0] <= before[0] + 8 and size()[1] <= before[1] + 8,
             "descriptors and threads are given back", 15)  # fmt: skip
    assert windows.wait_ready()


def test_the_trail_names_the_user(windows):
    windows.ctl("hold", "trading-bot")
    windows.ctl("unhold", "trading-bot")
    entries = [json.loads(line) for line in windows.ctl("audit", "--json").splitlines()]
    mine = [e for e in entries if "hold trading-bot" in e["text"]]
    assert mine and mine[-1]["user"].count("\\") == 1 and mine[-1]["pid"] > 0, entries[-3:]
    windows.ctl("audit", "verify")


# --- endings


def test_preshutdown_stops_the_stack_in_order(windows, engine):
    since = len(windows.events())
    windows.service("shutdown")  # what a preshutdown does; only the machine itself may send one
    windows.wait_event("machine.shutdown", "stopped in order first", since)
    assert windows.service_state() == "stopped"
    windows.wait_event("machine.shutdown", "the stack has stopped", since)
    assert running(engine) == set()
    ended = {n: json.loads(engine.docker("inspect", n))[0]["State"]["FinishedAt"] for n in CONTAINERS}
    assert ended["trading-bot"] < ended[GATEWAY]
    windows.service("start")
    windows.wait_ready()
    assert running(engine) == set(CONTAINERS)


def test_crash_loses_nothing_and_a_boot_starts_the_service(windows, engine):
    """Killed, then the power goes: what was is known again, and nobody has to start anything. (That the
    service manager recovers a killed service by itself, Wine does not do: docs/windows.md.)"""
    pids = {name: pid_of(engine, name) for name in CONTAINERS}
    os.kill(windows.daemon_pid(), signal.SIGKILL)
    since = len(windows.events())
    windows.shut_down()
    windows.boot()
    windows.wait_event("daemon.started", "did not end in order", since)
    windows.wait_ready()
    assert {name: pid_of(engine, name) for name in CONTAINERS} == pids
    windows.ctl("audit", "verify")


# --- the engine behind a pipe


def test_engine_behind_a_pipe_is_started_lost_and_found(windows, engine, config, receiver):
    relay = f"Z:{windows.build}/tests/windows/relay.exe"
    windows.service("stop")
    config("npipe:////./pipe/docker_engine")
    since = len(windows.events())
    windows.service("start")
    # Nothing is there: what is missing is said, with what a person can do.
    said = windows.wait_event("engine.situation", "no engine is installed", since)
    assert "install Docker Desktop" in said.strings[0]
    assert not windows.status()["engine"]["up"]
    boot = windows.ctl("doctor", "--boot", check=None)
    assert "tradestackd is started at boot" in boot and "no engine is installed" in boot, boot
    receiver.wait_until(lambda: any("engine" in t.lower() for t in receiver.titles()), "the alert came")
    # The configured command brings it up.
    windows.service("stop")
    config("npipe:////./pipe/docker_engine", f"{relay} //./pipe/docker_engine {engine.tcp_port}")
    since = len(windows.events())
    windows.service("start")
    windows.wait_event("engine.situation", "start_command was run", since, 60)
    windows.wait_ready()
    # It restarts under us, as Docker Desktop does at an update.
    os.kill(find("relay.exe"), signal.SIGKILL)
    windows.wait_event("engine.down", "", since, 30)
    again = windows.start(relay, "//./pipe/docker_engine", engine.tcp_port)
    windows.wait_ready()
    windows.ctl("restart", "trading-bot", timeout=120)
    again.kill()


def find(name):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = open(f"/proc/{entry}/cmdline", "rb").read()
            except OSError:
                continue
            if name.encode() in line and b"docker_engine" in line:
                found.append(int(entry))
    assert len(found) == 1, found
    return found[0]


# --- upgrade, events, removal


def test_upgrade_keeps_the_configuration(windows, config, engine):
    config()
    newer = windows.prefix.parent / "newer.msi"
    subprocess.run([REPO / "windows-service/msi.sh", windows.build, newer], check=True, timeout=120,
                   env={**os.environ, "VERSION": "99.1.0"})  # fmt: skip
    kept = (windows.data / "tradestackd.conf").read_text(encoding="utf-8")
    state = (windows.data / "state/audit.jsonl").stat().st_size
    windows.msiexec("/i", f"Z:{newer}")
    windows.wait_service("running")
    windows.wait_ready()
    assert (windows.data / "tradestackd.conf").read_text(encoding="utf-8") == kept
    assert (windows.data / "state/audit.jsonl").stat().st_size >= state
    assert running(engine) == set(CONTAINERS)


def test_events_are_as_the_table_says(windows):
    """Everything that was reported until now, against messages.h."""
    header = (REPO / "lib/base/messages.h").read_text(encoding="utf-8").replace("\\\n", "\n")
    rows = {name: (int(number), level) for number, name, level in
            re.findall(r'X\((\d+), TS_MSG_\w+, "([\w.-]+)", TS_LOG_(\w+)', header)}  # fmt: skip
    groups = groups_of(header)
    events = [e for e in windows.events() if len(e.strings) == 10]
    assert len(events) > 30
    kinds = {"ERROR": (1, 3), "WARNING": (2, 2)}
    for event in events:
        number, level = rows[event.strings[1]]
        kind, severity = kinds.get(level, (4, 1))
        assert (event.type, event.id) == (kind, severity << 30 | number), event
        assert event.category == groups[event.strings[1].split(".")[0]], event
    assert {"daemon.started", "service.state", "engine.up", "alert.sent", "operator.command"} <= {
        e.strings[1] for e in events}  # fmt: skip
    states = [e for e in events if e.strings[1] == "service.state"]
    assert all(e.strings[3] in ("gateway", "trading-bot", "health-monitor") for e in states)


def test_removal_is_clean_and_keeps_what_is_the_users(windows):
    windows.service("stop")  # Wine does not wait for the end of a service whose file it removes
    windows.msiexec("/x", f"Z:{windows.prefix.parent}/newer.msi")
    assert not (windows.programs / "tradestackd.exe").exists()
    for key in ("tradestackd", r"EventLog\Application\tradestackd"):
        windows.run("reg", "query", rf"HKLM\SYSTEM\CurrentControlSet\Services\{key}", check=1)
    assert (windows.data / "tradestackd.conf").is_file()
    assert (windows.data / "state/audit.jsonl").is_file()


def test_fresh_installation_is_safe_and_purges(windows):
    """Without a configuration there is one, made from the sample, and PURGE=1 takes all away."""
    (windows.data / "tradestackd.conf").unlink()
    windows.msiexec("/i", f"Z:{windows.build}/tradestack.msi")
    windows.wait_service("running")
    text = (windows.data / "tradestackd.conf").read_text(encoding="utf-8")
    assert "C:/ProgramData/tradestack/state" in text and "/etc/" not in text and "systemd" not in text
    windows.msiexec("/x", f"Z:{windows.build}/tradestack.msi", "PURGE=1")
    assert not windows.data.exists()


def test_service_by_hand(windows):
    """The same without the MSI."""
    program = windows.build / "daemon/tradestackd.exe"
    assert windows.run(program, "service", "status", check=4)
    windows.run(program, "service", "install")
    windows.run(program, "service", "start")
    assert json.loads(windows.run(program, "service", "status", "--json"))["state"] == "running"
    windows.run(program, "service", "restart")
    windows.run(program, "service", "uninstall")
    windows.run(program, "service", "status", check=4)
    windows.run(program, "service", "purge")
    assert not windows.data.exists()


def test_winget_manifests_are_of_this_msi(windows, tmp_path):
    msi = windows.build / "tradestack.msi"
    subprocess.run([REPO / "windows-service/winget.sh", msi, "https://example.org/tradestack.msi", tmp_path],
                   check=True)  # fmt: skip
    text = (tmp_path / "Tradestack.Tradestack.installer.yaml").read_text()
    digest = subprocess.run(["sha256sum", msi], capture_output=True, text=True, check=True).stdout[:64]
    assert f"InstallerSha256: {digest.upper()}" in text
    assert re.search(r'ProductCode: "\{[0-9A-F-]{36}\}"', text)
    assert "PackageVersion: 0." in text and "ManifestVersion: 1.6.0" in text
