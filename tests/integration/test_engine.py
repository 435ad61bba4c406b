"""lib/engine against a real Docker engine. Every call is made by engine_real (engine_real.c), and
what it says is compared with what the docker command says."""

import io
import json
import os
import pathlib
import subprocess
import tarfile
import threading
import time

import pytest

BUSYBOX = "/bin/busybox"
IMAGE = "ts-engine-test"
PROJECT = "engtest"
LOOP = "/bin/busybox echo up; /bin/busybox echo oops >&2; while :; do /bin/busybox sleep 0.1; done"


@pytest.fixture(scope="module")
def tool(repo):
    build = os.environ.get("TRADESTACK_BUILD")
    folders = [pathlib.Path(build)] if build else [repo / "build-asan", repo / "build"]
    for folder in folders:
        program = folder / "tests/integration/engine_real"
        if program.exists():
            return program
    raise AssertionError(f"engine_real is in none of {', '.join(map(str, folders))}: build it first")


@pytest.fixture(scope="module")
def image(engine):
    """Busybox with an environment of its own and an anonymous volume, made without a registry."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
    subprocess.run(
        ["docker", "import", "--change", "ENV A=image", "--change", "VOLUME /anon", "-", IMAGE],
        input=archive.getvalue(), env=engine.env, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    yield IMAGE
    engine.docker("rmi", "--force", IMAGE)


class Api:
    def __init__(self, tool, engine):
        self.tool = tool
        self.engine = engine

    def command(self, *args, deadline_ms=20000):
        return [str(self.tool), str(self.engine.socket), str(deadline_ms), *map(str, args)]

    def lines(self, *args, ok=True, **options):
        done = subprocess.run(
            self.command(*args, **options),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
        assert ok is None or done.returncode == (0 if ok else 1), done.stdout + done.stderr
        assert done.stderr == ""
        return [json.loads(line) for line in done.stdout.splitlines()]

    def one(self, *args, **options):
        lines = self.lines(*args, **options)
        assert len(lines) == 1
        return lines[0]

    def fails(self, *args, **options):
        return self.one(*args, ok=False, **options)


@pytest.fixture
def api(tool, engine, image):
    api = Api(tool, engine)
    yield api
    for kind, remove in (("container", "rm"), ("network", "network rm"), ("volume", "volume rm")):
        listing = [kind, "ls", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}"]
        if kind == "container":
            listing.insert(2, "--all")
        found = engine.docker(*listing).split()
        if found:
            force = [] if kind == "network" else ["--force"]
            engine.docker(*remove.split(), *force, *found)


def create(engine, *options, name="engtest-bot-1", service="bot", command=LOOP):
    labels = {"project": PROJECT, "service": service, "container-number": 1, "oneoff": "False",
              "config-hash": "c0ffee", "depends_on": "gateway:service_healthy:true"}  # fmt: skip
    flags = [f"--label=com.docker.compose.{k}={v}" for k, v in labels.items()]
    return engine.docker(
        "create", "--name", name, *flags, *options, IMAGE,
        "/bin/busybox", "sh", "-c", command,
    )  # fmt: skip


def inspect(engine, name):
    return json.loads(engine.docker("inspect", name))[0]


def wait_for(probe, seconds=20):
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found or time.monotonic() > end:
            assert found, "it did not come about in time"
            return found
        time.sleep(0.05)


def test_negotiation_and_description_agree_with_docker(api, engine):
    want = json.loads(engine.docker("version", "--format", "{{json .Server}}"))
    have = api.one("describe")
    assert have["version"] == want["Version"]
    assert have["api_max"] == int(want["ApiVersion"].split(".")[1])
    assert have["api"] == min(have["api_max"], 44)
    assert have["log_driver"] == "json-file"
    assert have["podman"] is False


def test_start_stop_and_what_the_engine_remembers(api, engine):
    name = "engtest-bot-1"
    full_id = create(engine, "--restart", "unless-stopped", "--stop-timeout", "9")
    assert api.one("list", PROJECT) == {
        "id": full_id, "name": name, "service": "bot", "status": "created", "number": 1
    }  # fmt: skip
    assert api.lines("list", "other") == []
    before = api.one("inspect", name)
    assert before["status"] == "created" and before["pid"] == 0 and before["started_ms"] == 0
    assert before["policy"] == "unless-stopped" and before["stop_timeout_s"] == 9
    assert before["deps"] == ["gateway"]

    assert api.one("start", name) == {"outcome": "done"}
    assert api.one("start", name) == {"outcome": "already"}
    running = api.one("inspect", full_id)
    real = inspect(engine, name)["State"]
    assert running["status"] == "running" and running["pid"] == real["Pid"] > 0
    assert abs(running["started_ms"] / 1000 - time.time()) < 60

    assert api.one("policy", name, "no") == {"outcome": "done"}
    assert inspect(engine, name)["HostConfig"]["RestartPolicy"]["Name"] == "no"

    assert api.one("stop", name, 0) == {"outcome": "done"}
    assert api.one("stop", name, 0) == {"outcome": "already"}
    ended = api.one("inspect", name)
    assert ended["status"] == "exited" and ended["exit_code"] == 137 and ended["pid"] == 0
    assert ended["finished_ms"] >= ended["started_ms"] > 0

    assert api.one("rename", name, "engtest-old") == {"outcome": "done"}
    assert api.fails("inspect", name)["error"] == "not-found"
    assert api.one("restart", "engtest-old", 0) == {"outcome": "done"}
    assert api.fails("remove", "engtest-old")["error"] == "conflict"
    assert api.one("kill", "engtest-old", "SIGKILL") == {"outcome": "done"}
    wait_for(lambda: api.one("inspect", "engtest-old")["status"] == "exited")
    assert api.fails("kill", "engtest-old", "SIGKILL")["error"] == "conflict"
    assert api.one("remove", "engtest-old") == {"outcome": "done"}
    gone = api.fails("start", "engtest-old")
    assert gone["error"] == "not-found" and gone["detail"] == 404
    assert "No such container" in gone["text"] and str(engine.socket) in gone["text"]


def test_a_start_that_cannot_work_says_why(api, engine):
    create(engine, "--volume", "/nonexistent-by-design/x:/x:ro", command="exit 3")
    failed = api.fails("kill", "engtest-bot-1", "SIGNOSUCH")
    assert failed["error"] in ("invalid", "conflict", "unavailable") and failed["text"]
    assert api.one("start", "engtest-bot-1") == {"outcome": "done"}
    wait_for(lambda: api.one("inspect", "engtest-bot-1")["status"] == "exited")
    assert api.one("inspect", "engtest-bot-1")["exit_code"] == 3
    # a program that is not there
    engine.docker("create", "--name", "engtest-none", "--label",
                  f"com.docker.compose.project={PROJECT}", IMAGE, "/no/such/program")  # fmt: skip
    failed = api.fails("start", "engtest-none")
    assert "/no/such/program" in failed["text"]


def test_health_and_environment_are_seen(api, engine):
    create(
        engine, "--env", "DRY_RUN=1", "--env", "EMPTY=",
        "--health-cmd", "/bin/busybox echo not well; exit 1", "--health-interval", "200ms",
        "--health-retries", "2",
    )  # fmt: skip
    assert api.one("env", "engtest-bot-1", "DRY_RUN") == {"value": "1"}
    assert api.one("env", "engtest-bot-1", "A") == {"value": "image"}
    assert api.one("env", "engtest-bot-1", "EMPTY") == {"value": ""}
    assert api.one("env", "engtest-bot-1", "OTHER") == {"value": None}


class Watcher:
    """Runs `events` in the background and collects its lines."""

    def __init__(self, api, *args):
        self.process = subprocess.Popen(
            api.command("events", PROJECT, *args), stdout=subprocess.PIPE, text=True
        )
        self.seen = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.seen.append(json.loads(line))

    def actions(self):
        return [e["action"] for e in self.seen if "action" in e]

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.thread.join(10)


def health_image_command():
    """sh is what CMD-SHELL health checks call."""
    return "/bin/busybox --install -s /bin; " + LOOP


def test_events_tell_a_whole_life(api, engine):
    watcher = Watcher(api, 0, 1000)
    try:
        wait_for(lambda: {"open": True} in watcher.seen)
        create(
            engine, "--health-cmd", "test -e /sick && exit 1; exit 0", "--health-interval", "200ms",
            "--health-retries", "1", command=health_image_command(),
        )  # fmt: skip
        engine.docker("start", "engtest-bot-1")
        wait_for(lambda: "health_status" in watcher.actions())
        assert wait_for(lambda: [e for e in watcher.seen if e.get("health") == "healthy"])
        mark = len(watcher.seen)  # a check that was too slow may have failed before
        engine.docker("exec", "engtest-bot-1", "/bin/busybox", "touch", "/sick")
        assert wait_for(lambda: [e for e in watcher.seen[mark:] if e.get("health") == "unhealthy"])
        sick = api.one("inspect", "engtest-bot-1")
        assert sick["health"] == "unhealthy" and sick["failing_streak"] >= 1
        engine.docker("kill", "--signal", "HUP", "engtest-bot-1")
        engine.docker("pause", "engtest-bot-1")
        assert api.one("inspect", "engtest-bot-1")["status"] == "paused"
        engine.docker("unpause", "engtest-bot-1")
        engine.docker("stop", "--time", "1", "engtest-bot-1")
        engine.docker("rm", "engtest-bot-1")
        wait_for(lambda: "destroy" in watcher.actions())
    finally:
        watcher.close()
    events = [e for e in watcher.seen if "action" in e]
    names = watcher.actions()
    position = -1
    for action in ["create", "start", "kill", "pause", "unpause", "kill"]:
        position = names.index(action, position + 1)
    # Engine 20.10 tells die before stop, 26 the other way round.
    assert set(names[position + 1 :]) - {"kill"} == {"die", "stop", "destroy"}
    assert names[-1] == "destroy"
    signals = [e["signal"] for e in events if e["action"] == "kill"]
    assert signals[0] == 1 and 15 in signals
    died = next(e for e in events if e["action"] == "die")
    assert died["exit_code"] in (137, 143) and died["service"] == "bot"
    assert all(e["name"] == "engtest-bot-1" for e in events)
    # The engine tells of die and stop from two threads: their times may cross, the others' not.
    nanos = [e["nano"] for e in events if e["action"] != "stop"]
    assert nanos == sorted(nanos) and nanos[0] > 0


def test_events_go_on_where_they_were_left(api, engine):
    watcher = Watcher(api, 0, 1)
    wait_for(lambda: {"open": True} in watcher.seen)
    create(engine)
    assert watcher.process.wait(20) == 0
    watcher.thread.join(10)
    first = watcher.seen[-1]
    assert first["action"] == "create"
    engine.docker("start", "engtest-bot-1")
    lines = api.lines("events", PROJECT, first["nano"], 1)
    assert [e["action"] for e in lines if "action" in e] == ["start"]


def test_logs_are_split_by_stream_and_followed_to_the_end(api, engine):
    create(engine, command="/bin/busybox printf 'one\\ntwo\\n'; /bin/busybox echo bad >&2; "
           "/bin/busybox printf 'a\\033[31mred\\033[0m\\r\\nno end'")  # fmt: skip
    engine.docker("start", "--attach", "engtest-bot-1")
    lines = api.lines("logs", "engtest-bot-1", 1, 0)
    assert [x["line"] for x in lines if x["stream"] == "stdout"] == ["one", "two", "ared", "no end"]
    assert [x["line"] for x in lines if x["stream"] == "stderr"] == ["bad"]
    assert all(abs(x["nano"] / 1e9 - time.time()) < 60 for x in lines)


def test_a_tty_log_is_read_as_it_is(api, engine):
    create(engine, "--tty", command="/bin/busybox printf 'x\\ny\\n'")
    engine.docker("start", "engtest-bot-1")
    engine.docker("wait", "engtest-bot-1")
    assert api.one("inspect", "engtest-bot-1")["tty"] is True
    assert [x["line"] for x in api.lines("logs", "engtest-bot-1", 0, 1)] == ["x", "y"]


def test_a_file_is_read_as_the_container_sees_it(api, engine, tmp_path):
    name = "engtest-bot-1"
    bound = tmp_path / "bound"
    bound.mkdir()
    (bound / "a b%.json").write_text('{"from": "host"}', encoding="utf-8")
    (bound / "link").symlink_to("a b%.json")
    (bound / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    engine.docker("volume", "create", f"--label=com.docker.compose.project={PROJECT}", "engtest_v")
    make = "/bin/busybox echo inside >/own; /bin/busybox echo kept >/data/f; "
    create(engine, "--volume", f"{bound}:/bound:ro", "--volume", "engtest_v:/data",
           command=make + LOOP)  # fmt: skip
    there = {"exists": True, "kind": "file"}
    gone = {"exists": False, "kind": "", "text": ""}

    def check_bind():
        assert api.one("read", name, "/bound/a b%.json") == {**there, "text": '{"from": "host"}'}
        assert api.one("read", name, "/bound/link") == {"exists": True, "kind": "link", "text": ""}
        assert api.one("read", name, "/bound")["kind"] == "dir"
        assert api.one("read", name, "/bound/none") == gone
        assert api.one("read", name, "/no/such/folder") == gone
        assert api.fails("read", name, "/bound/large")["error"] == "limit"

    check_bind()  # created
    assert api.one("read", name, "/data/f") == gone
    engine.docker("start", name)
    wait_for(lambda: api.one("read", name, "/data/f") == {**there, "text": "kept\n"})
    assert api.one("read", name, "/own") == {**there, "text": "inside\n"}
    check_bind()  # running
    assert api.one("inspect", name)["status"] == "running"
    engine.docker("stop", "--time", "0", name)
    assert api.one("read", name, "/data/f") == {**there, "text": "kept\n"}
    assert api.one("read", name, "/own") == {**there, "text": "inside\n"}
    check_bind()  # exited
    failed = api.fails("read", "engtest-none", "/data/f")
    assert failed["error"] == "not-found" and "No such container" in failed["text"]


def test_no_file_is_called_missing_because_a_mount_is(api, engine, tmp_path):
    """The engine says that of every file then."""
    source = tmp_path / "source"
    source.mkdir()
    create(engine, "--mount", f"type=bind,source={source},target=/bound")
    assert api.one("read", "engtest-bot-1", "/bin/none")["exists"] is False
    source.rmdir()
    for path in ("/bin/none", "/bin/busybox"):
        failed = api.fails("read", "engtest-bot-1", path)
        assert failed["error"] == "not-found" and "mounts" in failed["text"]


def comparable(inspected):
    """What must be the same in a container and in its second life."""
    config = dict(inspected["Config"])
    config.pop("Hostname")
    host = dict(inspected["HostConfig"])
    host.pop("RestartPolicy")
    # An anonymous volume becomes an explicit mount: it is compared by what is really mounted.
    host.pop("Mounts", None)
    mounts = sorted((m["Type"], m.get("Name"), m["Destination"], m["RW"]) for m in inspected["Mounts"])
    short = inspected["Id"][:12]
    networks = {
        name: (
            sorted(a for a in n["Aliases"] or [] if a != short),
            (n["IPAMConfig"] or {}).get("IPv4Address"),
        )
        for name, n in inspected["NetworkSettings"]["Networks"].items()
    }
    return {"config": config, "host": host, "mounts": mounts, "networks": networks,
            "image": inspected["Image"], "name": inspected["Name"]}  # fmt: skip


def test_a_snapshot_makes_the_same_container_again(api, engine, tmp_path):
    label = f"--label=com.docker.compose.project={PROJECT}"
    engine.docker("network", "create", label, "engtest_one")
    engine.docker("network", "create", label, "--subnet", "10.211.7.0/24", "engtest_two")
    engine.docker("volume", "create", label, "engtest_named")
    create(
        engine, "--network", "engtest_one", "--network-alias", "bot", "--restart", "unless-stopped",
        "--publish", "127.0.0.1:18402:4002", "--volume", "engtest_named:/data",
        "--volume", f"{tmp_path}:/ro:ro", "--mount", "type=tmpfs,target=/scratch",
        "--mount", "type=volume,target=/anon2", "--env", "DRY_RUN=1", "--memory", "64m",
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--ulimit", "nofile=100:200",
        "--add-host", "x:1.2.3.4", "--dns", "9.9.9.9", "--log-opt", "max-size=1m", "--init",
        "--stop-signal", "SIGINT", "--stop-timeout", "3", "--user", "0:0", "--workdir", "/data",
        "--health-cmd", "exit 0", "--health-interval", "1s", "--hostname", "chosen",
        "--shm-size", "16m", "--pids-limit", "50", "--read-only", "--tmpfs", "/run:size=1m",
    )  # fmt: skip
    engine.docker("network", "connect", "--ip", "10.211.7.9", "--alias", "b2",
                  "engtest_two", "engtest-bot-1")  # fmt: skip
    engine.docker("start", "engtest-bot-1")
    engine.docker("exec", "engtest-bot-1", "/bin/busybox", "touch", "/anon/kept", "/anon2/kept")
    before = inspect(engine, "engtest-bot-1")
    snapshot = tmp_path / "snapshot.json"
    snapshot.write_text(json.dumps(before), encoding="utf-8")
    assert api.one("stop", "engtest-bot-1", 0) == {"outcome": "done"}
    assert api.fails("create", snapshot)["error"] == "conflict"  # the name is taken
    assert api.one("remove", "engtest-bot-1") == {"outcome": "done"}

    made = api.one("create", snapshot)
    assert api.one("list", PROJECT)["id"] == made["id"] != before["Id"]
    assert api.one("start", "engtest-bot-1") == {"outcome": "done"}
    after = inspect(engine, "engtest-bot-1")
    assert after["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert comparable(after) == comparable(before)
    assert after["Config"]["Hostname"] == "chosen"
    found = engine.docker("exec", "engtest-bot-1", "/bin/busybox", "ls", "/anon", "/anon2")
    assert found.count("kept") == 2
    assert after["NetworkSettings"]["Networks"]["engtest_two"]["IPAddress"] == "10.211.7.9"

    # and a third life, from the second one's snapshot, with the image by its id
    snapshot.write_text(json.dumps(after), encoding="utf-8")
    api.one("stop", "engtest-bot-1", 0)
    api.one("remove", "engtest-bot-1")
    api.one("create", snapshot, after["Image"])
    third = inspect(engine, "engtest-bot-1")
    assert third["Image"] == after["Image"] == third["Config"]["Image"]
    assert len(third["Mounts"]) == len(after["Mounts"])


COMPOSE = f"""
name: {PROJECT}
services:
  gateway:
    image: {IMAGE}
    command: ["/bin/busybox", "sleep", "600"]
    stop_signal: SIGKILL
  bot:
    image: {IMAGE}
    command: ["/bin/busybox", "sleep", "600"]
    stop_signal: SIGKILL
    depends_on:
      gateway: {{condition: service_healthy, restart: true}}
    environment: {{DRY_RUN: "1"}}
    volumes: ["data:/data"]
    networks: {{default: {{aliases: [b]}}, side: {{}}}}
