#!/usr/bin/env python3
"""Consumers on three hosts store into one bucket, and everything is killed at random: consumers, brokers and the store. Hosts lose
their network for longer than their session, consumers are suspended until others have their partitions, and the producer loses its
ledger, so that it sends everything again. In the end the bucket has each image in its newest version, and the log has exactly one row
for each version.

CHAOS_KILLS is the number of kills, CHAOS_SEED repeats the order of the faults. TEST_PROGRAM is the program, a debug build: others do not
stop at fault points. TEST_KAFKA and TEST_STORE are scripts that start, kill and resume a Kafka and a store; S3_SERVER is the kind of store.
CHAOS_FOLDER has everything, logs too, until the test has passed. Exits with 77 if something is missing that it needs.
"""

import collections
import csv
import io
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import traceback

import bucket
import hosts
import images

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("TEST_PROGRAM", ROOT / ".build/debug/image-pipeline")).resolve()
FOLDER = pathlib.Path(os.environ.get("CHAOS_FOLDER", ROOT / ".build/test-bucket")).resolve()
SCRIPTS = {name: pathlib.Path(os.environ.get(name, "")).resolve() for name in ("TEST_KAFKA", "TEST_STORE")}
SERVER = os.environ.get("S3_SERVER", "seaweedfs")
KILLS = int(os.environ.get("CHAOS_KILLS") or 200)
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1, 1_000_000))

HOSTS = 3
BROKERS = 3
TOPIC = "images"
PREFIX = "proof"
# Seconds: after that, others get a consumer's partitions.
SESSION = 3
# Seconds of a suspension, or of a host without network.
LONG = (SESSION + 2, SESSION + 7)
# A consumer reports it when a batch is complete.
AT_WORK = '"image_stored"'
# Between the images of a batch and its place in the log, and shortly after.
FAULT_POINTS = ["imagesUploaded", "imagesUploaded", "notesWritten", "positionsRecorded", "batchLogged"]
# Events that must not occur: all images are ours, and no broker loses any.
ALARMS = [
    "topic_recreated", "messages_lost", "message_dead_lettered", "image_incomplete", "image_refused", "name_refused",
    "dead_letter_topic_failed", "expiry_failed"]
# Swift's fatal error follows a line number; librdkafka has fatal errors of its own.
FINDINGS = ["DamagedLog", *(f"{digit}: Fatal error:" for digit in range(10)), *(f'"event":"{alarm}"' for alarm in ALARMS)]


