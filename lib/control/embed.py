#!/usr/bin/env python3
"""Turns the interface file into a C string: embed.py FILE.varlink OUT.c

As numbers: ISO C does not promise string literals of more than 4095 bytes."""
import sys
import textwrap

data = open(sys.argv[1], "rb").read() + b"\0"
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write('#include "control/interface.h"\n\nconst char ts_interface_text[] = {\n')
    out.write(textwrap.fill(", ".join(str(byte) for byte in data), 96, initial_indent="    ",
                            subsequent_indent="    "))
    out.write("};\n")
