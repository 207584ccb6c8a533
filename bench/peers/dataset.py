"""The events that every peer gets, in batches like Lambda's, including special records. No I/O: the same arguments and
seed give the same records.

A batch has five events of each of a hundred devices, ten seconds apart, mixed as they would arrive from one
partition. After them come special records, each kind on devices of its own, so that the final state of a device says
what became of its kind. The times of special records are made for windows of five minutes and one minute of grace
(Kafka Streams) and for a lateness of one minute (Drover).
"""

import json
import random
from dataclasses import dataclass
from datetime import datetime, timezone

DEVICES = 100
EVENTS_PER_DEVICE_AND_BATCH = 5
BATCH = DEVICES * EVENTS_PER_DEVICE_AND_BATCH
STEP_MILLIS = 10_000
WINDOW_MILLIS = 300_000
MINUTE = 60_000
SPECIAL_DEVICES = 10
SPECIAL_KINDS = ("late-within", "late-beyond", "twice", "redelivered", "poison", "future", "bystander")


@dataclass(frozen=True)
class Record:
    """What is produced. `event` is what a reader of the whole stream would count, `None` where it should not."""

    key: bytes
    value: bytes | None
    timestamp: int
    event: tuple[str, str, int, float] | None  # device, event id, observed at, value


@dataclass(frozen=True)
class Batch:
    phase: str
    records: list[Record]
    deliveries: int = 1  # how often Lambda delivers it


def device_names() -> list[str]:
    return [f"device-{number:05}" for number in range(DEVICES)]


def special_names(kind: str) -> list[str]:
    return [f"{kind}-{number:02}" for number in range(SPECIAL_DEVICES)]


def first_millis(now_millis: int, batches: int) -> int:
    """When the first event is observed: so long ago that none is in the future, at the beginning of an hour."""
    hour = 60 * MINUTE
    length = batches * EVENTS_PER_DEVICE_AND_BATCH * STEP_MILLIS + 3 * hour
    return (now_millis - length) // hour * hour


def ordinary(seed: int, first: int, warm_up: int, main: int):
    """Batches of the phases `warm-up` and `main`, in order."""
    chance = random.Random(seed)
    for number in range(warm_up + main):
        records = []
        for step in range(EVENTS_PER_DEVICE_AND_BATCH):
            at = first + (number * EVENTS_PER_DEVICE_AND_BATCH + step) * STEP_MILLIS
            devices = device_names()
            chance.shuffle(devices)
            records += [_event(chance, device, at + chance.randrange(1_000)) for device in devices]
        yield Batch("warm-up" if number < warm_up else "main", records)


def special(seed: int, begin: int) -> list[Batch]:
    """What goes wrong in the field. `begin` is a multiple of the window, after everything ordinary."""
    chance = random.Random(seed + 1)

    def series(kinds, begin, count):
        return [
            _event(chance, device, begin + step * STEP_MILLIS)
            for step in range(count)
            for kind in kinds
            for device in special_names(kind)
        ]

    others = [kind for kind in SPECIAL_KINDS if kind != "redelivered"]
    start = series(others, begin, 5)
    later = series(others, begin + 20 * MINUTE, 1)
    received = begin + 20 * MINUTE + 5_000
    within = [_event(chance, name, begin + 20 * MINUTE - 45_000, received) for name in special_names("late-within")]
    beyond = [_event(chance, name, begin + 25_000, received) for name in special_names("late-beyond")]
    twice = [record for record in start if record.key.startswith(b"twice-")]
    redelivered = series(["redelivered"], begin + 20 * MINUTE, 5)
    future = [
        _event(chance, name, begin + 52 * MINUTE, begin + 22 * MINUTE, counts=False) for name in special_names("future")
    ]
    after = series(["future", "bystander"], begin + 22 * MINUTE, 5)
    batches = [start, twice, later, within + beyond, _poison(chance, begin + 21 * MINUTE), redelivered, future, after]
    return [Batch("special", records, 2 if records is redelivered else 1) for records in batches]


def only_poison(seed: int, begin: int) -> list[Record]:
    """Ten good records, a record that is not JSON, and ten good records: for a consumer that may stop at the bad record."""
    chance = random.Random(seed + 2)
    good = [_event(chance, name, begin) for name in special_names("poison")]
    more = [_event(chance, name, begin + STEP_MILLIS) for name in special_names("poison")]
    return [*good, Record(b"poison-00", b'{"device_id":"poison-00","eve', begin, None), *more]


def only_future(seed: int, begin: int) -> list[Record]:
    """Ten good records, then one from a clock that is two days ahead, then ten good ones."""
    chance = random.Random(seed + 3)
    good = [_event(chance, name, begin) for name in special_names("future")]
    more = [_event(chance, name, begin + STEP_MILLIS) for name in special_names("future")]
    ahead = _event(chance, "future-00", begin + 48 * 60 * MINUTE, begin, counts=False)
    return [*good, ahead, *more]


def _event(chance, device, observed, received=None, counts=True) -> Record:
    value = round(18 + chance.randrange(800) / 100, 2)
    identity = _uuid(chance)
    at = datetime.fromtimestamp(observed / 1_000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {
        "device_id": device,
        "event_type": "temperature",
        "event_id": identity,
        "timestamp": at,
        "payload": {"location": "hall-3", "quality": "good", "sensor": "s-0017", "unit": "celsius", "value": value},
    }
    received = received or observed + 150 + chance.randrange(400)
    event = (device, identity, observed, value) if counts else None
    return Record(device.encode(), json.dumps(body, separators=(",", ":")).encode(), received, event)


def _poison(chance, at) -> list[Record]:
    """Of each device three bad records between two good ones: cut off, without its fields, and empty."""
    records = []
    for device in special_names("poison"):
        whole = _event(chance, device, at)
        bad = [whole.value[:90], json.dumps({"device_id": device, "event_type": "temperature"}).encode(), None]
        records.append(whole)
        records += [Record(whole.key, value, at, None) for value in bad]
        records.append(_event(chance, device, at + STEP_MILLIS))
    return records


def _uuid(chance) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
