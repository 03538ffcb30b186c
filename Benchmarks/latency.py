"""How long one image takes: from its file's close to its row, while they come at a steady rate; and from a producer's start to its
first look into a file."""
import ctypes
import os
import select
import signal
import statistics
import struct
import subprocess
import sys
import time

from contenders import PipelineConsumer, PipelineProducer

RATE, LENGTH = 100, 60_000
IN_OPEN = 0x20


def measure(bench, seconds=20):
    """Medians and 99th percentiles, in ms."""
    run = bench.new_run(os.path.join(bench.work, "coming"), 0, LENGTH)
    os.makedirs(run.images)
    run.output = bench.disk.renew()
    program = os.path.join(run.programs, "image-pipeline")
    with open(os.path.join(run.place, "log"), "wb") as log:
        sides = [
            subprocess.Popen([program, side], env=environment(of, run), cwd=run.place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for side, of in (("consumer", PipelineConsumer()), ("producer", PipelineProducer()))
        ]
    rows = Rows(os.path.join(run.output, "rows.csv"))
    try:
        # Once the first one has come through, both are at work.
        drop(run.images, "first.jpg")
        while "first.jpg" not in rows.seen:
            rows.look()
            time.sleep(0.01)
            if any(side.poll() is not None for side in sides):
                sys.exit("a side ended before it had carried an image")
        closed, begun = {}, time.monotonic()
        for number in range(RATE * seconds):
            while time.monotonic() < begun + number / RATE:
                rows.look()
                time.sleep(0.0005)
            name = f"{number:06}.jpg"
            closed[name] = drop(run.images, name)
        end = time.monotonic() + 30
        while not closed.keys() <= rows.seen.keys() and time.monotonic() < end:
            rows.look()
            time.sleep(0.0005)
    finally:
        for side in sides:
            side.send_signal(signal.SIGTERM)
        for side in sides:
            side.wait(30)
        rows.close()
    missing = [name for name in closed if name not in rows.seen]
    if missing:
        sys.exit(f"{len(missing)} of {len(closed)} images did not come within 30 s")
    taken = sorted((rows.seen[name] - closed[name]) * 1000 for name in closed)
    bench.done(run)
    return {"images": len(taken), "bytes": LENGTH, "rate": RATE, "median": statistics.median(taken), "p99": taken[len(taken) * 99 // 100],
            "most": taken[-1]}


def environment(contender, run):
    everything = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    everything.update(contender.environment(run))
    return everything


def drop(folder, name):
    """Written under its name; the time of its close."""
    with open(os.path.join(folder, name), "wb") as file:
        file.write(os.urandom(LENGTH))
    return time.monotonic()


class Rows:
    """The rows of a CSV file by when they were first seen."""

    def __init__(self, path):
        self.path, self.seen, self.file, self.rest = path, {}, None, b""

    def look(self):
        if self.file is None:
            if not os.path.exists(self.path):
                return
            self.file = open(self.path, "rb", buffering=0)
        new = self.file.read()
        if not new:
            return
        now = time.monotonic()
        *lines, self.rest = (self.rest + new).split(b"\n")
        for line in lines:
            self.seen.setdefault(os.path.basename(line.split(b",", 1)[0].decode()), now)

    def close(self):
        if self.file is not None:
            self.file.close()


def start_up(bench, folder, rounds=15):
    """From the start of a process to the first open of an image, in ms, as inotify tells it."""
    taken = []
    for _ in range(rounds):
        run = bench.new_run(folder, 1, LENGTH)
        watch = Opens(folder)
        contender = PipelineProducer()
        with open(os.path.join(run.place, "log"), "wb") as log:
            begun = time.monotonic()
            process = subprocess.Popen(contender.command(run), env=environment(contender, run), cwd=run.place, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
            opened = watch.first(timeout=30)
        watch.close()
        process.terminate()
        process.wait(30)
        bench.done(run)
        if opened is None:
            sys.exit("the producer opened no image within 30 s")
        taken.append((opened - begun) * 1000)
    return {"median": statistics.median(taken), "low": min(taken), "high": max(taken)}


class Opens:
    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        if self.descriptor < 0 or libc.inotify_add_watch(self.descriptor, folder.encode(), IN_OPEN) < 0:
            sys.exit(f"inotify: {os.strerror(ctypes.get_errno())}")

    def first(self, timeout):
        """When a file in the folder, not the folder itself, was opened."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not select.select([self.descriptor], [], [], 1)[0]:
                continue
            now, events, place = time.monotonic(), os.read(self.descriptor, 65_536), 0
            while place < len(events):
                length = struct.unpack_from("iIII", events, place)[3]
                if length > 0:
                    return now
                place += 16 + length
        return None

    def close(self):
        os.close(self.descriptor)
