"""Turns a text file into a C array: embed.py INPUT OUTPUT."""

import sys


def main() -> None:
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    rows = [", ".join(str(b) for b in data[i : i + 20]) for i in range(0, len(data), 20)]
    with open(sys.argv[2], "w", encoding="ascii") as f:
        f.write('#include "config/config.h"\n\n')
        f.write("static const unsigned char text[] = {\n")
        f.write("".join(f"    {row},\n" for row in rows))
        f.write("    0};\n\n")
        f.write("const char *ts_config_sample(size_t *ret_len)\n{\n")
        f.write("    *ret_len = sizeof(text) - 1;\n    return (const char *)text;\n}\n")


main()
