"""Who is measured, and how each is started."""
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

HERE = os.path.dirname(os.path.abspath(__file__))
PARTITIONS = 4
# The most bytes of an image that one message of the pipeline carries.
SEGMENT = 720_000


@dataclass
class Run:
    brokers: str
    topic: str
    images: str
    count: int
    length: int
    place: str
    output: str
    programs: str

    @property
    def segments(self):
        return max(1, -(-self.length // SEGMENT))

    @property
    def message(self):
        """Bytes of a message that carries one of these images, or a segment of it."""
        return (min(self.length, SEGMENT) + 2) // 3 * 4 + 60


class Contender:
    needs_topic = True
    # Who fills the topic for a consumer; None: the pipeline's producer.
    filler = None
    stores = False
    # The folder of its program; None: that of the run.
    programs = None

    def can(self, length):
        return True

    def environment(self, run):
        return {}

    def messages(self, run):
        return run.count * run.segments

    def joining(self, log):
        """Seconds from the wish to join a group to its partitions."""
        return 0


class Pipeline(Contender):
    name = "image-pipeline"

    def environment(self, run):
        return {
            "KAFKA_BOOTSTRAP_SERVERS": run.brokers, "TOPIC": run.topic, "CONSUMER_GROUP": run.topic, "IMAGES_DIR": run.images,
            "STATE_DIR": os.path.join(run.place, "state"), "PROCESSED_IMAGES_DIR": os.path.join(run.output or "", "images"),
            "CSV_PATH": os.path.join(run.output or "", "rows.csv"), "LOG_FORMAT": "json", "PROGRESS_SECONDS": "0",
        }


    def program(self, run):
        return os.path.join(self.programs or run.programs, "image-pipeline")


class PipelineProducer(Pipeline):
    def command(self, run):
        return [self.program(run), "producer", "--once"]


class BinaryProducer(PipelineProducer):
    name = "image-pipeline, binary"

    def environment(self, run):
        return {**super().environment(run), "WIRE_FORMAT": "binary"}


class PipelineConsumer(Pipeline):
    stores = True

    def command(self, run):
        return [self.program(run), "consumer", "--count", str(run.count)]

    def joining(self, log):
        times = {}
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("{"):
                    said = json.loads(line)
                    times.setdefault(said["event"], datetime.fromisoformat(said["time"].replace("Z", "+00:00")).timestamp())
        return times["partitions_assigned"] - times["consumer_started"]


class BinaryConsumer(PipelineConsumer):
    name = "image-pipeline, binary"
    filler = BinaryProducer()


class PythonForm(Contender):
    name = "Python"

    def can(self, length):
        # One message each, below the limits that clients and brokers have by default.
        return length <= SEGMENT


class PythonProducer(PythonForm):
    def command(self, run):
        return [sys.executable, os.path.join(HERE, "python/producer.py"), run.brokers, run.topic, run.images]


class PythonConsumer(PythonForm):
    stores = True

    def command(self, run):
        return [sys.executable, os.path.join(HERE, "python/consumer.py"), run.brokers, run.topic, run.topic, str(run.count), run.output,
                os.path.join(run.output, "rows.csv")]

    def joining(self, log):
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("joined after "):
                    return float(line.split()[2])
        sys.exit("the Python consumer does not say how long it took to join")


class ClientCeiling(Contender):
    name = "client's ceiling"


class ProducerCeiling(ClientCeiling):
    def command(self, run):
        return [os.path.join(run.programs, "client-ceiling"), "produce", run.brokers, run.topic, str(self.messages(run)), str(run.message)]


class ConsumerCeiling(ClientCeiling):
    def command(self, run):
        return [os.path.join(run.programs, "client-ceiling"), "consume", run.brokers, run.topic, str(self.messages(run))]


class DiskCeiling(Contender):
    name = "disk's ceiling"
    needs_topic = False
    stores = True

    def command(self, run):
        return [os.path.join(run.programs, "disk-ceiling"), run.images, run.output]


PRODUCERS = [PipelineProducer(), BinaryProducer(), PythonProducer(), ProducerCeiling()]
CONSUMERS = [PipelineConsumer(), BinaryConsumer(), PythonConsumer(), ConsumerCeiling(), DiskCeiling()]


def admin(brokers, verb, topic):
    client = AdminClient({"bootstrap.servers": brokers})
    if verb == "create":
        answers = client.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)], operation_timeout=30)
    else:
        answers = client.delete_topics([topic], operation_timeout=30)
    for answer in answers.values():
        answer.result()
    if verb == "create":
        end = time.monotonic() + 30
        while True:
            found = client.list_topics(timeout=10).topics.get(topic)
            if found is not None and sum(of.leader >= 0 for of in found.partitions.values()) == PARTITIONS:
                return
            if time.monotonic() > end:
                sys.exit(f"the topic {topic} does not come to be")
            time.sleep(0.05)


def wait_for_end(run, messages):
    """Everything that was said to be sent must lie in the topic."""
    client = Consumer({"bootstrap.servers": run.brokers, "group.id": "bench"})
    found = sum(client.get_watermark_offsets(TopicPartition(run.topic, number), timeout=30)[1] for number in range(PARTITIONS))
    client.close()
    if found != messages:
        sys.exit(f"{found} messages lie in the topic, {messages} were to be sent")
