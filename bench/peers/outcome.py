"""The expected states, the actual states, and the table of both. No I/O: it reads the marks and states that the peers printed.

The expected state counts each event of the whole stream once, by its own time, in any order of arrival. It does not
count events from the future and records that are not events. State that a peer does not keep (minima, a history) does
not count against the peer.
"""

from dataclasses import dataclass, field, replace

from dataset import DEVICES, SPECIAL_DEVICES, SPECIAL_KINDS, device_names, special_names


@dataclass
class Measured:
    """One peer's run, as it printed it and as the kernel saw it."""

    name: str
    events: int  # between the marks `warm-up` and `main`
    marks: dict[str, dict]
    states: dict[str, dict]
    rss_kb: int
    warm_up: int
    repeated: int = 1
    changelog_bytes: int | None = None
    consumed: int = 0  # records of its topic, all phases
    notes: dict[str, str] = field(default_factory=dict)
    killed: dict[str, dict] | None = None  # the states after being killed and started again

    @property
    def micros(self) -> float:
        seconds = self.marks["main"]["cpu_seconds"] - self.marks["warm-up"]["cpu_seconds"]
        return seconds * 1e6 / self.events / self.repeated

    @property
    def micros_with_start(self) -> float:
        """CPU time from the start of the process, divided by all events including the warm-up."""
        return self.marks["main"]["cpu_seconds"] * 1e6 / (self.events + self.warm_up) / self.repeated

    def count(self, phase: str, name: str) -> float:
        return self.marks.get(phase, {}).get("counts", {}).get(name, 0)

    @property
    def write_units(self) -> float | None:
        counts = self.marks["main"].get("counts", {})
        return counts["write_units"] / self.events if counts.get("write_units") else None


def expected(batches) -> dict[str, dict]:
    """The state of each device after these batches."""
    seen, states = set(), {}
    for batch in batches:
        for record in batch.records:
            if record.event is None or record.event[:2] in seen:
                continue
            device, identity, at, value = record.event
            seen.add((device, identity))
            state = states.setdefault(device, {"count": 0, "sum": 0.0, "min": value, "max": value, "at": at - 1})
            state["count"] += 1
            state["sum"] += value
            state["min"], state["max"] = min(state["min"], value), max(state["max"], value)
            if at > state["at"]:
                state["at"], state["latest"] = at, value
    return states


def faults(state: dict | None, right: dict) -> list[str]:
    """What is wrong with a device's state, in words that can be counted."""
    if not state or not state.get("count"):
        return ["nothing kept"]
    found = []
    difference = state["count"] - right["count"]
    if difference:
        found.append(f"{abs(difference)} event{'s' if abs(difference) > 1 else ''} too {'many' if difference > 0 else 'few'}")
    elif abs(state["sum"] - right["sum"]) > 1e-6:
        found.append("wrong sum")
    if state["latest"] != right["latest"]:
        found.append("wrong latest")
    if not difference and any(name in state and state[name] != right[name] for name in ("min", "max")):
        found.append("wrong minimum or maximum")
    if state.get("history", state["count"]) != state["count"] or not state.get("in_order", True):
        found.append("history is not whole")
    return found


def verdict(peer: Measured, right: dict[str, dict], names: list[str]) -> str:
    if not peer.states:
        return "-"
    wrong: dict[str, int] = {}
    for name in names:
        said = ", ".join(faults(peer.states.get(name), right[name]))
        if said:
            wrong[said] = wrong.get(said, 0) + 1
    if not wrong:
        return "right"
    return "; ".join(f"{said} (of {count} of {len(names)} devices)" for said, count in wrong.items())


def table(peers: dict[str, Measured], right: dict[str, dict[str, dict]]) -> str:
    """`right`: by peer, since not all get the same number of events."""
    columns = list(peers)
    rows = [["", *(peers[name].name for name in columns)], ["---"] * (len(columns) + 1)]

    def row(title, cell):
        rows.append([title, *(cell(name, peers[name]) for name in columns)])

    row("events measured, after a warm-up of", lambda _, peer: f"{peer.events:,} after {peer.warm_up:,}")
    row("CPU per event", lambda _, peer: f"{_number(peer.micros)} µs")
    row("events/s per core", lambda _, peer: f"{1e6 / peer.micros:,.0f}")
    row("CPU per event, start and warm-up included", lambda _, peer: f"{_number(peer.micros_with_start)} µs")
    row("peak resident memory", lambda _, peer: f"{peer.rss_kb / 1024:.0f} MB")
    row("write units per event", lambda _, peer: _write(peer))
    row(f"state of the {DEVICES} ordinary devices", lambda name, peer: verdict(peer, right[name], device_names()))
    titles = {
        "late-within": "late by 45 s (less than the grace)",
        "late-beyond": "late by 20 minutes",
        "twice": "produced twice",
        "redelivered": "batch delivered twice",
        "poison": "cut off, fields missing, null value",
        "future": "30 minutes in the future",
        "bystander": "other devices, after that one",
    }
    for kind in SPECIAL_KINDS:
        row(titles[kind], lambda name, peer, kind=kind: _special(peer, right[name], kind))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _special(peer: Measured, right, kind: str) -> str:
    if kind == "redelivered" and peer.killed is not None:
        again = verdict(replace(peer, states=peer.killed), right, device_names())
        return f"it reads by offset; killed halfway and started again, ordinary devices: {again}"
    said = verdict(peer, right, special_names(kind))
    note = peer.notes.get(kind)
    return f"{said}; {note}" if note and said != "-" else said


def ratios(peers: dict[str, Measured]) -> str:
    drover = peers["d"]
    a, c, memory = peers["a"], peers["c"], peers["m"]
    streams = [f"{peers[name].name}: {peers[name].micros / drover.micros:.2f}" for name in ("b1", "b2")]
    return "\n".join(
        [
            f"- Powertools / Drover, CPU per event: {a.micros / drover.micros:.1f}; write units: "
            f"{a.write_units / drover.write_units:.1f}",
            f"- Kafka Streams / Drover, CPU per event: {'; '.join(streams)}",
            f"- Drover / bare parsing, CPU per event: {drover.micros / c.micros:.1f}, and {memory.micros / c.micros:.1f} with the "
            "store in memory",
        ]
    )


def _write(peer: Measured) -> str:
    if peer.changelog_bytes is not None:
        return f"none; {peer.changelog_bytes / peer.consumed:.1f} bytes of changelog"
    return "-" if peer.write_units is None else f"{peer.write_units:.2f}"


def _number(micros: float) -> str:
    return f"{micros:,.0f}" if micros >= 100 else f"{micros:.1f}"
