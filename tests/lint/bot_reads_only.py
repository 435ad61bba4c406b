#!/usr/bin/python3
"""The bot must not be able to place an order: nothing it is made of can encode one.

Checked in the sources: the bot builds no message by itself, talks to the gateway through lib/ibapi
alone, and calls only requests that read; lib/ibapi's list of client messages holds no order message.
"""

import pathlib
import re
import sys

REPO = pathlib.Path(__file__).resolve().parents[2]

# What the bot may ask (functions of lib/ibapi/codec.h).
READING = {
    "ts_ib_add_summary_request",
    "ts_ib_add_summary_cancel",
    "ts_ib_add_positions_request",
    "ts_ib_add_positions_cancel",
    "ts_ib_add_data_type_request",
    "ts_ib_add_market_data_request",
    "ts_ib_add_market_data_cancel",
    "ts_ib_add_time_request",
}
# Building a message field by field, or bypassing the client.
FORBIDDEN = re.compile(
    r"\b(ts_ib_begin|ts_ib_end|ts_ib_add|ts_ib_add_int|ts_tcp_\w+|socket|send|sendto|sendmsg|write|"
    r"writev|bufferevent_\w+|dlopen|dlsym|system|exec[lv]\w*|posix_spawn\w*|popen)\s*\("
)
# placeOrder, cancelOrder, exerciseOptions, reqGlobalCancel in IB's published clients.
ORDER_IDS = {3: "placeOrder", 4: "cancelOrder", 21: "exerciseOptions", 58: "reqGlobalCancel"}


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


def complaints():
    sources = sorted((REPO / "stack/bot").glob("*.[ch]"))
    if len(sources) < 5:
        yield f"stack/bot: only {len(sources)} files found, is this check looking at the right place?"
    for path in sources:
        text = without_comments(path.read_text(encoding="utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{path.relative_to(REPO)}:{number}"
            for match in FORBIDDEN.finditer(line):
                yield f"{where}: {match.group(1)}() could send what is not a reading request"
            for name in re.findall(r"\b(ts_ib_add_\w+)\s*\(", line):
                if name not in READING and name != "ts_ib_add_int":
                    yield f"{where}: {name}() is not on the list of reading requests"
    codec = without_comments((REPO / "lib/ibapi/codec.h").read_text(encoding="utf-8"))
    messages = re.findall(r"\bTS_IB_C_(\w+)\s*=\s*(\d+)", codec)
    if not messages:
        yield "lib/ibapi/codec.h: no TS_IB_C_… messages found, is this check looking at the right place?"
    for name, number in messages:
        if int(number) in ORDER_IDS:
            yield f"lib/ibapi/codec.h: TS_IB_C_{name} is {ORDER_IDS[int(number)]}"


def main():
    found = list(complaints())
    for text in found:
        print(text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
