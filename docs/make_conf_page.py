#!/usr/bin/env python3
"""Writes tradestackd.conf.5 from the schema, so that the page says what the parser does:
    build/lib/config/schema_dump | docs/make_conf_page.py > docs/tradestackd.conf.5"""

import itertools
import sys

HEAD = r""".\" Written by docs/make_conf_page.py from lib/config/schema.c; do not edit.
.Dd November 24, 2026
.Dt TRADESTACKD.CONF 5
.Os tradestack
.Sh NAME
.Nm tradestackd.conf
.Nd how tradestackd supervises the stack
.Sh DESCRIPTION
An INI file. It describes everything: services, windows and channels that are not in it do not
exist. Without a file the sample file applies, which is compiled in.
.Pp
A line that begins with # or ; is a comment. Spans have a unit: 500ms, 10s, 5m, 1h, 1d, 1m30s.
Yes and no are written
.Cm yes
and
.Cm no .
An unknown key or section, or a value out of its range, is an error that names file and line;
.Ic tradestackctl check
finds all of them, and a
.Ic tradestackctl reload
of a file with errors changes nothing.
Keys marked
.Dq restart
take effect when the daemon is started anew, all others at a reload.
"""

ABOUT = {
    "daemon": "The daemon itself.",
    "engine": "The container engine.",
    "control": "The control socket, for tradestackctl.",
    "alerts": "What all channels have in common.",
    "channel NAME": "One receiver of alerts; may be repeated with other names.",
    "safety": "The safety rules.",
    "observe": "Only for tradestackd --observe.",
    "window NAME": "A time in which the loss of the upstream is expected.",
    "service NAME": "How one service is treated, by its Compose name; * is for all without a section.",
    "probe SERVICE/NAME": "One way to look at a service.",
    "signals SERVICE": "What lines of a service's log mean. Keys may be repeated.",
}

TAIL = r""".Sh FILES
.Bl -tag -width Ds
.It Pa /etc/tradestack/tradestackd.conf
The default place.
.El
.Sh SEE ALSO
.Xr tradestackctl 1 ,
.Xr tradestackd 8
"""


def escape(text):
    text = text.replace("\\", "\\e")
    return "\\&" + text if text.startswith((".", "'")) else text


def key_entry(key, kind, default, allowed, when, kinds, text):
    print(f".It Va {key}")
    print(escape(text))
    details = [f"Default: {default or 'empty'}"] if default != "(required)" else ["Required"]
    if allowed:
        details.append(f"allowed: {allowed}")
    if kinds:
        details.append(f"for probes of kind {kinds}")
    if when == "restart":
        details.append("restart")
    print(escape("; ".join(details) + "."))


def main():
    rows = [line.rstrip("\n").split("\t") for line in sys.stdin]
    print(HEAD, end="")
    for section, keys in itertools.groupby(rows, key=lambda row: row[0]):
        print(f'.Sh "[{section}]"\n{ABOUT[section]}\n.Bl -tag -width Ds')
        for _, *rest in keys:
            key_entry(*rest)
        print(".El")
    print(TAIL, end="")


if __name__ == "__main__":
    main()
