"""Runs the peers one after the other and collects their output. Each peer is one process. It prints its own CPU time after
the warm-up and after the measured events; the kernel reports its memory. Kafka, DynamoDB Local and ElasticMQ are
separate processes and count for no peer.
"""

import collections
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import boto3
import dataset
import topic
from outcome import Measured

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent.parent / "target" / "peers" / "venv" / "bin" / "python"
KSTREAMS = HERE.parent.parent / "target" / "peers" / "kstreams"
TOPIC = "telemetry"
GUARANTEES = {"b1": "at_least_once", "b2": "exactly_once_v2"}
ACCOUNT = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "eu-central-1"}
NAMES = {
    "a": "Powertools (Python)",
    "b1": "Kafka Streams, at least once (default)",
    "b2": "Kafka Streams, exactly once",
    "d": "**Drover**",
    "m": "Drover, store in memory",
    "c": "bare parsing",
}


class Peers:
    def __init__(self, asked, program: Path, folder: Path, services):
        self.asked, self.program, self.folder = asked, program, folder
        self.kafka = services.start("kafka")
        self.dynamodb = services.start("dynamodb")
        self.sqs = services.start("elasticmq")
        self.events = folder / "events"
        self.wake()

    def wake(self) -> None:
        """DynamoDB Local takes long for its first requests, longer than a client on Lambda waits."""
        client = self.client("dynamodb", self.dynamodb)
        client.create_table(
            TableName="first",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(500):
            client.put_item(TableName="first", Item={"id": {"S": str(number)}})

    @staticmethod
    def client(service: str, address: str):
        return boto3.client(
            service,
            endpoint_url=f"http://{address}",
            region_name=ACCOUNT["AWS_DEFAULT_REGION"],
            aws_access_key_id=ACCOUNT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
        )

    def prepare(self, batches, begin: int) -> None:
        """The topic that Kafka Streams reads, the same records as files, and two small topics with one bad record each."""
        topic.create(self.kafka, TOPIC)
        self.count = topic.produce(self.kafka, TOPIC, (record for batch in batches for record in batch.records))
        shape = [(batch.phase, len(batch.records), batch.deliveries) for batch in batches]
        topic.write_events(self.kafka, TOPIC, shape, self.events)
        special = [name for kind in dataset.SPECIAL_KINDS for name in dataset.special_names(kind)]
        (self.events / "devices.json").write_text(json.dumps(dataset.device_names() + special))
        stops = (("poison", dataset.only_poison), ("future", dataset.only_future))
        for kind, records in stops:
            topic.create(self.kafka, f"stops-{kind}")
            topic.produce(self.kafka, f"stops-{kind}", records(self.asked.seed, begin))

    def run(self) -> dict[str, Measured]:
        runs = {
            "a": self.powertools,
            "b1": lambda: self.streams("b1"),
            "b2": lambda: self.streams("b2"),
            "d": self.drover,
            "m": lambda: self.rust("m", "memory"),
            "c": lambda: self.rust("c", "parse"),
        }
        chosen = self.asked.only.split(",") if self.asked.only else runs
        measured = {}
        for name in chosen:
            measured[name] = runs[name]()
            print(f"{NAMES[name]}: {measured[name].micros:.1f} µs of CPU per event", flush=True)
        return measured

    def powertools(self) -> Measured:
        batches = self.asked.powertools_warm_up, self.asked.powertools_main
        command = [PYTHON, HERE / "powertools" / "drive.py", self.events, *map(str, batches)]
        environment = {**os.environ, **ACCOUNT, "AWS_ENDPOINT_URL_DYNAMODB": f"http://{self.dynamodb}"}
        peer = self.measure("a", command, environment, batches)
        failed, gone = (int(peer.count("special", name)) for name in ("failed at first", "given up"))
        peer.notes["poison"] = f"{failed} reported as failed, of which {gone} never succeed: the source decides"
        return peer

    def drover(self) -> Measured:
        sqs = self.queues()
        peer = self.rust("d", "dynamodb", self.dynamodb, self.sqs)
        codes = letters(sqs, f"http://{self.sqs}/000000000000/letters")
        future = codes.pop("future_timestamp", 0)
        again = int(peer.count("main", "deliveries")) - self.asked.main
        if again:
            peer.notes["redelivered"] = f"{again} measured batches were handed back and delivered again"
        peer.notes["poison"] = "dead letters: " + ", ".join(f"{code} {codes[code]}" for code in sorted(codes))
        peer.notes["future"] = f"dead letters: future_timestamp {future}"
        return peer

    def queues(self):
        sqs = self.client("sqs", self.sqs)
        for name in ("letters", "buffer"):
            sqs.create_queue(QueueName=name)
        return sqs

    def rust(self, name: str, kind: str, *addresses: str) -> Measured:
        command = [self.program, "peer", kind, self.events, *addresses]
        peer = self.measure(name, command, dict(os.environ), (self.asked.warm_up, self.asked.main))
        peer.repeated = int(peer.count("main", "times")) or 1
        return peer

    def streams(self, name: str) -> Measured:
        guarantee = GUARANTEES[name]
        counts = (self.asked.warm_up, self.asked.main)
        command = self.java(TOPIC, name, guarantee, "continue", *(count * dataset.BATCH for count in counts))
        peer = self.measure(name, command, dict(os.environ), counts)
        peer.consumed = self.count
        peer.notes["late-beyond"] = "logged"
        peer.notes["poison"] = "skipped and logged; " + self.stops("poison", name, "default")
        peer.notes["future"] = "48 hours in the future: " + self.stops("future", name, "continue")
        peer.killed = self.killed(name, guarantee)
        return peer

    def java(self, read: str, folder: str, guarantee: str, handler: str, warm_up: int, main: int) -> list:
        classes = f"{KSTREAMS}/peer.jar:{KSTREAMS}/lib/*"
        settings = ["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        place = self.folder / "streams" / folder
        numbers = [str(warm_up), str(main)]
        return ["java", "-Duser.language=en", *settings, "-cp", classes, "peers.Peer", self.kafka, read, place, guarantee, handler, *numbers]

    def stops(self, kind: str, name: str, handler: str) -> str:
        """What one bad record does to the application: ten good ones are before it, and a commit comes after it."""
        command = self.java(f"stops-{kind}", f"{name}-{kind}", GUARANTEES[name], handler, 10, 1)
        lines, _ = execute(command, dict(os.environ), self.folder / f"{name}-{kind}")
        stopped = [line["stopped"] for line in lines if "stopped" in line]
        return f"the application stops (`{stopped[0].split(':')[1].strip()}`)" if stopped else "it goes on"

    def killed(self, name: str, guarantee: str) -> dict[str, dict]:
        """The states after `kill -9` in the middle and a second start, which is how a consumer sees records twice."""
        half = (self.asked.warm_up + self.asked.main // 2) * dataset.BATCH
        command = self.java(TOPIC, f"{name}-killed", guarantee, "continue", half, 0)
        with (self.folder / f"{name}-killed-1.err").open("w") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            for line in process.stdout:
                if '"warm-up"' in line:
                    process.send_signal(signal.SIGKILL)
            process.wait()
        lines, _ = execute(command, dict(os.environ), self.folder / f"{name}-killed-2")
        return {line["device"]: line for line in lines if "device" in line}

    def measure(self, name: str, command: list, environment: dict, batches: tuple[int, int]) -> Measured:
        lines, peak = execute(command, environment, self.folder / name)
        changelog = [line["changelog_bytes"] for line in lines if "changelog_bytes" in line]
        return Measured(
            name=NAMES[name],
            events=batches[1] * dataset.BATCH,
            warm_up=batches[0] * dataset.BATCH,
            marks={line["mark"]: line for line in lines if "mark" in line},
            states={line["device"]: line for line in lines if "device" in line},
            rss_kb=peak,
            changelog_bytes=changelog[0] if changelog else None,
        )


def execute(command: list, environment: dict, output: Path):
    """Its lines, which are JSON, and the most memory that was resident, in KB. They stay beside each other in files."""
    with Path(f"{output}.out").open("w") as out, Path(f"{output}.err").open("w") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        peak = 0
        try:
            while process.poll() is None:
                peak = max(peak, high_water(process.pid))
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: see {output}.err")
    lines = Path(f"{output}.out").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")], peak


def high_water(pid: int) -> int:
    """Not from rusage: that begins with the memory of the process that started it. One that is ending has none any more."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)


def letters(sqs, queue: str) -> collections.Counter:
    """The codes of the dead letters that wait in a queue."""
    codes = collections.Counter()
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            codes[json.loads(message["Body"])["code"]] += 1
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return codes
