"""Two Kafka clients that are not part of Drover: `stream.py CLIENT BOOTSTRAP WORD [ARGUMENT …]`.

CLIENT is `confluent` (librdkafka) or `kafka-python`. Records go in and come out as lines of JSON, bytes as base64:

    produce TOPIC [CODEC]   records from standard input; prints the location of each, in order
    transaction TOPIC       the same, in one transaction (confluent only)
    consume TOPIC           every record from the first to the last, by partition
    committed GROUP TOPIC   the offsets that the group has committed, by partition
    commit GROUP TOPIC      commits such offsets, from standard input

With DROVER_TEST_FAULT=lost_record one record in the middle is reported as acknowledged and never sent; a suite must
notice that.
"""

import base64
import json
import os
import sys
import time

WITHIN = 60


def unpacked(text):
    return None if text is None else base64.b64decode(text)


def packed(value):
    return None if value is None else base64.b64encode(value).decode()


class Confluent:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def produce(self, topic, records, codec):
        return self._produce(topic, records, {"compression.type": codec})

    def transaction(self, topic, records):
        settings = {"transactional.id": topic}
        return self._produce(topic, records, settings)

    def _produce(self, topic, records, settings):
        from confluent_kafka import Producer

        # murmur2 as in the Java client; librdkafka's default is another hash.
        own = {"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random", "acks": "all"}
        own |= {"enable.idempotence": True, "linger.ms": 20, "message.max.bytes": 10_000_000}
        producer = Producer(own | settings)
        if "transactional.id" in settings:
            producer.init_transactions(WITHIN)
            producer.begin_transaction()
        places = [None] * len(records)

        def placed(at):
            def told(error, message):
                if error is not None:
                    raise SystemExit(f"record {at}: {error}")
                places[at] = (message.partition(), message.offset())

            return told

        for at, record in enumerate(records):
            while True:
                try:
                    producer.produce(
                        topic,
                        key=record["key"],
                        value=record["value"],
                        headers=record["headers"],
                        partition=record.get("partition", -1),
                        timestamp=record.get("timestamp", 0),
                        on_delivery=placed(at),
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        if producer.flush(WITHIN):
            raise SystemExit("not everything was acknowledged")
        if "transactional.id" in settings:
            producer.commit_transaction(WITHIN)
        return places

    def consume(self, topic):
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        settings = {"bootstrap.servers": self.bootstrap, "group.id": "nobody", "enable.auto.commit": False}
        consumer = Consumer(settings)
        for partition in sorted(consumer.list_topics(topic, timeout=WITHIN).topics[topic].partitions):
            place = TopicPartition(topic, partition, OFFSET_BEGINNING)
            _, end = consumer.get_watermark_offsets(place, timeout=WITHIN)
            consumer.assign([place])
            until, reached = time.monotonic() + WITHIN, end == 0
            while not reached and time.monotonic() < until:
                message = consumer.poll(0.2)
                if message is not None and message.error():
                    raise SystemExit(str(message.error()))
                if message is not None:
                    yield (
                        partition,
                        message.offset(),
                        message.timestamp()[1],
                        message.key(),
                        message.value(),
                        message.headers() or [],
                    )
                reached = consumer.position([place])[0].offset >= end
            if not reached:
                raise SystemExit(f"partition {partition} does not reach its end")
        consumer.close()

    def committed(self, group, topic):
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        partitions = consumer.list_topics(topic, timeout=WITHIN).topics[topic].partitions
        found = consumer.committed([TopicPartition(topic, one) for one in partitions], timeout=WITHIN)
        consumer.close()
        return {one.partition: one.offset for one in found if one.offset >= 0}

    def commit(self, group, topic, offsets):
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        consumer.commit(offsets=places, asynchronous=False)
        consumer.close()


class KafkaPython:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def produce(self, topic, records, codec):
        from kafka import KafkaProducer

        codec = None if codec == "none" else codec
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", compression_type=codec, linger_ms=20, max_request_size=10_000_000
        )
        sent = [
            producer.send(
                topic,
                key=record["key"],
                value=record["value"],
                # This client does not support null headers.
                headers=[(name, value or b"") for name, value in record["headers"]],
                partition=record.get("partition"),
                timestamp_ms=record.get("timestamp"),
            )
            for record in records
        ]
        producer.flush(WITHIN)
        answers = [one.get(WITHIN) for one in sent]
        producer.close()
        return [(answer.partition, answer.offset) for answer in answers]

    def consume(self, topic):
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap)
        for partition in sorted(consumer.partitions_for_topic(topic)):
            place = TopicPartition(topic, partition)
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            end = consumer.end_offsets([place])[place]
            until = time.monotonic() + WITHIN
            while consumer.position(place) < end:
                if time.monotonic() > until:
                    raise SystemExit(f"partition {partition} does not reach its end")
                for message in consumer.poll(timeout_ms=200).get(place, []):
                    headers = message.headers or []
                    yield (partition, message.offset, message.timestamp, message.key, message.value, headers)
        consumer.close()

    def committed(self, group, topic):
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=group)
        found = {one: consumer.committed(TopicPartition(topic, one)) for one in consumer.partitions_for_topic(topic)}
        consumer.close()
        return {partition: offset for partition, offset in found.items() if offset is not None}


def record(line):
    read = json.loads(line)
    read["key"], read["value"] = unpacked(read.get("key")), unpacked(read.get("value"))
    read["headers"] = [(name, unpacked(value)) for name, value in read.get("headers", [])]
    return read


def without_one(records):
    """The records without one, and the index of the removed record."""
    if os.environ.get("DROVER_TEST_FAULT") != "lost_record" or not records:
        return records, None
    middle = len(records) // 2
    return records[:middle] + records[middle + 1 :], middle


def main():
    name, bootstrap, word, *arguments = sys.argv[1:]
    client = {"confluent": Confluent, "kafka-python": KafkaPython}[name](bootstrap)
    if word in ("produce", "transaction"):
        topic, codec = arguments[0], arguments[1] if len(arguments) > 1 else "none"
        records, lost = without_one([record(line) for line in sys.stdin])
        places = client.transaction(topic, records) if word == "transaction" else client.produce(topic, records, codec)
        if lost is not None:
            places.insert(lost, places[max(lost - 1, 0)] if places else (0, 0))
        lines = [{"partition": partition, "offset": offset} for partition, offset in places]
    elif word == "consume":
        lines = [
            {
                "partition": partition,
                "offset": offset,
                "timestamp": timestamp,
                "key": packed(key),
                "value": packed(value),
                "headers": [[name, packed(bytes)] for name, bytes in headers],
            }
            for partition, offset, timestamp, key, value, headers in client.consume(*arguments)
        ]
    elif word == "committed":
        lines = [client.committed(*arguments)]
    else:
        offsets = json.load(sys.stdin)
        client.commit(*arguments, {int(partition): offset for partition, offset in offsets.items()})
        lines = []
    sys.stdout.write("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
