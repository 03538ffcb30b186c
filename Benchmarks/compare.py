#!/usr/bin/env python3
"""Measures two builds of the pipeline in turn, on the same broker, files and disk: `make bench-compare BASE=<revision>`.

Reports the median ratio of pairs: a machine is faster in one minute than in the next, but hardly within a pair. Takes three minutes.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import chart
from bench import SIZES, Bench, machine, make_files
from contenders import PipelineConsumer, PipelineProducer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10k,60k,500k", help="which of " + ", ".join(SIZES))
    parser.add_argument("--rounds", type=int, default=6, help="pairs; even, so that each build is first equally often")
    parser.add_argument("--scale", type=float, default=0.5, help="times the usual number of files")
    parser.add_argument("--sides", default="producer,consumer")
    parser.add_argument("--programs", required=True, help="folder with the programs of the working tree")
    parser.add_argument("--base", required=True, help="folder with the programs of the other revision")
    parser.add_argument("--base-name", required=True)
    parser.add_argument("--out", default="bench-results", help="folder for compare.json")
    arguments = parser.parse_args()
    brokers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or sys.exit("set KAFKA_BOOTSTRAP_SERVERS to a Kafka with its data in memory")
    os.makedirs(arguments.out, exist_ok=True)
    print(f"{arguments.base_name} and the working tree, on {chart.described(machine())}", flush=True)
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as work:
        bench = Pairs(arguments, brokers, work)
        try:
            folders = {}
            for size in arguments.sizes.split(","):
                count, length = max(3, int(SIZES[size][0] * arguments.scale)), SIZES[size][1]
                folders[size] = (make_files(os.path.join(work, size), count, length), count, length)
            # Files that have not changed for a minute are finished by any rule.
            time.sleep(62)
            for size, (folder, count, length) in folders.items():
                results[size] = {side: bench.compare(side, folder, count, length) for side in arguments.sides.split(",")}
        finally:
            bench.disk.unmount()
    with open(os.path.join(arguments.out, "compare.json"), "w", encoding="utf-8") as file:
        json.dump({"machine": machine(), "base": arguments.base_name, "results": results}, file, indent=1)


class Pairs(Bench):
    def compare(self, side, folder, count, length):
        make, one = {"producer": (PipelineProducer, self.produce), "consumer": (PipelineConsumer, self.consume)}[side]
        base, tree = make(), make()
        base.programs = self.arguments.base
        samples = {"base": [], "tree": []}
        # The first pair warms the broker and the page cache up.
        for number in range(self.arguments.rounds + 1):
            pair = [("base", base), ("tree", tree)]
            for name, contender in pair if number % 2 else reversed(pair):
                sample = one(contender, folder, count, length)
                if number > 0:
                    samples[name].append(sample)
        result = {"rate": ratio(samples, lambda of: 1 / of["seconds"]), "cpu": ratio(samples, lambda of: of["user"] + of["system"]),
                  "memory": {name: max(of["memory"] for of in every) for name, every in samples.items()}}
        rates = {name: count / statistics.median(of["seconds"] for of in every) for name, every in samples.items()}
        print(f"{chart.size(length):>7} {side}: {rates['base']:,.0f} and {rates['tree']:,.0f} images/s, rate {said(result['rate'])}, "
              f"CPU {said(result['cpu'])}, memory {result['memory']['base'] / 1e6:.0f} and {result['memory']['tree'] / 1e6:.0f} MB", flush=True)
        return result


def ratio(samples, of):
    """Working tree by base, pair by pair."""
    ratios = [of(tree) / of(base) for base, tree in zip(samples["base"], samples["tree"])]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def said(values):
    return f"x {values['median']:.2f} ({values['low']:.2f} to {values['high']:.2f})"


if __name__ == "__main__":
    main()
