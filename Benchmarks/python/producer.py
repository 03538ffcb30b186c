#!/usr/bin/env python3
"""Sends a folder's images as a plain Python script does: one JSON message each, Base64, snappy. For `make bench`.

    producer.py BROKERS TOPIC FOLDER
"""
import base64
import json
import os
import sys

from confluent_kafka import Producer


def main(brokers, topic, folder):
    failures = []

    def delivered(error, message):
        if error is not None:
            failures.append(str(error))

    producer = Producer({"bootstrap.servers": brokers, "compression.type": "snappy", "linger.ms": 50, "batch.size": 1_000_000})
    for name in sorted(os.listdir(folder)):
        if name.startswith("."):
            continue
        with open(os.path.join(folder, name), "rb") as file:
            content = base64.b64encode(file.read()).decode("utf-8")
        value = json.dumps({"image_name": name, "image_content": content})
        while True:
            try:
                producer.produce(topic, key=name, value=value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    producer.flush()
    if failures:
        sys.exit(failures[0])


main(*sys.argv[1:])
