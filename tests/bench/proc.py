"""What a process costs, as the kernel counts it."""

import pathlib
import time


def children_of(pid):
    for tasks in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text(encoding="ascii").split():
            yield int(child)


def cpu_ns(pid):
    """CPU time so far of all threads, and of its children that have ended (ticks of 10 ms)."""
    own = sum(
        int(stat.read_text(encoding="ascii").split()[0])
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    )
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    reaped_ticks = int(fields[13]) + int(fields[14])
    return own + reaped_ticks * 10_000_000


def wakeups(pid):
    """How often its threads have waited so far: each wait ends in a wake-up."""
    total = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def memory_kib(pid):
    """rss; private: memory that nobody else can share (written to, or anonymous); kib each."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        key, value = line.split()[:2]
        found[key.rstrip(":")] = int(value)
    return {"rss": found["Rss"], "private": found["Private_Dirty"], "pss": found["Pss"],
            "private_clean": found["Private_Clean"], "anonymous": found["Anonymous"]}


class Window:
    """Cost of processes over a span of time."""

    def __init__(self, pids):
        self.pids = list(pids)
        self.began = time.monotonic()
        self.cpu = sum(map(cpu_ns, self.pids))
        self.wakeups = sum(map(wakeups, self.pids))

    def end(self):
        seconds = time.monotonic() - self.began
        return {
            "cpu_ms_per_min": (sum(map(cpu_ns, self.pids)) - self.cpu) / 1e6 * 60 / seconds,
            "wakeups_per_s": (sum(map(wakeups, self.pids)) - self.wakeups) / seconds,
        }
