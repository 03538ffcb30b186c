#!/usr/bin/env python3
"""Stores images as a plain Python script does: JSON, Base64, a file, a row by pandas. Nothing of it is durable. For `make bench`.

    consumer.py BROKERS TOPIC GROUP COUNT OUTPUT CSV
"""
import base64
import json
import os
import sys
import time

import pandas
from confluent_kafka import Consumer


def main(brokers, topic, group, count, output, csv):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "auto.offset.reset": "earliest"})
    begun = time.monotonic()
    consumer.subscribe([topic], on_assign=lambda *_: print(f"joined after {time.monotonic() - begun:.3f} s", flush=True))
    stored = 0
    while stored < int(count):
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        image = json.loads(message.value().decode("utf-8"))
        path = os.path.join(output, image["image_name"])
        with open(path, "wb") as file:
            file.write(base64.b64decode(image["image_content"]))
        row = pandas.DataFrame([{"file_path": path, "image_label": image["image_name"]}])
        row.to_csv(csv, mode="a", header=not os.path.exists(csv), index=False)
        stored += 1
    consumer.close()


main(*sys.argv[1:])