class Run:
    def __init__(self):
        self.faults = []
        self.rows = self.fenced = 0
        self.tally = collections.Counter()
        self.begun = time.monotonic()
        self.numbers = random.Random(f"{SEED} faults")
        # Numbers of their own: when a fault point is reached must not change the other faults.
        self.spans = random.Random(f"{SEED} spans")
        # What is undone later: when, on which host, and how.
        self.held = []
        hosts.lay_cables()
        self.kafka = hosts.Kafka(SCRIPTS["TEST_KAFKA"], FOLDER / "kafka", BROKERS)
        self.store = hosts.Store(SCRIPTS["TEST_STORE"], FOLDER / "store", SERVER)
        self.hosts = [hosts.Host(number, FOLDER) for number in range(1, HOSTS + 1)]
        self.images = images.Images(FOLDER / "images", random.Random(f"{SEED} images"))
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(FOLDER), "TMPDIR": str(FOLDER),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.servers, "TOPIC": TOPIC, "TOPIC_PARTITIONS": "6",
            "KAFKA_SESSION_TIMEOUT_MS": str(SESSION * 1000),
            # A broker that was killed is found again soon.
            "KAFKA_RECONNECT_BACKOFF_MAX_MS": "500",
            "IMAGES_DIR": str(FOLDER / "images"), "STATE_DIR": str(FOLDER / "state"), "SETTLE_MS": "0",
            # Small batches and segments: more moments to be killed in.
            "SEGMENT_BYTES": "50000", "BATCH_IMAGES": "7", "SEGMENT_TIMEOUT": "600",
            "PROCESSED_IMAGES_DIR": f"s3://{self.store.bucket}/{PREFIX}", "S3_ENDPOINT": self.store.endpoint,
            "AWS_ACCESS_KEY_ID": self.store.key, "AWS_SECRET_ACCESS_KEY": self.store.secret,
            "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "PROGRESS_SECONDS": "0"}
        self.producers = 0
        self.start_producer()
        for host in self.hosts:
            self.start_consumer(host)

    # --- Processes ------------------------------------------------------------------------------------------------------------------

    def start_producer(self):
        self.producers += 1
        self.producer = hosts.Program(
            [PROGRAM, "producer"], FOLDER, self.environment, FOLDER / f"producer-{self.producers}.log")

    def start_consumer(self, host, **more):
        host.start(PROGRAM, {**self.environment, **more})
        host.stored = 0

    def end_consumer(self, host):
        if host.consumer.end() != 0:
            self.faults.append(f"a consumer did not end well; see {host.consumer.log}")

    def command(self, *arguments, seconds=120, **more):
        """Runs a command of the product, and reports it if it fails. Returns what it prints."""
        log = FOLDER / f"{arguments[0]}.log"
        with open(log, "ab") as out:
            result = subprocess.run(
                [PROGRAM, *arguments], cwd=FOLDER, env={**self.environment, **more}, timeout=seconds, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out)
            out.write(result.stdout)
        if result.returncode != 0:
            self.faults.append(f"image-pipeline {' '.join(arguments)} exits with {result.returncode}; see {log}")
        return result.stdout.decode()

    # --- Faults ---------------------------------------------------------------------------------------------------------------------

    def plan(self):
        """What is done, in order."""
        brokers = stores = KILLS // 5
        deeds = ["consumer"] * (KILLS - brokers - stores) + ["broker"] * brokers + ["store"] * stores
        deeds += ["cut"] * (KILLS // 10) + ["suspension"] * (KILLS // 10) + ["fault_point"] * (KILLS // 7)
        deeds += ["ledger"] * max(1, KILLS // 25)
        self.numbers.shuffle(deeds)
        return deeds

    def step(self):
        """What goes on all the time."""
        self.images.step()
        self.images.note(self.producer.lines())
        if self.producer.process.poll() is not None:
            raise RuntimeError(f"the producer exited by itself; see {self.producer.log}")
        for host in self.hosts:
            if host.consumer.process.poll() is not None:
                raise RuntimeError(f"a consumer exited by itself; see {host.consumer.log}")
            host.stored += sum(AT_WORK in line for line in host.consumer.lines())
            if host.consumer.is_stopped() and not self.is_held(host):
                self.note("fault point", host.name)
                self.hold(host, host.go_on)
        for entry in [entry for entry in self.held if entry[0] <= time.monotonic()]:
            self.release(entry)

    def pause(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
            time.sleep(0.02)

    def patiently(self, condition, seconds=8):
        """Waits for a good moment, but not for long."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.pause(0.02)

    def hold(self, host, undo):
        self.held.append((time.monotonic() + self.spans.uniform(*LONG), host, undo))

    def is_held(self, host):
        return any(entry[1] is host for entry in self.held)

    def release(self, entry):
        self.held.remove(entry)
        entry[2]()
        self.write(f"{entry[1].name} goes on")

    def note(self, what, name):
        self.tally[what] += 1
        self.write(f"{what} {name}")

    def write(self, text):
        with open(FOLDER / "faults.log", "a") as log:
            log.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")

    def torment(self):
        for deed in self.plan():
            self.pause(self.numbers.uniform(0.1, 1.5))
            getattr(self, "do_" + deed)()

    def do_consumer(self):
        host = self.numbers.choice(self.hosts)
        # One that has a lot to do, or one that is just starting.
        stored = self.numbers.choice([0, 1, 5, 20])
        self.patiently(lambda: not self.is_held(host) and host.stored >= stored)
        # If it is suspended, it does not go on.
        self.held = [entry for entry in self.held if entry[1:] != (host, host.go_on)]
        host.consumer.kill()
        self.note("consumer", f"{host.name}, {host.stored} stored")
        self.start_consumer(host)

    def do_broker(self):
        node = self.numbers.randrange(1, BROKERS + 1)
        self.patiently(lambda: self.kafka.is_up(node))
        self.kafka.kill(node)
        self.note("broker", node)
        self.kafka.resume(node)

    def do_store(self):
        self.patiently(self.store.is_up)
        self.pause(self.numbers.uniform(0, 2))
        self.store.kill()
        self.note("store", "")
        self.store.resume()

    def do_cut(self):
        host = self.free_host()
        host.cut()
        self.note("cut", host.name)
        self.hold(host, host.mend)

    def do_suspension(self):
        host = self.free_host()
        host.consumer.send(hosts.signal.SIGSTOP)
        self.note("suspension", host.name)
        self.hold(host, host.go_on)

    def do_fault_point(self):
        """Replaces a consumer by one that stops between the images of a batch and its place in the log, or shortly after."""
        host = self.free_host()
        point = f"{self.numbers.choice(FAULT_POINTS)}:{self.numbers.randrange(1, 4)}:stop"
        self.end_consumer(host)
        self.start_consumer(host, FAULT_POINT=point)
        self.patiently(lambda: self.is_held(host), 25)

    def free_host(self):
        """A host that works: after it loses its partitions, others have to store its messages."""
        host = self.numbers.choice(self.hosts)
        self.patiently(lambda: not self.is_held(host) and host.stored > 0)
        hosts.await_(lambda: not self.is_held(host), 60, f"{host.name} goes on", self.step)
        return host

    def do_ledger(self):
        """The next producer sends everything again."""
        self.producer.kill()
        self.images.note(self.producer.lines())
        shutil.rmtree(FOLDER / "state", ignore_errors=True)
        self.note("ledger", "")
        self.start_producer()

    # --- The end --------------------------------------------------------------------------------------------------------------------

    def settle(self):
        """Lets everything run until all images are stored, and ends it."""
        for entry in list(self.held):
            self.release(entry)
        for host in self.hosts:
            # It may have a fault point before it.
            host.consumer.kill()
            self.start_consumer(host)
        hosts.await_(lambda: self.store.is_up() and all(map(self.kafka.is_up, range(1, BROKERS + 1))), 120, "all servers are up")
        if self.producer.end() != 0:
            self.faults.append(f"the producer did not end well; see {self.producer.log}")
        self.command("producer", "--once", "--until-stored", seconds=300)
        for host in self.hosts:
            self.end_consumer(host)
        # Segments that a killed producer has sent are nobody's by now.
        self.command("consumer", "--until-idle", "3", SEGMENT_TIMEOUT="1")
        if AT_WORK in (FOLDER / "consumer.log").read_text():
            self.faults.append(f"a last consumer had something to store; see {FOLDER}/consumer.log")

    def judge(self):
        """First by the test's own means, then by those of the product."""
        verdict = bucket.Verdict(
            bucket.Bucket(self.store.endpoint, self.store.bucket, self.store.key, self.store.secret), PREFIX, TOPIC, self.images)
        self.faults += verdict.read()
        self.rows = len(verdict.rows)
        exported = list(csv.DictReader(io.StringIO(self.command("export"))))
        if sorted(map(str, exported)) != sorted(map(str, verdict.rows)):
            self.faults.append(f"export prints {len(exported)} rows, not the {len(verdict.rows)} of the log")
        self.command("verify", "--json")
        self.command("audit", "--json")
        if letters := self.kafka.messages(TOPIC + "-dlq"):
            self.faults.append(f"{letters} dead letters")
        for host in self.hosts:
            if left := [path.name for path in (host.folder / "tmp").iterdir()]:
                self.faults.append(f"left over on {host.name}: {left}")
        self.faults += [f"{log}: {line}" for log, line in self.log_lines(*FINDINGS)]
        self.fenced = sum(1 for _ in self.log_lines('"batch_fenced"'))
        if KILLS >= 60 and self.fenced == 0:
            self.faults.append("no consumer was ever overtaken by another one")

    def log_lines(self, *texts):
        for log in sorted([*FOLDER.glob("*.log"), *FOLDER.glob("host-*/*.log")]):
            with open(log, errors="replace") as file:
                for line in file:
                    if any(text in line for text in texts):
                        yield log.relative_to(FOLDER), line.strip()

    def report(self):
        kinds = {
            "consumer": "kills of consumers", "broker": "of brokers", "store": "of the store", "cut": "hosts cut off",
            "suspension": "consumers suspended at random", "fault point": "at a fault point", "ledger": "ledgers lost"}
        print(f"CHAOS_SEED={SEED} CHAOS_KILLS={KILLS}, {SERVER}: "
              + ", ".join(f"{self.tally[kind]} {text}" for kind, text in kinds.items())
              + f"; {self.fenced} batches discarded because another consumer had stored them")
        print(f"{len(self.images.versions)} images in {self.images.count_versions()} versions, {self.images.bytes >> 20} MB, "
              f"{self.rows} rows, in {time.monotonic() - self.begun:.0f} s: "
              + (f"{len(self.faults)} FAULTS" if self.faults else "all exact"))

    def explain(self):
        for fault in self.faults[:20]:
            print(fault, file=sys.stderr)
            # What the logs say of the image.
            for name in self.images.versions:
                if f": {name} " in fault + " ":
                    for log, line in self.log_lines(f'"{name}"'):
                        print(f"    {log}: {line}", file=sys.stderr)
        print(f"{len(self.faults)} faults. CHAOS_SEED={SEED} CHAOS_KILLS={KILLS} repeats the order; all logs are in {FOLDER}",
              file=sys.stderr)


def missing():
    """What this test needs and does not find; None if it has everything."""
    for name, script in SCRIPTS.items():
        if not script.is_file():
            return f"{name} is no script that starts servers"
    for program in ("java", "curl", "ip", "iptables", "nsenter", "setpriv", "sysctl", "unshare"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if why := hosts.missing_right():
        return f"this user cannot create hosts with networks of their own: {why}"
    return None


def remove_folder():
    """Processes that were just killed may still write."""
    hosts.await_(lambda: shutil.rmtree(FOLDER, ignore_errors=True) or not FOLDER.exists(), 20, "the folder is removed")


def torment():
    run = Run()
    try:
        run.torment()
        run.settle()
        run.judge()
    except Exception as error:  # pylint: disable=broad-except
        run.faults.append(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    run.report()
    if run.faults:
        run.explain()
    return 1 if run.faults else 0


def main():
    if "ISOLATED" not in os.environ:
        if why := missing():
            print(f"skipped: {why}")
            return 77
        remove_folder()
        FOLDER.mkdir(parents=True)
        # There is no other network later.
        hosts.Store.install(SCRIPTS["TEST_STORE"], FOLDER / "store", SERVER)
    code = 0
    try:
        code = hosts.isolate()
        if code is None:
            return torment()
        return code
    finally:
        # After an interruption, too.
        if code == 0:
            remove_folder()


if __name__ == "__main__":
    sys.exit(main())
