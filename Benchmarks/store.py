#!/usr/bin/env python3
"""Measures a consumer that stores into a bucket against a C program that only PUTs the same files: `make bench-store`.

Both in turn, on one store and one broker. The C program has the files in memory, its requests are signed before it starts, and it
neither hashes nor checks anything. A consumer's time is without that of joining its group. Reports medians and their ratio.

Needs a Kafka with its data in memory (KAFKA_BOOTSTRAP_SERVERS), and a store on this machine (S3_ENDPOINT, BENCH_BUCKET,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). The objects stay in the bucket: use one that is only for this.
"""
import argparse
import hashlib
import hmac
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from urllib.parse import quote

from bench import SIZES, Bench, make_files, timed
from contenders import PRODUCERS, PipelineConsumer

# As many as the consumer has.
CONNECTIONS = 128
REGION = "us-east-1"


class BucketConsumer(PipelineConsumer):
    name = "image-pipeline"

    def __init__(self, store, prefix):
        self.store, self.prefix = store, prefix

    def environment(self, run):
        return {**super().environment(run), **self.store.environment, "PROCESSED_IMAGES_DIR": f"s3://{self.store.bucket}/{self.prefix}",
                "RECEIPTS": "off", "TMPDIR": run.place}


class Store:
    def __init__(self):
        names = ("S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        missing = [name for name in (*names, "BENCH_BUCKET") if not os.environ.get(name)]
        if missing:
            sys.exit(f"set {', '.join(missing)}")
        self.environment = {name: os.environ[name] for name in names} | {"AWS_REGION": REGION}
        self.bucket = os.environ["BENCH_BUCKET"]

    def signed(self, key):
        """A URL with which anybody may PUT the object for an hour (AWS Signature Version 4, query parameters)."""
        endpoint = self.environment["S3_ENDPOINT"].rstrip("/")
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted({
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.environment['AWS_ACCESS_KEY_ID']}/{scope}",
            "X-Amz-Date": now, "X-Amz-Expires": "3600", "X-Amz-SignedHeaders": "host"}.items()))
        path = f"/{self.bucket}/{quote(key)}"
        request = "\n".join(["PUT", path, query, f"host:{endpoint.split('://')[1]}", "", "host", "UNSIGNED-PAYLOAD"])
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
        secret = ("AWS4" + self.environment["AWS_SECRET_ACCESS_KEY"]).encode()
        for part in (*scope.split("/"), text):
            secret = hmac.digest(secret, part.encode(), "sha256")
        return f"{endpoint}{path}?{query}&X-Amz-Signature={secret.hex()}"


class StoreBench(Bench):
    def __init__(self, arguments, brokers, work):
        super().__init__(arguments, brokers, work)
        self.store = Store()

    def put_only(self, folder, round_number):
        names = sorted(os.listdir(folder))
        lines = "".join(f"{self.store.signed(f'bench-{os.getpid()}-c{round_number}/{name}')}\t{folder}/{name}\n" for name in names)
        program = os.path.join(self.arguments.programs, "store-ceiling")
        answer = subprocess.run([program, str(CONNECTIONS)], input=lines, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            sys.exit(answer.stderr[-2000:])
        return float(answer.stdout)

    def consume_once(self, folder, count, length, round_number):
        run = self.new_run(folder, count, length)
        timed(PRODUCERS[0].command(run), PRODUCERS[0].environment(run), run)
        consumer = BucketConsumer(self.store, f"bench-{os.getpid()}-p{round_number}")
        sample = timed(consumer.command(run), consumer.environment(run), run)
        sample["seconds"] -= consumer.joining(os.path.join(run.place, "log"))
        self.done(run)
        return sample

    def compare(self, size):
        count, length = max(3, int(SIZES[size][0] * self.arguments.scale)), SIZES[size][1]
        folder = make_files(os.path.join(self.work, size), count, length)
        time.sleep(1)
        samples = []
        for round_number in range(self.arguments.rounds + 1):
            pair = (self.put_only(folder, f"{size}{round_number}"), self.consume_once(folder, count, length, f"{size}{round_number}"))
            print(f"  {count} of {length} bytes: C {pair[0]:.2f} s, image-pipeline {pair[1]['seconds']:.2f} s, {pair[1]['memory'] >> 20} MB"
                  f"{'' if round_number else '  (warming up)'}", file=sys.stderr, flush=True)
            if round_number > 0:
                samples.append(pair)
        least, own = (statistics.median(values) for values in ([c for c, _ in samples], [p["seconds"] for _, p in samples]))
        print(f"{count} of {length} bytes: C {count / least:.0f}/s, {count * length / 1e6 / least:.0f} MB/s; image-pipeline {count / own:.0f}/s, "
              f"{count * length / 1e6 / own:.0f} MB/s; ratio {statistics.median(c / p['seconds'] for c, p in samples):.2f}; "
              f"{max(p['memory'] for _, p in samples) >> 20} MB of memory", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10k,60k,500k,5M", help="which of " + ", ".join(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.3, help="multiplies the number of files of make bench: 0.1 for a quick look")
    parser.add_argument("--programs", required=True, help="folder with image-pipeline and store-ceiling")
    arguments = parser.parse_args()
    brokers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or sys.exit("set KAFKA_BOOTSTRAP_SERVERS to a Kafka whose data is in memory")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as work:
        bench = StoreBench(arguments, brokers, work)
        try:
            for size in arguments.sizes.split(","):
                bench.compare(size)
        finally:
            bench.disk.unmount()


if __name__ == "__main__":
    main()
