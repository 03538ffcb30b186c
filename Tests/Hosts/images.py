"""The images of a test: what was written into the input folder, and so what must be stored in the end."""

import hashlib
import json
import os
import time

LABELS = ["cat", "dog", "horse/white", "bird (új) = 1+1"]
# The most images a second.
RATE = 10
# Consumers tell at least that many versions of one image apart, see docs/bucket.md.
MOST_VERSIONS = 12
# Old bytes are written again only after the longest suspension of a consumer, see the rare cases in docs/bucket.md.
REST = 45


class Images:
    def __init__(self, folder, numbers):
        self.folder, self.numbers = folder, numbers
        # The versions of each image in order: bytes, and when they were written.
        self.versions = {}
        # Images and sizes that the producer has reported as sent. No two different versions of an image have the same size.
        self.sent = set()
        self.recent = []
        self.bytes = 0
        self.due = time.monotonic()
        for label in LABELS:
            (folder / label).mkdir(parents=True)

    def digests(self, name):
        return [hashlib.sha256(content).hexdigest() for content, _ in self.versions[name]]

    def count_versions(self):
        return sum(len(versions) for versions in self.versions.values())

    def note(self, lines):
        """Reads what the producer logs."""
        for line in lines:
            if '"image_sent"' in line:
                entry = json.loads(line)
                self.sent.add((entry["image"], entry["bytes"]))

    def step(self):
        """Writes the images that are due."""
        now = time.monotonic()
        # What was not written in time is left out.
        self.due = max(self.due, now - 1)
        while self.due <= now:
            self.due += 1 / RATE
            self.write_one(now)

    def write_one(self, now):
        name = self.numbers.choice(self.recent) if self.recent and self.numbers.random() < 0.35 else None
        if name is None or not self.may_change(name):
            name = f"{self.numbers.choice(LABELS)}/{len(self.versions)}.jpg"
            self.versions[name] = []
            self.recent = (self.recent + [name])[-40:]
        content = self.old_bytes(name, now) or self.new_bytes(name)
        self.versions[name].append((content, now))
        self.sent.discard((name, len(content)))
        self.bytes += len(content)
        # Renamed from a hidden name, so that it is complete.
        (self.folder / ".drop").write_bytes(content)
        os.rename(self.folder / ".drop", self.folder / name)

    def may_change(self, name):
        """A version that was not sent yet would never be."""
        versions = self.versions[name]
        return len(versions) < MOST_VERSIONS and (name, len(versions[-1][0])) in self.sent

    def old_bytes(self, name, now):
        versions = self.versions[name]
        # What a version was replaced by, and when.
        old = [versions[index][0] for index in range(len(versions) - 1) if now - versions[index + 1][1] > REST]
        old = [content for content in old if content != versions[-1][0]]
        return self.numbers.choice(old) if old else None

    def new_bytes(self, name):
        sizes = {len(content) for content, _ in self.versions[name]}
        while True:
            size = self.size()
            if size not in sizes:
                return self.numbers.randbytes(size)

    def size(self):
        """Mostly small, and some that need several messages."""
        if self.numbers.random() < 0.04:
            return self.numbers.randrange(60_000, 400_000)
        return self.numbers.randrange(64, 8_000)
