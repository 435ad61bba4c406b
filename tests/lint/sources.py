"""Which C files there are. Not asked of git: a copy of the sources has none, and to another user than
the owner it refuses to answer."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("lib", "daemon", "ctl", "stack", "tests", "windows-service")
NOT_OURS = {"node_modules"}


def c_files():
    """Paths from the root, in order."""
    found = [
        path.relative_to(ROOT)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.[ch]")
        if NOT_OURS.isdisjoint(path.parts)
    ]
    if len(found) < 50:
        raise SystemExit(f"only {len(found)} C files found below {ROOT}: looked in the wrong place?")
    return sorted(found)
