#!/usr/bin/python3
"""Makes docs/performance.md's table and plots from the raw values alone.

  report.py RAW_FOLDER DOCS_FOLDER    writes DOCS/performance/*.svg and the table between the marks
                                      in DOCS/performance.md
"""

import pathlib
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

from record import Stats, load  # noqa: E402

BEGIN, END = "<!-- table: made by tests/bench/report.py -->", "<!-- end of the table -->"


class Raw:
    """The series of all cases."""

    def __init__(self, folder):
        self._folder = folder
        self._cases = {}

    def series(self, case, name):
        if case not in self._cases:
            self._cases[case] = load(self._folder, case)
        return self._cases[case][name]

    def names(self, case):
        self.series(case, next(iter(load(self._folder, case))))
        return self._cases[case]

    def stats(self, case, name):
        return Stats(self.series(case, name))


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Bar:
    """One promise: what was measured, what it is held against, whether it holds."""

    def __init__(self, what, limit, held, measured, against=""):
        self.what, self.limit, self.held = what, limit, held
        self.measured, self.against = measured, against


def described(stats, unit):
    return (f"{number(stats.median)} {unit} (n {stats.n}, p95 {number(stats.p95)}, "
            f"max {number(stats.max)})")


def killed(raw):
    after = raw.stats("killed", "tradestackd issued after event ms")
    yield Bar("container killed: die event to start asked for", "median ≤ 5 ms", after.median <= 5,
              described(after, "ms"))
    ours = raw.stats("killed", "tradestackd answers ms")
    floor = raw.stats("killed", "floor sum ms")
    yield Bar("container killed: fault to port answering", "≤ 1.15 × floor (die event + start)",
              ours.median <= 1.15 * floor.median, described(ours, "ms"),
              f"{ours.median / floor.median:.2f} × {number(floor.median)} ms")
    for peer, least in (("docker policy", 1.35), ("monit", 2.4)):
        theirs = raw.stats("killed", f"{peer} answers ms")
        yield Bar(f"the same beside {peer}", f"≥ {least} × faster", theirs.median >= least * ours.median,
                  f"{theirs.median / ours.median:.2f} × faster", described(theirs, "ms"))
    theirs = raw.stats("killed", "supervisord answers ms")
    yield Bar("the same beside supervisord", "(no bar)", None, f"{theirs.median / ours.median:.2f} × faster",
              described(theirs, "ms"))


def listener(raw):
    fast, usual, monit, autoheal = (raw.stats("listener", f"{who} issued ms") for who in
                                    ("tradestackd fast", "tradestackd usual", "monit", "autoheal"))
    yield Bar("listener dead, container alive: restart asked for, looks of 100 ms", "(no bar)", None,
              described(fast, "ms"),
              f"Monit, 1 s: {monit.median / fast.median:.1f} × slower; a loop like autoheal's on a HEALTHCHECK of "
              f"1 s: {autoheal.median / fast.median:.0f} × slower")
    yield Bar("… with looks of 1 s", "(no bar: as Monit, by chance within a second)", None, described(usual, "ms"),
              f"Monit: {described(monit, 'ms')}; like autoheal: {described(autoheal, 'ms')}; HEALTHCHECK's verdict "
              f"alone: {described(raw.stats('listener', 'HEALTHCHECK tells ms'), 'ms')}")


def session(raw):
    for kind in ("closed", "reset"):
        ours = raw.stats("session", f"tradestackd {kind} ms")
        floor = raw.stats("session", f"floor {kind} ms")
        yield Bar(f"API session {kind}: told", "median ≤ 5 ms", ours.median <= 5, described(ours, "ms"),
                  f"a plain socket: {described(floor, 'ms')}")
    hang = raw.stats("session", "tradestackd hang ms")
    limit = raw.stats("session", "limit hang ms")
    yield Bar("API session hangs: told", "max ≤ ping interval + timeout (+ 5 ms)", hang.max <= limit.max + 5,
              described(hang, "ms"), f"{number(limit.max)} ms")


