#!/usr/bin/env python3
"""Measures the pipeline against other programs that do its job, and against the limits of the machine: `make bench`.

The report says how it measures (chart.METHOD). It is written as a table, as JSON and as a chart, and its ratios are added to a
history, which gets a chart, too. Takes about 12 minutes.

Needs a Kafka with its data in memory (KAFKA_BOOTSTRAP_SERVERS), Python with confluent-kafka and pandas (scripts/bench.sh installs
them), and root for the ext4; without root all outputs go to one folder, and the report says so.
"""
import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import confluent_kafka

import chart
import history
import latency
from contenders import CONSUMERS, PRODUCERS, SEGMENT, Run, admin, wait_for_end
from disk import Disk

# name: files, bytes of each
SIZES = {"10k": (30_000, 10_000), "60k": (10_000, 60_000), "500k": (1_500, 500_000), "5M": (150, 5_000_000), "200M": (3, 200_000_000)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(SIZES), help="which of " + ", ".join(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual number of files: 0.1 for a quick look")
    parser.add_argument("--sides", default="producer,consumer,latency")
    parser.add_argument("--programs", required=True, help="folder with image-pipeline, client-ceiling and disk-ceiling")
    parser.add_argument("--out", default="bench-results", help="folder for results.json, results.md, chart.svg, history.jsonl and history.svg")
    arguments = parser.parse_args()
    brokers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or sys.exit("set KAFKA_BOOTSTRAP_SERVERS to a Kafka with its data in memory")
    os.makedirs(arguments.out, exist_ok=True)
    about = machine()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as work:
        bench = Bench(arguments, brokers, work)
        try:
            results = bench.measure_all(arguments.sizes.split(","))
            single = bench.measure_single() if "latency" in arguments.sides else None
        finally:
            bench.disk.unmount()
    report = {"machine": about, "rounds": arguments.rounds, "scale": arguments.scale, "disk": bench.disk.description, "results": results,
              "latency": single}
    with open(os.path.join(arguments.out, "results.json"), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    text = chart.table(report)
    with open(os.path.join(arguments.out, "results.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(arguments.out, "chart.svg"), "w", encoding="utf-8") as file:
        file.write(chart.svg(report))
    history.add(report, arguments.out)
    print(text)


class Bench:
    def __init__(self, arguments, brokers, work):
        self.arguments, self.brokers, self.work = arguments, brokers, work
        self.disk = Disk(work)
        self.number = 0

    def measure_all(self, sizes):
        counts = {size: max(3, int(SIZES[size][0] * self.arguments.scale)) for size in sizes}
        self.one = make_files(os.path.join(self.work, "one"), 1, latency.LENGTH)
        folders = {size: make_files(os.path.join(self.work, size), counts[size], SIZES[size][1]) for size in sizes}
        # Files that have not changed for a minute are finished by any rule: nobody waits for them to settle.
        print("  waiting until the files are a minute old", file=sys.stderr, flush=True)
        time.sleep(62)
        return {size: self.measure(folders[size], counts[size], SIZES[size][1]) for size in sizes}

    def measure(self, folder, count, length):
        results = {"count": count, "bytes": length}
        if "producer" in self.arguments.sides:
            results["producer"] = self.in_turn(PRODUCERS, folder, count, length, self.produce)
        if "consumer" in self.arguments.sides:
            results["consumer"] = self.in_turn(CONSUMERS, folder, count, length, self.consume)
        shutil.rmtree(folder)
        return results

    def measure_single(self):
        print("  single images", file=sys.stderr, flush=True)
        return {"carried": latency.measure(self), "start_up": latency.start_up(self, self.one)}

    def in_turn(self, contenders, folder, count, length, one):
        able = [contender for contender in contenders if contender.can(length)]
        samples = {contender.name: [] for contender in able}
        # The first round warms the broker and the page cache up, and is not counted.
        for round_number in range(self.arguments.rounds + 1):
            turn = round_number % len(able)
            for contender in able[turn:] + able[:turn]:
                sample = one(contender, folder, count, length)
                if round_number > 0:
                    samples[contender.name].append(sample)
                print(f"  {contender.name:16} {count} of {length} bytes: {sample['seconds']:6.2f} s, CPU {sample['user']:.2f} + "
                      f"{sample['system']:.2f} s, {sample['memory'] >> 20} MB{'' if round_number else '  (warming up)'}", file=sys.stderr, flush=True)
        return {name: summary(of_one, count, length) for name, of_one in samples.items()}

    def new_run(self, folder, count, length):
        self.number += 1
        topic = f"bench-{os.getpid()}-{self.number}"
        admin(self.brokers, "create", topic)
        place = os.path.join(self.work, f"run-{self.number}")
        os.makedirs(place)
        return Run(self.brokers, topic, folder, count, length, place, None, self.arguments.programs)

    def produce(self, contender, folder, count, length):
        run = self.new_run(folder, count, length)
        sample = timed(contender.command(run), contender.environment(run), run)
        wait_for_end(run, contender.messages(run))
        self.done(run)
        return sample

    def consume(self, contender, folder, count, length):
        run = self.new_run(folder, count, length)
        if contender.needs_topic:
            filler = contender.filler or PRODUCERS[0]
            timed(filler.command(run), filler.environment(run), run)
        run.output = self.disk.renew()
        sample = timed(contender.command(run), contender.environment(run), run)
        # How long a group takes to let somebody in is the broker's matter.
        sample["seconds"] -= contender.joining(os.path.join(run.place, "log"))
        if contender.stores:
            stored = sum(len(files) for path, folders, files in os.walk(run.output) if ".image-pipeline" not in path)
            # The CSV file lies there too.
            if stored < count:
                sys.exit(f"{contender.name} stored {stored} of {count} images")
        self.done(run)
        return sample

    def done(self, run):
        admin(self.brokers, "delete", run.topic)
        shutil.rmtree(run.place)


def timed(command, environment, run):
    """The whole life of a process: seconds, CPU, memory."""
    everything = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    everything.update(environment)
    log, figures = os.path.join(run.place, "log"), os.path.join(run.place, "figures")
    with open(log, "wb") as output:
        status = subprocess.run([os.path.join(run.programs, "measured"), figures, *command], env=everything, cwd=run.place,
                                stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False).returncode
    if status != 0:
        with open(log, encoding="utf-8", errors="replace") as output:
            sys.exit(f"{command[0]} failed:\n{output.read()[-2000:]}")
    with open(figures, encoding="utf-8") as file:
        seconds, user, system, memory = file.read().split()
    return {"seconds": float(seconds), "user": float(user), "system": float(system), "memory": int(memory) * 1024}


def summary(samples, count, length):
    gigabytes = count * length / 1e9

    def of(values):
        return {"median": statistics.median(values), "low": min(values), "high": max(values)}

    return {
        "images_per_second": of([count / sample["seconds"] for sample in samples]),
        "megabytes_per_second": of([count * length / 1e6 / sample["seconds"] for sample in samples]),
        "user_per_gigabyte": of([sample["user"] / gigabytes for sample in samples]),
        "system_per_gigabyte": of([sample["system"] / gigabytes for sample in samples]),
        "memory": of([sample["memory"] for sample in samples]),
        "seconds": of([sample["seconds"] for sample in samples]),
    }


def make_files(folder, count, length):
    """Bytes that nothing can compress, as a JPEG's are."""
    os.makedirs(folder)
    pool = os.urandom(64 << 20)
    for number in range(count):
        path = os.path.join(folder, f"{number:06}.jpg")
        with open(path, "wb") as file:
            left = length
            start = number * 7919 % (32 << 20)
            while left > 0:
                piece = pool[start : start + min(left, 32 << 20)]
                file.write(piece)
                left -= len(piece)
    os.sync()
    return folder


def machine():
    model = platform.processor()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": model, "cores": os.cpu_count(), "memory": memory, "kernel": platform.release(), "segment": SEGMENT,
            "revision": revision(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "load": os.getloadavg()[0],
            "python": platform.python_version(), "client": confluent_kafka.libversion()[0]}


def revision():
    """Of the measured program; with a plus if the working tree differs from it."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main()
