"""The sample configuration as Windows has it: sample.py INPUT OUTPUT. Each phrase must be there: when
the sample changes, this changes with it."""

import sys

PHRASES = [
    ("#state_dir = /var/lib/tradestack", "#state_dir = C:/ProgramData/tradestack/state"),
    ("# * unix:///path, tcp://host:port, npipe:////./pipe/name. Empty: DOCKER_HOST or the default.",
     "# * npipe:////./pipe/docker_engine (the default), npipe:////./pipe/dockerDesktopLinuxEngine,\n"
     "# tcp://host:port. Empty: DOCKER_HOST or the default."),
    ("# * The systemd service that runs the engine: while somebody has stopped it, it is left alone.\n"
     "# Empty: docker.service for Docker's usual socket; none: no such service.\n#unit =\n", ""),
    ("#socket = /run/tradestack/control.sock", "#socket = //./pipe/tradestack"),
    ("(root and the daemon's own user always may)",
     "(administrators and the service's own user\n# always may)"),
    ("Empty: whoever can reach the socket.",
     "Empty: whoever may open the pipe, that is\n# administrators and the members of these groups."),
    ("Put its URL into the file (mode 0640 or 0600); until the file exists the\n"
     "# channel counts as not set up. A relative name: in /etc/tradestack/credentials (as a service, which\n"
     "# reads it when it starts), else beside this file.",
     "Put its URL into the file, which only the service and administrators may\n"
     "# read; until the file exists the channel counts as not set up. A relative name: beside this file."),
    ("/etc/tradestack/", "C:/ProgramData/tradestack/"),
]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as f:
        text = f.read()
    for old, new in PHRASES:
        if old not in text:
            sys.exit(f"{sys.argv[1]} does not say any more: {old}")
        text = text.replace(old, new)
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(text)


main()