def idle(raw):
    cpu = raw.stats("idle", "tradestackd CPU ms/min")
    monit = raw.stats("idle", "monit CPU ms/min")
    yield Bar("three services, 1 s probes: CPU", "≤ 30 ms a minute", cpu.median <= 30,
              described(cpu, "ms/min"), f"Monit: {described(monit, 'ms/min')}; {monit.median / cpu.median:.0f} × less")
    wakeups = raw.stats("idle", "tradestackd wake-ups 1/s")
    yield Bar("… wake-ups", "≤ 3/s", wakeups.median <= 3, described(wakeups, "/s"),
              f"Monit, two ports: {described(raw.stats('idle', 'monit wake-ups 1/s'), '/s')}")
    private = raw.stats("idle", "tradestackd private KiB")
    yield Bar("… private memory", "≤ 3 MB", private.max <= 3_000_000 / 1024, described(private, "KiB"))
    resident = raw.stats("idle", "tradestackd resident KiB")
    libraries = raw.stats("idle", "libraries resident KiB")
    yield Bar("… resident memory", "≤ 1.1 × the same libraries, only initialised",
              resident.median <= 1.1 * libraries.median, described(resident, "KiB"),
              f"{resident.median / libraries.median:.3f} × {number(libraries.median)} KiB")
    streams = raw.stats("idle", "engine event streams 1")
    execs = raw.stats("idle", "engine execs 1")
    yield Bar("… on the engine", "one events connection, no execs", streams.max == 1 and execs.max == 0,
              f"{streams.max:.0f} connection, {execs.max:.0f} execs, "
              f"{number(raw.stats('idle', 'engine requests 1/min').median)} requests a minute")


def ports(raw):
    count = raw.stats("ports", "ports 1").max
    ours, theirs = (raw.stats("ports", f"{who} CPU ms/min") for who in ("tradestackd", "monit"))
    yield Bar(f"{count:,.0f} probed ports: CPU", "≤ Monit's", ours.median <= theirs.median,
              described(ours, "ms/min"), f"{ours.median / theirs.median:.2f} × Monit's {described(theirs, 'ms/min')}")

    def per_port(who):
        many = raw.stats("ports", f"{who} many resident KiB").median
        return (many - raw.stats("ports", f"{who} one resident KiB").median) / (count - 1)

    yield Bar("… memory", "≤ 4 KB more a port", per_port("tradestackd") * 1.024 <= 4,
              f"{per_port('tradestackd') * 1.024:.1f} KB a port", f"Monit {per_port('monit') * 1.024:.1f} KB a port")
    alone = raw.stats("ports", "tradestackd notices ms")
    among = raw.stats("ports", "tradestackd notices, some hung ms")
    monit_alone = raw.stats("ports", "monit notices ms")
    monit_among = raw.stats("ports", "monit notices, some hung ms")
    yield Bar("… 50 of them hung: noticing another's end", "≤ 1.1 × without", among.median <= 1.1 * alone.median,
              f"{among.median / alone.median:.2f} ×: {described(among, 'ms')} after {described(alone, 'ms')}",
              f"Monit: {monit_among.median / monit_alone.median:.0f} ×, {number(monit_among.median)} ms")


def burst(raw):
    lost = raw.stats("burst", "lost 1").max + raw.stats("burst", "not ready afterwards 1").max
    done = raw.stats("burst", "all started ms")
    yield Bar("1,000 containers die at once", "none lost", lost == 0,
              f"{lost:.0f} lost; the last start asked for after {described(done, 'ms')}")
    ping = raw.stats("burst", "ping, burst ms")
    calm = raw.stats("burst", "ping, idle ms")
    yield Bar("… loop blocked (a Ping's round trip)", "≤ 20 ms", ping.max <= 20, described(ping, "ms"),
              f"without the burst: {described(calm, 'ms')}")


def control(raw):
    ours = raw.stats("control", "tradestackctl status ms")
    monit = raw.stats("control", "monit status ms")
    yield Bar("`tradestackctl status`, spawn to exit", "median ≤ 3 ms", ours.median <= 3, described(ours, "ms"),
              f"a program that does nothing: {described(raw.stats('control', 'nothing ms'), 'ms')}")
    yield Bar("… beside `monit status`", "≥ 5 × faster", monit.median >= 5 * ours.median,
              f"{monit.median / ours.median:.1f} × faster", described(monit, "ms"))
    supervisor = raw.stats("control", "supervisorctl status ms")
    yield Bar("… beside `supervisorctl status`", "(no bar)", None, f"{supervisor.median / ours.median:.0f} × faster",
              described(supervisor, "ms"))
    start = raw.stats("control", "tradestackd watching ms")
    listing = raw.stats("control", "engine list ms")
    libraries = raw.stats("control", "libraries ready ms")
    yield Bar("start-up: exec to watching", "≤ 10 ms + one engine list", start.median <= 10 + listing.median,
              described(start, "ms"),
              f"list {number(listing.median)} ms; only loading and initialising the libraries: "
              f"{described(libraries, 'ms')}")


def up(raw):
    ours = raw.stats("up", "tradestackctl up ms")
    running = raw.stats("up", "compose up, running ms")
    checked = raw.stats("up", "compose up, checked ms")
    yield Bar("`up` of the demo stack: nothing to ready", "≤ `docker compose up --wait`, same file",
              ours.median <= running.median, described(ours, "ms"),
              f"{ours.median / running.median:.2f} × Compose's {described(running, 'ms')}")
    yield Bar("… where readiness can be known", "faster than Compose with a health check of 1 s",
              ours.median < checked.median, f"{checked.median / ours.median:.1f} × faster", described(checked, "ms"))


