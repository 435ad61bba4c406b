"""Prints the .c files of libcurl, in the order of its own list (lib/Makefile.inc)."""
import re
import sys

folder = sys.argv[1]
with open(f"{folder}/Makefile.inc", encoding="utf-8") as f:
    text = f.read().replace("\\\n", " ")
for name in re.findall(r"\b[\w/-]+\.c\b", text):
    print(f"{folder}/{name}")
