#!/usr/bin/env python3
"""Measures Base64 and the envelope by themselves, against memcpy and pybase64 (libbase64): `make bench-codecs`.

In turn, one process after the other on one thread, all in cache; medians of the rounds. Rates are GB of the image a second.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import pybase64

SIZES = (10_000, 60_000, 500_000)


def ours(program, size, milliseconds):
    output = subprocess.run([program, str(size), str(milliseconds)], check=True, capture_output=True, text=True).stdout
    return {(line["what"], line["path"]): line["gb_per_s"] for line in map(json.loads, output.splitlines())}


def measure(milliseconds, size, body):
    for _ in range(3):
        body()
    count, begun = 0, time.perf_counter()
    while True:
        for _ in range(32):
            body()
        count += 32
        elapsed = time.perf_counter() - begun
        if elapsed * 1_000 >= milliseconds:
            return size * count / elapsed / 1e9


def theirs(size, milliseconds):
    image = os.urandom(size)
    text = pybase64.b64encode(image)
    return {
        ("encode", "pybase64"): measure(milliseconds, size, lambda: pybase64.b64encode(image)),
        ("decode", "pybase64"): measure(milliseconds, size, lambda: pybase64.b64decode(text, validate=True)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--milliseconds", type=int, default=100, help="how long each is measured in a round")
    parser.add_argument("--json", help="a file for the results")
    arguments = parser.parse_args()
    medians = {}
    for size in SIZES:
        rounds = []
        for number in range(arguments.rounds):
            sides = [lambda: ours(arguments.program, size, arguments.milliseconds), lambda: theirs(size, arguments.milliseconds)]
            found = {}
            for side in sides if number % 2 == 0 else reversed(sides):
                found.update(side())
            rounds.append(found)
        medians[size] = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    print(f"GB/s, medians of {arguments.rounds}; pybase64 {pybase64.__version__} ({pybase64.get_version()})\n")
    print(f"{'':42}" + "".join(f"{size // 1_000:>7} KB" for size in SIZES))
    for name in sorted(medians[SIZES[0]]):
        print(f"{' '.join(name):42}" + "".join(f"{medians[size][name]:10.1f}" for size in SIZES))
    best = {way: max((name for name in medians[SIZES[-1]] if name[0] == way and name[1] not in ("pybase64", "Swift's SIMD types")),
                     key=lambda name: medians[SIZES[-1]][name]) for way in ("encode", "decode")}
    print()
    for way, name in best.items():
        ratios = "".join(f"{medians[size][name] / medians[size][(way, 'pybase64')]:10.2f}" for size in SIZES)
        print(f"{f'{way}: {name[1]} to pybase64':42}" + ratios)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({str(size): {" ".join(name).strip(): rate for name, rate in found.items()} for size, found in medians.items()}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
