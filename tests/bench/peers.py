"""The tools that a user would pick instead, set up as their own documentation says."""

import contextlib
import os

from subjects import background, end, restart_script, wait_answer


@contextlib.contextmanager
def monit(world, checks, cycle_s=1):
    """Monit 5 (Debian): `checks` is text of its control file. Gives its process and its folder."""
    home = world.folder("monit")
    conf = home / "monitrc"
    conf.write_text(
        f"set daemon {cycle_s}\nset log {home}/log\nset idfile {home}/id\nset statefile {home}/state\n"
        f"set pidfile {home}/pid\nset httpd unixsocket {home}/socket allow bench:bench\n{checks}",
        encoding="ascii")
    conf.chmod(0o600)
    process = background(["monit", "-I", "-c", conf], home / "out")
    try:
        yield process, conf
    finally:
        end(process)


def monit_port_check(name, port, script):
    return (f"check host {name} with address 127.0.0.1\n"
            f"  if failed port {port} type tcp with timeout 1 seconds then exec \"{script}\" repeat every 1 cycle\n")


@contextlib.contextmanager
def supervisord(world, container):
    """supervisord runs its programs in the foreground: a container is `docker start --attach`."""
    home = world.folder("supervisord")
    conf = home / "supervisord.conf"
    conf.write_text(
        f"[unix_http_server]\nfile={home}/socket\n"
        f"[supervisord]\nnodaemon=true\nuser=root\nlogfile={home}/log\npidfile={home}/pid\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[supervisorctl]\nserverurl=unix://{home}/socket\n"
        f"[program:box]\ncommand=docker start --attach {container}\nautorestart=true\n"
        "startsecs=0\nstartretries=1000\nstdout_logfile=NONE\n", encoding="ascii")
    process = background(["supervisord", "-c", conf], home / "out",
                         {**world.engine.env, "PATH": os.environ["PATH"]})
    try:
        yield process, conf
    finally:
        end(process)


# What docker-autoheal does, once a second: list what is unhealthy, restart it. The real one starts
# curl and jq for each step; this loop only curl.
AUTOHEAL = """#!/bin/sh
while :; do
    curl --silent --unix-socket {socket} \
        'http://engine/containers/json?filters=%7B%22health%22%3A%5B%22unhealthy%22%5D%7D' |
        grep -q '"Id"' && {script}
    sleep 1
done
"""


@contextlib.contextmanager
def autoheal_like(world, container):
    home = world.folder("autoheal")
    script, stamps = restart_script(world, container)
    loop = home / "loop"
    loop.write_text(AUTOHEAL.format(socket=world.engine.socket, script=script), encoding="ascii")
    loop.chmod(0o755)
    process = background([loop], home / "out")
    try:
        yield process, stamps
    finally:
        end(process)


def first_answer(port):
    if wait_answer(port, 60) is None:
        raise AssertionError(f"port {port} does not answer")