def alert(raw):
    warm = raw.stats("alert", "warm ms")
    yield Bar("alert: observation to first byte on the wire", "median ≤ 20 ms", warm.median <= 20,
              described(warm, "ms"))


def sizes(raw):
    """Of the growth: 10, 100, 1000 unless it was a trial."""
    return sorted({int(name.split()[0]) for name in raw.names("growth")})


def growth(raw):
    counts = sizes(raw)
    for what, unit in (("death to start ms", "ms"), ("CPU of a death ms", "ms"), ("status ms", "ms"),
                       ("start-up ms", "ms"), ("resident KiB", "KiB")):
        values = [raw.stats("growth", f"{n} services: {what}").median for n in counts]
        linear = all(last <= 1.1 * first * count / counts[at]
                     for at, first in enumerate(values) for last, count in zip(values[at:], counts[at:]))
        yield Bar(f"growth, {' / '.join(f'{n:,}' for n in counts)} services: {what.rsplit(' ', 1)[0]}",
                  "no worse than linear", linear,
                  " / ".join(number(value) for value in values) + f" {unit}")


def million(raw):
    values = raw.series("million", "resident KiB")
    rise = values[-1] - values[0]
    yield Bar(f"{raw.stats('million', 'events 1').max:,.0f} events: memory", "flat",
              rise <= 0.02 * values[0], f"{rise:+.0f} KiB of {number(values[0])} KiB",
              f"{number(raw.stats('million', 'CPU of an event us').median)} µs of CPU an event")


PARTS = (killed, listener, session, idle, ports, burst, control, up, alert, growth, million)


def table(raw):
    lines = ["| bar | limit | measured | against | |", "|---|---|---|---|---|"]
    for part in PARTS:
        for bar in part(raw):
            verdict = "" if bar.held is None else "held" if bar.held else "**not held**"
            lines.append(f"| {bar.what} | {bar.limit} | {bar.measured} | {bar.against} | {verdict} |")
    return "\n".join(lines)


# --- plots


def new_plot(title, ylabel):
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.set_title(title, fontsize=11)
    axes.set_ylabel(ylabel)
    axes.grid(True, which="both", alpha=0.3)
    return figure, axes


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def plot_killed(raw, folder):
    figure, axes = new_plot("Container killed: until its port answers again", "share of the rounds")
    for name in ("floor", "tradestackd", "docker policy", "monit", "supervisord"):
        series = "floor sum ms" if name == "floor" else f"{name} answers ms"
        values = sorted(raw.series("killed", series))
        axes.step(values, [(i + 1) / len(values) for i in range(len(values))], where="post", label=name)
    axes.set_xscale("log")
    axes.set_xlabel("ms (logarithmic)")
    axes.legend(fontsize=8)
    save(figure, folder / "killed.svg")


def plot_growth(raw, folder):
    figure, axes = new_plot("Growth: each quantity as a multiple of its value at the fewest services", "multiple")
    counts = sizes(raw)
    for what in ("death to start ms", "CPU of a death ms", "status ms", "start-up ms", "resident KiB"):
        values = [raw.stats("growth", f"{n} services: {what}").median for n in counts]
        axes.plot(counts, [value / values[0] for value in values], marker="o", label=what.rsplit(" ", 1)[0])
    axes.plot(counts, [n / counts[0] for n in counts], linestyle=":", color="black", label="linear")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("services")
    axes.legend(fontsize=8)
    save(figure, folder / "growth.svg")


def plot_million(raw, folder):
    figure, axes = new_plot("Memory over a million events", "KiB")
    events = raw.stats("million", "events 1").max
    for name in ("resident KiB", "private KiB"):
        values = raw.series("million", name)
        axes.plot([events * (i + 1) / len(values) for i in range(len(values))], values, label=name.split()[0])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("events")
    axes.legend(fontsize=8)
    save(figure, folder / "million.svg")


def plot_idle(raw, folder):
    figure, axes = new_plot("Nothing happens: CPU of a minute", "ms")
    names = ("tradestackd", "monit")
    axes.bar(names, [raw.stats("idle", f"{name} CPU ms/min").median for name in names])
    axes.axhline(30, color="black", linestyle=":", label="the bar: 30 ms")
    axes.legend(fontsize=8)
    save(figure, folder / "idle.svg")


def main(raw_folder, docs):
    raw = Raw(raw_folder)
    page = docs / "performance.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table(raw)}\n{END}{after}", encoding="utf-8")
    plots = docs / "performance"
    plots.mkdir(exist_ok=True)
    pyplot.rcParams["svg.hashsalt"] = "tradestack"  # the same values make the same file
    for plot in (plot_killed, plot_growth, plot_million, plot_idle):
        plot(raw, plots)
    print(table(raw))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
