#!/usr/bin/env python3
"""Sends the images of a folder the way a plain Python script does: one JSON message each, without headers.

It knows nothing of this project's client, so what our consumer stores from it shows that the wire format is the plain one.
"""

import argparse
import base64
import json
import sys
from pathlib import Path

from confluent_kafka import Producer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--input", required=True, type=Path, help="folder; what lies in its sub-folders is not sent")
    parser.add_argument("--encodebytes", action="store_true", help="Base64 in lines of 76 characters, as MIME has it")
    arguments = parser.parse_args()
    encode = base64.encodebytes if arguments.encodebytes else base64.b64encode

    failures = []

    def delivered(error, message):
        if error is not None:
            failures.append(f"{message.key().decode('utf-8')}: {error}")

    producer = Producer({"bootstrap.servers": arguments.bootstrap_servers, "compression.type": "snappy"})
    sent = 0
    for path in sorted(arguments.input.iterdir()):
        if not path.is_file():
            continue
        content = encode(path.read_bytes()).decode("utf-8")
        value = json.dumps({"image_name": path.name, "image_content": content})
        producer.produce(arguments.topic, key=path.name, value=value, on_delivery=delivered)
        producer.poll(0)
        sent += 1
    waiting = producer.flush(60)

    for failure in failures:
        print(failure, file=sys.stderr)
    if waiting > 0:
        print(f"{waiting} messages are not delivered after 60 s", file=sys.stderr)
    if failures or waiting > 0:
        sys.exit(1)
    print(f"sent {sent} images")


if __name__ == "__main__":
    main()
