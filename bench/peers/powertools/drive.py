"""Calls the function with one event after the other, as one warm environment of Lambda would be called, and prints what
`bench/peers/run` reads: a JSON line after each phase with the CPU time of this process so far, then one for each device.

    drive.py FOLDER WARM-UP MAIN

WARM-UP and MAIN limit the batches of the phases `warm-up` and `main`. A record that the function reports as failed is
delivered alone, up to three times in all, and then discarded, like an event source mapping with
`MaximumRetryAttempts: 2`. A hook of botocore requests the consumed write units (`ReturnConsumedCapacity`). Lambda's
poller and runtime are not included, except for parsing the event.
"""

import collections
import json
import os
import resource
import sys
import time
from pathlib import Path

DELIVERIES = 3

os.environ.update(STATE_TABLE="device-state", IDEMPOTENCY_TABLE="idempotency", AWS_LAMBDA_FUNCTION_NAME="peer")

import boto3  # noqa: E402  (the function reads its environment when it is imported)


class Context:
    """What of Lambda's context the idempotency utility reads."""

    function_name = "peer"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


class Units:
    """Adds up what the calls consume. A failed condition consumes as much as the write would have."""

    def __init__(self, client):
        self.write = 0.0
        self.requests = 0
        client.meta.events.register("provide-client-params.dynamodb", self.ask)
        client.meta.events.register("after-call.dynamodb", self.add)

    def ask(self, params, model, **_):
        if model.name in ("PutItem", "UpdateItem", "DeleteItem", "GetItem"):
            return {**params, "ReturnConsumedCapacity": "TOTAL"}
        return params

    def add(self, http_response, parsed, model, **_):
        self.requests += 1
        consumed = parsed.get("ConsumedCapacity")
        if model.name != "GetItem":
            self.write += consumed["CapacityUnits"] if consumed else 1.0

    def take(self):
        taken = {"write_units": self.write, "requests": self.requests}
        self.write, self.requests = 0.0, 0
        return taken


def tables(client) -> None:
    for name, key in (("device-state", "device_id"), ("idempotency", "id")):
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    client.update_time_to_live(
        TableName="idempotency", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expiration"}
    )


def deliver(handler, text: str, outcome: collections.Counter) -> None:
    from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

    event = json.loads(text)
    for delivery in range(DELIVERIES):
        try:
            failures = handler(event, Context())["batchItemFailures"]
            failed = {(one["itemIdentifier"]["partition"], one["itemIdentifier"]["offset"]) for one in failures}
        except BatchProcessingError:
            outcome["invocations failed"] += 1
            failed = {(name, one["offset"]) for name, records in event["records"].items() for one in records}
        if not failed:
            return
        if delivery == 0:
            outcome["failed at first"] += len(failed)
        event["records"] = {
            name: [one for one in records if named(name, one) & failed] for name, records in event["records"].items()
        }
    outcome["given up"] += len(failed)


def named(key: str, record: dict) -> set:
    """Powertools names the partition as `topic-partition`."""
    return {(key, record["offset"]), (f"{record['topic']}-{record['partition']}", record["offset"])}


def main(folder: Path, warm_up: int, main_batches: int) -> None:
    tables(boto3.client("dynamodb"))
    import app

    units = Units(app.dynamodb)
    started = time.monotonic()
    for phase, most in (("warm-up", warm_up), ("main", main_batches), ("special", None)):
        outcome = collections.Counter()
        batches = sorted((folder / phase).iterdir())[:most]
        for batch in batches:
            deliver(app.lambda_handler, batch.read_text(), outcome)
        if outcome and phase != "special":
            sys.exit(f"good records failed: {outcome}")
        usage = resource.getrusage(resource.RUSAGE_SELF)
        mark = {
            "mark": phase,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "wall_seconds": time.monotonic() - started,
            "counts": {**units.take(), **outcome, "batches": len(batches)},
        }
        print(json.dumps(mark), flush=True)
    for device in json.loads((folder / "devices.json").read_text()):
        item = app.dynamodb.get_item(
            TableName="device-state", Key={"device_id": {"S": device}}, ConsistentRead=True
        ).get("Item")
        print(json.dumps({"device": device, **state(item)}))


def state(item: dict | None) -> dict:
    if item is None:
        return {"count": 0}
    return {
        "count": int(item["event_count"]["N"]),
        "sum": float(item["value_sum"]["N"]),
        "latest": float(item["latest"]["N"]),
        "latest_at": item["latest_at"]["S"],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
