"""Puts the records into a topic of one partition and reads the topic back once into files of Lambda's Kafka events.
So the peers that Lambda would call get exactly the same records as the peer that reads the topic itself.

Uses confluent-kafka. Does not change the records.
"""

import base64
import json
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TENANT = ("tenant", b"demo")
ARN = "arn:aws:kafka:us-east-1:000000000000:cluster/drover/1"
END = b"end"
# Of librdkafka's lines only errors: it tells of every wait for a broker that has just started.
QUIET = {"log_level": 3}


def create(bootstrap: str, topic: str) -> None:
    """Its records stay, however old their timestamps are."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    admin.create_topics([NewTopic(topic, 1, 1, config={"retention.ms": "-1"})])[topic].result(60)


def produce(bootstrap: str, topic: str, records) -> int:
    """In order. A last record with the key `end` tells a consumer that it has seen everything. How many there are."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20, **QUIET})
    failures, count = [], 0

    def delivered(error, _message):
        if error:
            failures.append(error)

    def send(key, value, timestamp):
        while True:
            try:
                producer.produce(
                    topic, key=key, value=value, timestamp=timestamp, headers=[TENANT], partition=0, on_delivery=delivered
                )
                return producer.poll(0)
            except BufferError:
                producer.poll(0.5)

    for record in records:
        send(record.key, record.value, record.timestamp)
        count += 1
        last = record.timestamp
    send(END, None, last)
    if producer.flush(120) or failures:
        raise RuntimeError(f"not everything was produced: {failures[:1]}")
    return count


def write_events(bootstrap: str, topic: str, batches, folder: Path) -> None:
    """One file for each delivery of a batch, in a folder for its phase. `batches`: (phase, length, deliveries)."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "files", "enable.auto.commit": False, **QUIET})
    consumer.assign([TopicPartition(topic, 0, 0)])
    waiting = []
    for number, (phase, length, deliveries) in enumerate(batches):
        while len(waiting) < length:
            messages = consumer.consume(500, 30)
            if not messages:
                raise RuntimeError("the topic ends too early")
            waiting += messages
        event = {
            "eventSource": "aws:kafka",
            "eventSourceArn": ARN,
            "bootstrapServers": bootstrap,
            "records": {f"{topic}-0": [_record(message) for message in waiting[:length]]},
        }
        del waiting[:length]
        (folder / phase).mkdir(parents=True, exist_ok=True)
        for delivery in range(deliveries):
            (folder / phase / f"{number:06}-{delivery}.json").write_text(json.dumps(event))
    consumer.close()


def _record(message) -> dict:
    kind, timestamp = message.timestamp()
    assert kind == 1, "the time that the producer gave"
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": timestamp,
        "timestampType": "CREATE_TIME",
        "key": _base64(message.key()),
        "value": _base64(message.value()),
        "headers": [{name: list(value)} for name, value in message.headers() or []],
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
