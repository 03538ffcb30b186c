#!/usr/bin/env python3
"""Measures whether the pipeline stays as quick and as small when there is much: `make bench-growth`.

- A producer over 1,000,000 files in 1,000 folders: its rate from the start to the end, its memory; then once more, with everything
  sent; then as a service, until it has carried one new file.
- A consumer with an output of 10,000,000 rows: its start-up, and its rate beside that with an empty output.

Needs a Kafka (KAFKA_BOOTSTRAP_SERVERS), root for an ext4 of its own, and 20 GB of disk.
"""
import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime

from contenders import PipelineConsumer, PipelineProducer, Run, admin
from disk import Disk
from latency import environment

FOLDERS = 1_000
# Bytes of each of many files, and of the images that are carried into a large output.
SMALL, LENGTH = 1_000, 10_000
# Where the producer is not what is measured: files that are young are not waited for.
AT_ONCE = {"SETTLE_MS": "0"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--images", type=int, default=30_000, help="carried into an output of so many rows, and into an empty one")
    parser.add_argument("--rounds", type=int, default=3, help="how often they are")
    parser.add_argument("--programs", required=True, help="folder with image-pipeline")
    parser.add_argument("--out", default="bench-results", help="folder for growth.json")
    arguments = parser.parse_args()
    brokers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or sys.exit("set KAFKA_BOOTSTRAP_SERVERS to a Kafka whose data lies in memory")
    os.makedirs(arguments.out, exist_ok=True)
    report = {}
    with tempfile.TemporaryDirectory(prefix="growth-", dir=os.environ.get("BENCH_DIR")) as work:
        for name, measure, wanted in (("files", measure_files, arguments.files), ("rows", measure_rows, arguments.rows)):
            if wanted == 0:
                continue
            disk = Disk(os.path.join(work, name), gigabytes=12, bytes_an_inode=4_096)
            try:
                report[name] = measure(Place(name, arguments, brokers, work, disk), wanted)
            finally:
                disk.unmount()
                shutil.rmtree(os.path.join(work, name))
    with open(os.path.join(arguments.out, "growth.json"), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    print(json.dumps(report, indent=1))


class Place:
    def __init__(self, name, arguments, brokers, work, disk):
        self.name, self.arguments, self.brokers, self.work = name, arguments, brokers, work
        self.path = disk.renew()
        self.number = 0

    def new_run(self, images, count):
        self.number += 1
        place = os.path.join(self.work, f"run-{self.name}-{self.number}")
        os.makedirs(place)
        topic = f"growth-{os.getpid()}-{self.name}-{self.number}"
        admin(self.brokers, "create", topic)
        return Run(self.brokers, topic, images, count, SMALL, place, None, self.arguments.programs)


class Program:
    """One side as a process, looked at by its own metrics."""

    def __init__(self, run, contender, arguments, more=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = os.path.join(run.place, f"log-{time.monotonic_ns()}")
        self.begun, self.wall, self.peak = time.monotonic(), time.time(), 0
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(run.programs, "image-pipeline"), *arguments],
                env={**environment(contender, run), "HTTP_PORT": str(self.port), "HTTP_ADDRESS": "127.0.0.1", **(more or {})}, cwd=run.place,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def metric(self, name):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
        except OSError:
            return None
        for line in text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return None

    def memory(self):
        """The most so far, in bytes. Not by wait4, which counts what its parent had before it was itself."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as lines:
                self.peak = max(self.peak, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
        except OSError:
            pass
        return self.peak

    def curve(self, name, every=0.25):
        """(seconds, value) until the process ends, then what it took."""
        points = []
        while True:
            self.memory()
            process, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if process:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                if self.process.returncode != 0:
                    sys.exit(f"a side failed:\n{open(self.log, encoding='utf-8').read()[-2000:]}")
                return points, {"seconds": time.monotonic() - self.begun, "memory": self.peak,
                                "cpu": usage.ru_utime + usage.ru_stime}
            value = self.metric(name)
            if value is not None:
                points.append((time.monotonic() - self.begun, value))
            time.sleep(every)

    def seconds_to(self, event):
        """Seconds from the start to the first line of the log with an event; None if there is none."""
        with open(self.log, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("{") and json.loads(line)["event"] == event:
                    return datetime.fromisoformat(json.loads(line)["time"].replace("Z", "+00:00")).timestamp() - self.wall
        return None

    def end(self):
        peak = self.memory()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return peak


def rates(points, total, parts=10):
    """Items a second in each tenth of the way from nothing to `total`."""
    found, at = [], None
    for number in range(parts + 1):
        wanted = total * number / parts
        # The first point is the start of the way: before, the program had not begun.
        after = next((index for index, (_, value) in enumerate(points) if value > 0 and value >= wanted), None)
        if after is None:
            break
        if after == 0 or number == 0:
            moment = points[after][0]
            value = points[after][1]
        else:
            (t0, v0), (t1, v1) = points[after - 1], points[after]
            moment, value = t0 + (wanted - v0) / max(1, v1 - v0) * (t1 - t0), wanted
        if at is not None and moment > at[0]:
            found.append(round((value - at[1]) / (moment - at[0])))
        at = (moment, value)
    return found


def settle():
    print("  waiting until the files are a minute old", file=sys.stderr, flush=True)
    time.sleep(62)


def measure_files(place, count):
    images = os.path.join(place.path, "images")
    print(f"  making {count} files in {FOLDERS} folders", file=sys.stderr, flush=True)
    make_files(images, count, SMALL, FOLDERS)
    settle()
    run = place.new_run(images, count)
    sent = "image_pipeline_images_sent_total"
    program = Program(run, PipelineProducer(), ["producer", "--once"])
    points, first = program.curve(sent)
    tenths = rates(points, count)
    again = Program(run, PipelineProducer(), ["producer", "--once"]).curve(sent)[1]
    service = Program(run, PipelineProducer(), ["producer"])
    with open(os.path.join(images, "0500", "new.jpg"), "wb") as file:
        file.write(b"new")
    until(lambda: service.metric(sent) == 1, 300)
    new = time.monotonic() - service.begun
    # Known by an event, whatever the scan does meanwhile.
    until(lambda: (service.metric("image_pipeline_waiting_files") or 0) == 0, 60)
    memory = service.end()
    admin(place.brokers, "delete", run.topic)
    return {"files": count, "first": first, "images_per_second_by_tenth": tenths, "last_by_first": tenths[-1] / tenths[0], "again": again,
            "service": {"seconds_to_new_file": new, "memory": memory}}


def measure_rows(place, rows):
    """Carries images into both outputs, in turn: the same disk is slower on one minute than on the next."""
    outputs = {"empty": [], "large": []}
    for number in range(place.arguments.rounds):
        # Of other names each time: what is there already costs nothing.
        images = os.path.join(place.work, f"carried-{number}")
        make_files(os.path.join(images, f"round {number}"), place.arguments.images, LENGTH, 10)
        run = place.new_run(images, place.arguments.images)
        Program(run, PipelineProducer(), ["producer", "--once"], AT_ONCE).curve("none")
        for name in sorted(outputs, reverse=number % 2 == 1):
            run.output = os.path.join(place.path, name if name == "large" else f"empty-{number}")
            if name == "large" and number == 0:
                make_large(place, run, rows)
            os.makedirs(run.output, exist_ok=True)
            outputs[name].append(store(run, name))
        admin(place.brokers, "delete", run.topic)
        shutil.rmtree(images)
    result = {"rows": rows, "images": place.arguments.images, **outputs}
    speeds = {name: [each["images_per_second"] for each in runs] for name, runs in outputs.items()}
    result["large_by_empty"] = statistics.median(large / empty for large, empty in zip(speeds["large"], speeds["empty"]))
    return result


def store(run, name):
    group = f"{run.topic}-{name}"
    program = Program(run, PipelineConsumer(), ["consumer", "--count", str(run.count)], {"CONSUMER_GROUP": group})
    points, figures = program.curve("image_pipeline_images_stored_total", every=0.1)
    tenths = rates(points, points[-1][1])
    return {**figures, "start_up_ms": program.seconds_to("consumer_started") * 1000, "images_per_second": statistics.median(tenths), "by_tenth": tenths}


def make_large(place, run, rows):
    """An output that has so many rows, of which one image was really stored: it makes catalog and CSV file."""
    images = os.path.join(place.work, "first")
    make_files(images, 1, LENGTH, 1)
    first = place.new_run(images, 1)
    first.output = run.output
    os.makedirs(run.output)
    Program(first, PipelineProducer(), ["producer", "--once"], AT_ONCE).curve("none")
    Program(first, PipelineConsumer(), ["consumer", "--count", "1"]).curve("none")
    admin(place.brokers, "delete", first.topic)
    print(f"  writing {rows} rows", file=sys.stderr, flush=True)
    fill(first, rows)
    os.sync()


def fill(run, rows):
    """Puts so many rows into catalog and CSV file, as if so many images had been stored."""
    output, csv = os.path.join(run.output, "images"), os.path.join(run.output, "rows.csv")
    catalog = sqlite3.connect(os.path.join(output, ".image-pipeline", "catalog.sqlite"))
    catalog.execute("PRAGMA synchronous = OFF")
    (last,) = catalog.execute("SELECT max(id) FROM stored").fetchone()
    stored, when = 1_767_225_600_000, "2026-01-01T00:00:00.000Z"
    length = os.path.getsize(csv)
    with open(csv, "ab", buffering=1 << 20) as file:
        for start in range(0, rows, 100_000):
            images, lines = [], []
            for number in range(start, min(start + 100_000, rows)):
                name = f"folder {number // 1000:05}/{number:08}.jpg"
                digest = os.urandom(32)
                images.append((name, digest, LENGTH, 0, number))
                path = f"{output}/{name}"
                label = name.split("/")[0]
                lines.append((last + 1 + number, path, label, digest, LENGTH, "", None, None, "old", 0, number, stored, stored))
                text = f"{path},{label},{digest.hex()},{LENGTH},,,,old,0,{number},{when},{when}\n".encode()
                file.write(text)
                length += len(text)
            catalog.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?)", images)
            catalog.executemany("INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", lines)
            catalog.commit()
    catalog.execute("UPDATE csv_files SET length = ?, last_stored = ?, last_line = ? WHERE path = ?", (length, last + rows, text, csv))
    catalog.commit()
    catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    catalog.close()


def make_files(folder, count, length, folders):
    source = os.urandom(1 << 20)
    for number in range(folders):
        os.makedirs(os.path.join(folder, f"{number:04}"))
    for number in range(count):
        with open(os.path.join(folder, f"{number % folders:04}", f"{number:07}.jpg"), "wb") as file:
            start = number * 7919 % ((1 << 20) - length)
            # Its number makes each another one.
            file.write(number.to_bytes(8, "big") + source[start : start + length - 8])
    os.sync()


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("waited in vain")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
