"""What was measured, kept raw: one CSV file a case, a line a value. report.py makes everything else
from these files alone."""

import csv
import math
import pathlib


class Record:
    def __init__(self, folder, case):
        self.path = pathlib.Path(folder) / f"{case}.csv"
        self.rows = []

    def add(self, series, value):
        """One value of a series. The series' name ends in its unit: "tradestackd issued ms"."""
        self.rows.append((series, value))

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("series", "value"))
            writer.writerows((series, f"{value:.6g}") for series, value in self.rows)


def load(folder, case):
    """{series: [values in the order in which they were measured]}"""
    found = {}
    with (pathlib.Path(folder) / f"{case}.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["series"], []).append(float(row["value"]))
    return found


class Stats:
    """n, median, 95th percentile (nearest rank) and maximum."""

    def __init__(self, values):
        ordered = sorted(values)
        self.n = len(ordered)
        middle = self.n // 2
        self.median = ordered[middle] if self.n % 2 else (ordered[middle - 1] + ordered[middle]) / 2
        self.p95 = ordered[math.ceil(self.n * 0.95) - 1]
        self.max = ordered[-1]
        self.min = ordered[0]
