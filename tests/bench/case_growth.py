"""Growth: 10, 100, 1,000 services. Memory, start-up, `tradestackctl status`, and one container's death
among the others: time until its start is asked for, and the CPU that costs."""

import time

from case_control import spawned_ms
from fleet import Fleet, fleet, wait_known
from proc import cpu_ns, memory_kib
from subjects import PATIENT, Watcher

SIZES = (10, 100, 1000)


def deaths(record, containers, daemon, count, rounds):
    for n in range(rounds):
        time.sleep(0.12)  # the one before is stable again
        before = cpu_ns(daemon.pid)
        began = containers.kill(n * 7 % count)
        asked = containers.wait_starts(1)[0]
        time.sleep(0.05)
        record.add(f"{count} services: death to start ms", (asked - began) * 1e3)
        record.add(f"{count} services: CPU of a death ms", (cpu_ns(daemon.pid) - before) / 1e6)


def starts(world, record, count, rounds):
    for _ in range(rounds):
        containers = Fleet(world, count)
        daemon = Watcher(world, {"service *": PATIENT}, f"unix://{containers.socket}", name="fleet-watcher")
        try:
            began = time.monotonic()
            daemon.start()
            wait_known(daemon, count)
            record.add(f"{count} services: start-up ms", (time.monotonic() - began) * 1e3)
        finally:
            daemon.stop()
            containers.close()


def run(world, record, scale):
    for count in SIZES if not scale.smoke else (2, 20):
        starts(world, record, count, scale.rounds(5))
        with fleet(world, count) as (containers, daemon):
            memory = memory_kib(daemon.pid)
            record.add(f"{count} services: resident KiB", memory["rss"])
            record.add(f"{count} services: private KiB", memory["private"])
            for _ in range(scale.rounds(20)):
                record.add(f"{count} services: status ms",
                           spawned_ms(world, world.programs.tradestackctl, "--socket", daemon.socket, "status"))
            deaths(record, containers, daemon, count, scale.rounds(30))
