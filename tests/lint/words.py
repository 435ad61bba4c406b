#!/usr/bin/env python3
"""The manual pages know what the programs know: every command and option of tradestackctl, every
key of the configuration; the sample configuration documents each key with its default.

words.py TRADESTACKCTL SCHEMA_DUMP"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def options_of(text):
    return set(re.findall(r"^  --([a-z-]+)", text, re.M))


def check_ctl(ctl):
    page = (ROOT / "docs/tradestackctl.1").read_text(encoding="utf-8")
    text = run(ctl, "--help")
    commands = re.findall(r"^  ([a-z]+)[ A-Za-z\[\]]*  ", text.split("Options:")[0], re.M)
    common = options_of(text)
    everything = set(common)
    documented = {}
    for command, rest in re.findall(r"^\.It Cm ([a-z]+)(.*)$", page, re.M):
        documented[command] = documented.get(command, "") + rest  # some have several forms
    described = set(re.findall(r"Fl Fl ([a-z-]+)", page.split(".Ss Options")[1]))
    for command in commands:
        own = options_of(run(ctl, command, "--help")) - common
        said = set(re.findall(r"Fl Fl ([a-z-]+)", documented.get(command, "")))
        if command not in documented:
            yield f"tradestackctl.1 lacks the command {command}"
        for option in sorted(own ^ said):
            yield f"tradestackctl.1 and --help differ about {command} --{option}"
        everything |= own
    for option in sorted(everything ^ described):
        yield f"the options of tradestackctl.1 and of --help differ about --{option}"
    for command in documented.keys() - set(commands):
        yield f"tradestackctl.1 documents {command}, which tradestackctl does not know"
    completion = (ROOT / "ctl/tradestackctl.bash").read_text(encoding="utf-8")
    for word in [*commands, *("--" + option for option in sorted(everything))]:
        if not re.search(rf"(?<![a-z-]){re.escape(word)}(?![a-z-])", completion):
            yield f"tradestackctl.bash does not complete {word}"


def check_conf(dump):
    page = (ROOT / "docs/tradestackd.conf.5").read_text(encoding="utf-8")
    made = subprocess.run([sys.executable, ROOT / "docs/make_conf_page.py"], input=run(dump),
                          check=True, capture_output=True, text=True).stdout
    if made != page:
        yield "tradestackd.conf.5 is not what docs/make_conf_page.py makes of the schema"
    sample = sample_lines(ROOT / "conf/tradestackd.conf")
    for row in run(dump).splitlines():
        section, key, _, default = row.split("\t")[:4]
        lines = sample.get(section.split(" ")[0], [])
        want = f"{key} = {default}".rstrip()
        if default in ("", "(required)"):
            if not any(line.startswith(f"{key} =") for line in lines):
                yield f"conf/tradestackd.conf does not show {key} in a section [{section}]"
        elif want not in lines:
            yield f"conf/tradestackd.conf lacks \"#{want}\", the default, in a section [{section}]"


def sample_lines(path):
    """Kind of section -> its lines "key = value", commented ones as well."""
    lines = {}
    kind = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        header = re.match(r"#?\[(\w+)", line)
        if header:
            kind = header.group(1)
        elif re.match(r"#?[a-z0-9_-]+ =", line):
            lines.setdefault(kind, []).append(line.lstrip("#"))
    return lines


def main():
    ctl, dump = sys.argv[1:]
    found = [*check_ctl(ctl), *check_conf(dump)]
    print("\n".join(found) or "pages, completion and sample are complete")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
