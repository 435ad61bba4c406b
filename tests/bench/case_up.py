"""The demonstration stack from nothing to ready: `tradestackctl up --wait` and `docker compose up
--wait` on the same file, in turns. Compose's "ready" is less: the file has no health checks, so for
it a container that runs is ready, while tradestackctl waits until the gateway's API answers before
it even starts the bot. So Compose is also given a copy of the file with a health check of each
second for the gateway and the bot's start on its success, which is the nearest that it can do."""

import contextlib
import re
import subprocess
import time

from case_idle import shipped_config
from subjects import REPO

SIMULATOR = "/usr/bin/tradestack-gwsim"


def checked_copy(world):
    text = (REPO / "stack/docker-compose.yml").read_text(encoding="utf-8")
    check = ("    healthcheck:\n"
             f"      test: [CMD, {SIMULATOR}, --send, \"127.0.0.1:7462\", status]\n"
             "      interval: 1s\n      timeout: 1s\n      retries: 3\n")
    text = text.replace("    stop_grace_period: 90s\n", "    stop_grace_period: 90s\n" + check, 1)
    text, count = re.subn("condition: service_started", "condition: service_healthy", text)
    assert count == 2
    path = world.folder("checked") / "docker-compose.yml"
    path.write_text(text.replace("./health-monitor.conf", str(REPO / "stack/health-monitor.conf"))
                    .replace("./secrets/monitor", str(REPO / "stack/secrets/monitor")), encoding="utf-8")
    return path


def down(stack):
    stack.compose("down", "--volumes", "--timeout", "2")


def timed(record, series, command, stack):
    began = time.monotonic()
    done = subprocess.run([str(part) for part in command], env=stack.engine.env, capture_output=True, text=True, timeout=120)
    record.add(series, (time.monotonic() - began) * 1e3)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")


def compose_up(record, series, stack, file):
    timed(record, series, ["docker", "compose", "--file", file, "--env-file", stack.env_file, "up", "--detach", "--wait"], stack)
    down(stack)


def tradestack_up(world, record, stack):
    command = [world.programs.tradestackctl, "--socket", stack.daemon.socket, "up", "--file", stack.compose_file,
               "--env-file", stack.env_file, "--wait"]
    timed(record, "tradestackctl up ms", command, stack)
    stack.daemon.ctl("down")
    down(stack)
    stack.daemon.stop()


def run(world, record, scale):
    stack = world.stack()
    with contextlib.closing(stack):
        stack.daemon.config_file.write_text(shipped_config(stack, world.engine.host), encoding="utf-8")
        checked = checked_copy(world)
        for _ in range(scale.rounds(8)):
            stack.daemon.start()
            tradestack_up(world, record, stack)
            compose_up(record, "compose up, running ms", stack, stack.compose_file)
            compose_up(record, "compose up, checked ms", stack, checked)
