#!/usr/bin/env python3
"""Stores images the way a plain Python script does: JSON, Base64, a file, a row in the CSV.

It looks at no header, so what it stores from our producer shows that the wire format is the plain one.
"""

import argparse
import base64
import csv
import json
import os
import sys
import time

from confluent_kafka import Consumer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--output", required=True, help="folder for the images")
    parser.add_argument("--csv", required=True, help="file that the rows are appended to")
    parser.add_argument("--count", required=True, type=int, help="stop after so many messages")
    parser.add_argument("--timeout", required=True, type=float, help="seconds for all of it")
    arguments = parser.parse_args()

    consumer = Consumer(
        {
            "bootstrap.servers": arguments.bootstrap_servers,
            "group.id": arguments.group,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([arguments.topic])
    stored = 0
    deadline = time.monotonic() + arguments.timeout
    try:
        while stored < arguments.count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                # A topic that is about to be made, a broker that is about to come: the deadline decides.
                print(message.error(), file=sys.stderr)
                continue
            store(json.loads(message.value()), arguments.output, arguments.csv)
            stored += 1
    finally:
        consumer.close()
    if stored < arguments.count:
        print(f"only {stored} of {arguments.count} messages came within {arguments.timeout:g} s", file=sys.stderr)
        sys.exit(1)
    print(f"stored {stored} images")


def store(image, output, csv_path):
    name = image["image_name"]
    path = os.path.join(output, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(base64.b64decode(image["image_content"]))

    is_new = not os.path.exists(csv_path)
    with open(csv_path, "a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        if is_new:
            rows.writerow(["file_path", "image_label"])
        rows.writerow([path, name.split("/")[0]])


if __name__ == "__main__":
    main()
