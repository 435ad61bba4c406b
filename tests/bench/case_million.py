"""A million events: is memory flat? Ten containers; events of all kinds, a death among each thousand."""

import time

from fleet import fleet
from proc import cpu_ns, memory_kib

STEPS = 20


def run(world, record, scale):
    events = scale.rounds(1_000_000, 2_000)
    with fleet(world, 10) as (containers, daemon):
        containers.order("flood", events=min(events, 20_000))  # buffers have their size
        time.sleep(1)
        cpu = cpu_ns(daemon.pid)
        for _ in range(STEPS):
            containers.order("flood", events=events // STEPS)
            memory = memory_kib(daemon.pid)
            record.add("resident KiB", memory["rss"])
            record.add("private KiB", memory["private"])
        record.add("events 1", events)
        record.add("CPU of an event us", (cpu_ns(daemon.pid) - cpu) / 1e3 / events)