volumes: {{data: {{}}}}
networks: {{side: {{}}}}
"""


def test_compose_still_knows_what_a_snapshot_made(api, engine, tmp_path):
    file = tmp_path / "compose.yml"
    file.write_text(COMPOSE, encoding="utf-8")
    compose = ("--file", file, "--ansi", "never")
    engine.compose(*compose, "up", "--no-start")
    try:
        bot = api.one("inspect", f"{PROJECT}-bot-1")
        assert bot["service"] == "bot" and bot["deps"] == ["gateway"]
        before = inspect(engine, f"{PROJECT}-bot-1")
        snapshot = tmp_path / "snapshot.json"
        snapshot.write_text(json.dumps(before), encoding="utf-8")
        api.one("remove", bot["id"])
        made = api.one("create", snapshot)
        assert comparable(inspect(engine, made["id"])) == comparable(before)
        listed = engine.compose(*compose, "ps", "--all", "--quiet").split()
        assert made["id"] in listed and len(listed) == 2
        # Compose finds nothing to change in it.
        engine.compose(*compose, "up", "--no-start")
        assert made["id"] in engine.compose(*compose, "ps", "--all", "--quiet").split()
        assert api.one("start", made["id"]) == {"outcome": "done"}
    finally:
        engine.compose(*compose, "down", "--volumes")
    assert api.lines("list", PROJECT) == []


def test_a_create_that_lacks_something_says_what(api, engine, tmp_path):
    create(engine)
    snapshot = tmp_path / "snapshot.json"
    inspected = inspect(engine, "engtest-bot-1")
    api.one("remove", "engtest-bot-1")
    inspected["NetworkSettings"]["Networks"]["no_such_network"] = {"Aliases": ["x"]}
    snapshot.write_text(json.dumps(inspected), encoding="utf-8")
    # An engine may look at the networks of a container only when it is started.
    said = api.lines("create", snapshot, ok=None)[-1]
    if "error" not in said:
        said = api.fails("start", "engtest-bot-1")
        api.one("remove", "engtest-bot-1")
    assert said["error"] == "not-found" and "no_such_network" in said["text"]
    assert api.lines("list", PROJECT) == []
    inspected["Config"]["Image"] = "no-such-image:1"
    snapshot.write_text(json.dumps(inspected), encoding="utf-8")
    failed = api.fails("create", snapshot)
    assert failed["error"] == "not-found" and "no-such-image" in failed["text"]


def test_modes_without_a_network_of_their_own_survive_a_snapshot(api, engine, tmp_path):
    for mode in ("none", "host"):
        create(engine, "--network", mode)
        before = inspect(engine, "engtest-bot-1")
        snapshot = tmp_path / "snapshot.json"
        snapshot.write_text(json.dumps(before), encoding="utf-8")
        api.one("remove", "engtest-bot-1")
        api.one("create", snapshot)
        assert api.one("start", "engtest-bot-1") == {"outcome": "done"}
        assert inspect(engine, "engtest-bot-1")["HostConfig"]["NetworkMode"] == mode
        api.one("stop", "engtest-bot-1", 0)
        api.one("remove", "engtest-bot-1")


def test_a_frozen_engine_is_a_timeout(api, engine):
    create(engine)
    engine.pause()
    try:
        began = time.monotonic()
        failed = api.fails("inspect", "engtest-bot-1", deadline_ms=400)
        took = time.monotonic() - began
    finally:
        engine.resume()
    assert failed["error"] == "timeout" and "400 ms" in failed["text"]
    assert took < 5
    assert api.one("inspect", "engtest-bot-1")["status"] == "created"


def test_a_crash_of_the_engine_ends_the_event_stream(api, engine):
    watcher = Watcher(api, 0, 1000)
    wait_for(lambda: {"open": True} in watcher.seen)
    engine.kill()
    try:
        assert watcher.process.wait(20) == 1
        watcher.thread.join(10)
        assert watcher.seen[-1]["error"] == "unavailable"
    finally:
        engine.start()
    assert api.one("negotiate")["api"] > 0
