"""Turns a text file into a C array: embed.py INPUT OUTPUT."""

import sys


def main() -> None:
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    rows = [", ".join(str(b) for b in data[i : i + 20]) for i in range(0, len(data), 20)]
    with open(sys.argv[2], "w", encoding="ascii") as f:
        f.write('#include "config/sample_internal.h"\n\n')
        f.write("const unsigned char ts_config_sample_text[] = {\n")
        f.write("".join(f"    {row},\n" for row in rows))
        f.write("    0};\n")
        f.write(f"const size_t ts_config_sample_len = {len(data)};\n")


main()
