"""The tests' own ground: if these fail, nothing else here means anything."""

import io
import subprocess
import tarfile
import time
import urllib.request

import pytest

BUSYBOX = "/bin/busybox"


@pytest.fixture(scope="module")
def busybox_image(engine):
    """An image with nothing but a static busybox, made without any registry."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
    subprocess.run(
        ["docker", "import", "-", "ts-busybox"], input=archive.getvalue(), env=engine.env, check=True
    )
    yield "ts-busybox"
    engine.docker("rmi", "--force", "ts-busybox")


def first_bytes(url):
    """The engine's proxy accepts before the server inside does, and then resets."""
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.read(4)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_engine_runs_containers_and_publishes_ports(engine, busybox_image):
    engine.docker(
        "run", "--detach", "--name", "web", "--publish", "127.0.0.1:8099:80", busybox_image,
        "/bin/busybox", "httpd", "-f", "-h", "/bin",
    )  # fmt: skip
    try:
        assert first_bytes("http://127.0.0.1:8099/busybox") == b"\x7fELF"
    finally:
        engine.docker("rm", "--force", "web")


def test_there_is_no_way_out(engine):
    routes = subprocess.run(["ip", "route", "show", "default"], stdout=subprocess.PIPE, check=True)
    assert routes.stdout == b""


def test_engine_can_be_frozen_and_goes_on(engine):
    engine.pause()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            engine.docker("ps", timeout=2)
    finally:
        engine.resume()
    assert engine.docker("ps", "--quiet") == ""


def test_containers_outlive_a_crash_of_the_engine(engine, busybox_image):
    engine.docker(
        "run", "--detach", "--name", "one", "--stop-signal", "KILL", busybox_image,
        "/bin/busybox", "sleep", "600",
    )  # fmt: skip
    engine.kill()
    engine.start()
    try:
        # Without live-restore the new dockerd ends what it finds: it must know the container.
        assert engine.docker("ps", "--all", "--format", "{{.Names}}") == "one"
    finally:
        engine.docker("rm", "--force", "one")


def test_compose_file_describes_the_three_services(engine, repo):
    names = engine.compose(
        "--file", repo / "stack/docker-compose.yml",
        "--env-file", repo / "stack/.env.example", "config", "--services",
    )  # fmt: skip
    assert sorted(names.split()) == ["gateway", "health-monitor", "trading-bot"]
