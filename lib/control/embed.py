#!/usr/bin/env python3
"""Turns the interface file into a C string: embed.py FILE.varlink OUT.c"""
import sys

text = open(sys.argv[1], encoding="utf-8").read()
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write('#include "control/interface.h"\n\nconst char ts_interface_text[] =\n')
    for line in text.splitlines():
        out.write('    "%s\\n"\n' % line.replace("\\", "\\\\").replace('"', '\\"'))
    out.write("    ;\n")
