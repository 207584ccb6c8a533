"""The checks of `tests/notifications/run`: `check.py DROVER FOLDER HTTP ALERTMANAGER`.

DROVER is the command; FOLDER has the host's data in `data`, and takes secrets and documents; HTTP and ALERTMANAGER are
addresses. Alertmanager posts to `POST /alert` of the host with the key `shop-key`. The first expectation that does not
hold ends the program with the exit code 1.
"""

import base64
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

KEY = "shop-key"
# How long an expectation is waited for, in seconds.
WITHIN = 60
# How soon a target is told while another one hangs, in seconds: less than the host's limit for one try.
SOON = 10
# What the busy target asks for, in seconds: more than the host would wait by itself.
RETRY_AFTER = 7


def new_secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


SECRETS = {name: new_secret() for name in ["current", "new", "old"]}
UNUSED_SECRET = new_secret()
# The secrets that sign the requests to a path, if other than `current`.
SIGNED_WITH = {"/rotating": ["new", "old"]}


class Failed(Exception):
    """An expectation does not hold."""


def expect(holds, message):
    if not holds:
        raise Failed(message)


def only(found, what):
    """The element of a list that must have one."""
    expect(len(found) == 1, f"there are {len(found)} of: {what}")
    return found[0]


def verifies(secret, request):
    try:
        Webhook(secret).verify(request.body, request.headers)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def text(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now():
    return datetime.now(timezone.utc)


@dataclass
class Request:
    """A request to a webhook."""

    path: str
    headers: dict
    body: bytes
    at: float
    answered_at: float | None = None

    @property
    def id(self):
        return self.headers.get("webhook-id")

    @property
    def type(self):
        return json.loads(self.body)["type"]

    @property
    def data(self):
        return json.loads(self.body)["data"]

    def fault(self):
        """Why the signature is wrong; `None`: it is right."""
        for name in SIGNED_WITH.get(self.path, ["current"]):
            if not verifies(SECRETS[name], self):
                return f"the library does not verify a request to {self.path} with the secret `{name}`"
        if verifies(UNUSED_SECRET, self):
            return f"the library verifies a request to {self.path} with a secret that is not in use"
        return None


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body, time.monotonic())
        status, headers = self.server.answer(request)
        request.answered_at = time.monotonic()
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


class Listener(ThreadingHTTPServer):
    """The webhooks. Each path is a target that behaves in its own way."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests = []
        self.faults = []
        self.is_back = False
        self.may_answer = threading.Event()

    def answer(self, request):
        fault = request.fault()
        with self.lock:
            is_first_try = all(request.id != other.id for other in self.requests)
            self.requests.append(request)
            self.faults += [fault] if fault else []
        match request.path:
            case "/failing" if is_first_try:
                return 500, {}
            case "/busy" if is_first_try:
                return 429, {"retry-after": str(RETRY_AFTER)}
            case "/redirecting":
                return 307, {"location": self.url("elsewhere")}
            case "/gone" if not self.is_back:
                return 410, {}
            case "/hanging":
                self.may_answer.wait()
        return 204, {}

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def got(self, name, device=None):
        """The requests that a target got, about one device or all."""
        with self.lock:
            found = [request for request in self.requests if request.path == f"/{name}"]
        return [request for request in found if device in (None, request.data["subject"]["id"])]


class Checks:
    def __init__(self, drover, folder, http, alertmanager):
        self.drover, self.folder = drover, pathlib.Path(folder)
        self.http, self.alertmanager = f"http://{http}", f"http://{alertmanager}"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.listener = Listener()
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()
        # Connections to 0.0.0.0 and its port arrive here.
        self.unspecified = socket.create_server(("127.0.0.1", 0), backlog=64)

    # The checks, in order.

    def the_documents_are_applied(self):
        for name, secret in SECRETS.items():
            (self.folder / name).write_text(secret + "\n")
        key = {"id": "k", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "local": True}
        tenant = {"id": "shop", "keys": [key | {"scopes": ["write", "read", "admin"]}], "targets": self.targets()}
        documents = {"tenants": tenant, "rules": {"tenant": "shop", "rules": rules()}}
        for kind, document in documents.items():
            path = self.folder / "config" / kind / "shop.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(document))
        self.command("apply", str(self.folder / "config"))

    def a_foreign_library_verifies_every_transition(self):
        oven = Device(self, "oven-1", "temperature")
        oven.post((10, 31), (20, 32))
        for target in ["ops", "rotating"]:
            opened = self.told(target, oven.id, "alert.opened").data
            found = {name: opened[name] for name in ["tenant", "rule", "state", "labels", "cause"]}
            expected = {"tenant": "shop", "rule": "hot", "state": "firing", "labels": {"team": "cold-chain"}}
            expect(found == expected | {"cause": None}, f"{target} is told {found}")
        # Late: between the two.
        oven.post((15, 20))
        for target in ["ops", "rotating"]:
            retracted = self.told(target, oven.id, "alert.retracted").data
            found = (retracted["id"], retracted["state"], retracted["cause"] is None)
            expect(found == (opened["id"], "retracted", False), f"{target} is told {found}")
        oven = Device(self, "oven-2", "temperature")
        oven.post((10, 31), (20, 32))
        self.told("ops", oven.id, "alert.opened")
        oven.post((30, 20))
        resolved = self.told("ops", oven.id, "alert.resolved").data
        self.result(resolved["id"], "ops", "delivered")
        for device in ["oven-1", "oven-2"]:
            ids = [request.id for request in self.listener.got("ops", device)]
            expect(len(ids) == len(set(ids)) == 2, f"two transitions of {device} have the ids {ids}")

    def an_alertmanager_has_our_alert_until_a_late_event(self):
        oven = Device(self, "oven-3", "temperature")
        oven.post((10, 31), (20, 32))
        alert = self.alert_of(oven.id)
        query = urllib.parse.urlencode({"filter": f'drover_alert="{alert}"'})

        def there():
            return self.call(f"{self.alertmanager}/api/v2/alerts?{query}")

        def posted_back(status):
            return [one for one in self.received("drover_alert", alert) if one["status"] == status]

        self.until("our alert is active there", lambda: [one["status"]["state"] for one in there()] == ["active"])
        labels = {"alertname": "hot", "drover_alert": alert, "id": oven.id, "kind": "device"}
        labels |= {"tenant": "shop", "team": "cold-chain"}
        found = only(there(), "our alert there")["labels"]
        expect(found == labels, f"there it has the labels {found}")
        self.until("it posts our alert back as firing", lambda: posted_back("firing"))
        # Late: between the two.
        oven.post((15, 20))
        self.until("our alert is no longer active there", lambda: not there())
        # An alert that it only forgot would have the annotations of the opening.
        resolved = self.until("it posts our alert back as resolved", lambda: posted_back("resolved"))
        news = only(resolved, "our alert posted back")["annotations"]["news"]
        expect(news == "retracted", f"it was told last: {news}")

    def an_alertmanager_posts_its_alerts_to_us(self):
        alert = {"labels": {"alertname": "Outside", "instance": "probe"}, "startsAt": text(now())}

        def listed(status):
            return [one for one in self.received("alertname", "Outside") if one["status"] == status]

        self.call(f"{self.alertmanager}/api/v2/alerts", [alert])
        firing = self.until("GET /received_alerts has its alert as firing", lambda: listed("firing"))[0]
        found = (firing["labels"], firing["receiver"], firing["ends_at"])
        expect(found == (alert["labels"], "drover", None), f"its alert is listed with {found}")
        self.call(f"{self.alertmanager}/api/v2/alerts", [alert | {"endsAt": text(now())}])
        resolved = self.until("GET /received_alerts has its alert as resolved", lambda: listed("resolved"))[0]
        for name in ["fingerprint", "starts_at", "labels"]:
            expect(resolved[name] == firing[name], f"{name} was {firing[name]} and is {resolved[name]}")
        expect(resolved["ends_at"] is not None, "its resolved alert is listed without an end")
        only(self.received("alertname", "Outside"), "its alert in GET /received_alerts")

    def a_failed_try_is_repeated_when_the_target_asks(self):
        cellar = Device(self, "cellar-1", "humidity")
        cellar.post((10, 90))
        waited = {}
        for target in ["failing", "redirecting", "busy"]:
            first, second = self.tries(target, cellar.id, 2)[:2]
            expect(first.id == second.id, f"{target} gets the second try with another webhook-id")
            waited[target] = second.at - first.answered_at
        busy = waited["busy"]
        expect(busy >= RETRY_AFTER, f"the next try comes after {busy:.2f} s, with Retry-After: {RETRY_AFTER}")
        alert = first.data["id"]
        for target in ["failing", "busy"]:
            count = self.result(alert, target, "delivered")["tries"]
            expect(count == 2, f"{target} took the alert in try {count}")
        reason = self.result(alert, "redirecting", "retrying")["message"]
        expect(reason.startswith("the target redirects to another URL"), f"a redirect has the reason: {reason}")
        count = len(self.listener.got("elsewhere"))
        expect(count == 0, f"{count} redirects are followed")

    def a_target_that_is_gone_is_switched_off(self):
        def letters():
            letters = self.call(f"{self.http}/api/v1/dead-letters?code=undeliverable")["letters"]
            return [letter for letter in letters if alert in json.dumps(letter)]

        freezer = Device(self, "freezer-1", "temperature")
        freezer.post((10, -5))
        alert = self.alert_of(freezer.id)
        found = self.until("there is a dead letter with the code undeliverable", letters)
        letter = json.dumps(only(found, "the dead letter"))
        expect("gone" in letter, f"the dead letter names another target: {letter}")
        self.result(alert, "gone", "undeliverable")
        line = self.listed("gone")
        expect("off since" in line and "410" in line, f"drover targets list prints: {line}")
        # The target gets no request about the next alert.
        freezer = Device(self, "freezer-2", "temperature")
        freezer.post((10, -5))
        alert = self.alert_of(freezer.id)
        self.until("there is a dead letter about the next alert", letters)
        only(self.listener.got("gone"), "the requests to a target that is gone")
        self.listener.is_back = True
        self.command("targets", "test", "shop", "gone")
        self.until("a test that arrives switches the target on", lambda: " on " in self.listed("gone"))

    def private_addresses_are_refused_without_connecting(self):
        # The listener notices connections to 0.0.0.0.
        socket.create_connection(("0.0.0.0", self.unspecified.getsockname()[1]), timeout=WITHIN).close()
        self.unspecified.settimeout(WITHIN)
        self.unspecified.accept()[0].close()
        cellar = Device(self, "cellar-2", "humidity")
        cellar.post((10, 10))
        alert = self.alert_of(cellar.id)
        reasons = {
            "plain": "targets are reached with https only",
            "private": "the target has an address that targets may not have",
            "unspecified": "the target has an address that targets may not have",
        }
        for target, reason in reasons.items():
            found = self.result(alert, target, "retrying")["message"]
            expect(found.startswith(f"{reason}: target="), f"{target} has the reason: {found}")
        self.unspecified.setblocking(False)
        try:
            self.unspecified.accept()
        except BlockingIOError:
            return
        raise Failed("the host connects to 0.0.0.0")

    def a_hanging_target_delays_no_other(self):
        for device in ["meter-1", "meter-2"]:
            posted_at = time.monotonic()
            Device(self, device, "battery").post((10, 5))
            waited = self.tries("quick", device)[0].at - posted_at
            expect(waited < SOON, f"the other target is told about {device} after {waited:.1f} s")
            # The second device is posted while the target hangs.
            hanging = self.tries("hanging", "meter-1")[0]
        expect(hanging.answered_at is None, "the target does not hang")
        self.listener.may_answer.set()

    def a_test_arrives(self):
        self.command("targets", "test", "shop", "ops")
        tests = self.until("ops gets a request", lambda: self.listener.got("ops", "test"))
        found = (tests[0].type, tests[0].data["test"])
        expect(found == ("alert.opened", True), f"the test is {found}")

    # What they use.

    def targets(self):
        def secret(name):
            return {"file": str(self.folder / name)}

        def webhook(name, url):
            return {"id": name, "kind": "webhook", "url": url, "secret": secret("current")}

        names = ["ops", "rotating", "failing", "busy", "redirecting", "gone", "hanging", "quick"]
        webhooks = {name: webhook(name, self.listener.url(name)) for name in names}
        webhooks["rotating"] |= {"secret": secret("new"), "previous_secret": secret("old")}
        port = self.unspecified.getsockname()[1]
        return [
            *webhooks.values(),
            webhook("plain", "http://10.0.0.1/"),
            webhook("private", "https://10.0.0.1/"),
            webhook("unspecified", f"https://0.0.0.0:{port}/"),
            {"id": "am", "kind": "alertmanager", "url": self.alertmanager},
        ]

    def call(self, url, body=None):
        """The answer of the host or of Alertmanager."""
        headers = {"content-type": "application/json"}
        if url.startswith(self.http + "/"):
            headers["authorization"] = f"Bearer {KEY}"
        body = None if body is None else json.dumps(body).encode()
        try:
            with self.opener.open(urllib.request.Request(url, body, headers), timeout=WITHIN) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise Failed(f"{url} answers {error.code}: {error.read().decode(errors='replace')}") from None
        except OSError as error:
            raise Failed(f"{url} does not answer: {error}") from None

    def command(self, *arguments):
        """What a command of Drover prints."""
        command = [self.drover, *arguments, "--data", str(self.folder / "data")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * WITHIN)
        printed = (ended.stdout + ended.stderr).strip()
        expect(ended.returncode == 0, f"drover {' '.join(arguments)} fails: {printed}")
        return ended.stdout

    def until(self, what, probe):
        """Waits until `probe` finds something, and returns that."""
        end = time.monotonic() + WITHIN
        while True:
            found = probe()
            with self.listener.lock:
                expect(not self.listener.faults, "; ".join(self.listener.faults))
            if found:
                return found
            expect(time.monotonic() < end, f"not within {WITHIN} s: {what}")
            time.sleep(0.1)

    def tries(self, target, device, count=1):
        """The requests to a target about a device, of which there must be so many."""

        def enough():
            found = self.listener.got(target, device)
            return found if len(found) >= count else None

        return self.until(f"{target} gets {count} requests about {device}", enough)

    def told(self, target, device, kind):
        def found():
            return [request for request in self.listener.got(target, device) if request.type == kind]

        return self.until(f"{target} is told {kind} about {device}", found)[0]

    def result(self, alert, target, result):
        """What the API says about a target of an alert, as soon as it says this result."""

        def found():
            lines = self.call(f"{self.http}/api/v1/alerts/{alert}")["notified"]
            return [line for line in lines if (line["target"], line["result"]) == (target, result)]

        return self.until(f"GET /api/v1/alerts/{alert} says {result} about {target}", found)[-1]

    def alert_of(self, device):
        """The id of the alert of a device."""

        def found():
            alerts = self.call(f"{self.http}/api/v1/alerts")["alerts"]
            return [alert["id"] for alert in alerts if alert["subject"]["id"] == device]

        return only(self.until(f"GET /api/v1/alerts has an alert of {device}", found), f"alerts of {device}")

    def received(self, label, value):
        alerts = self.call(f"{self.http}/received_alerts?limit=200")["alerts"]
        return [alert for alert in alerts if (alert["labels"] or {}).get(label) == value]

    def listed(self, target):
        """The line of a target in the list of the command."""
        lines = self.command("targets", "list", "shop").splitlines()
        return only([line for line in lines if line.split()[:1] == [target]], f"lines of the target {target}")


def rules():
    def rule(name, measure, when, targets, **more):
        own = {"id": name, "contract": "telemetry", "measure": measure, "when": when, "targets": targets}
        return own | more

    two_in_a_row = {"for": {"events": 2}, "labels": {"team": "cold-chain"}}
    return [
        rule("hot", "temperature", {"above": 30}, ["ops", "rotating", "am"], **two_in_a_row),
        rule("frozen", "temperature", {"below": 0}, ["gone"]),
        rule("damp", "humidity", {"above": 80}, ["failing", "busy", "redirecting"]),
        rule("dry", "humidity", {"below": 20}, ["plain", "private", "unspecified"]),
        rule("flat", "battery", {"below": 10}, ["hanging", "quick"]),
    ]


class Device:
    """Sends readings of one measure."""

    def __init__(self, checks, name, measure):
        self.checks, self.id, self.measure = checks, name, measure
        self.began_at = now()

    def post(self, *readings):
        """Sends readings, each with the seconds after the device began."""
        events = [
            {
                "device_id": self.id,
                "event_type": self.measure,
                "timestamp": text(self.began_at + timedelta(seconds=seconds)),
                "payload": {"value": value},
            }
            for seconds, value in readings
        ]
        answer = self.checks.call(f"{self.checks.http}/api/v1/events", events)
        expect(answer["accepted"] == len(events), f"the host rejects events of {self.id}: {answer}")


def main():
    checks = Checks(*sys.argv[1:])
    for check in [
        checks.the_documents_are_applied,
        checks.a_foreign_library_verifies_every_transition,
        checks.an_alertmanager_has_our_alert_until_a_late_event,
        checks.an_alertmanager_posts_its_alerts_to_us,
        checks.a_failed_try_is_repeated_when_the_target_asks,
        checks.a_target_that_is_gone_is_switched_off,
        checks.private_addresses_are_refused_without_connecting,
        checks.a_hanging_target_delays_no_other,
        checks.a_test_arrives,
    ]:
        name, began_at = check.__name__.replace("_", " "), time.monotonic()
        try:
            check()
        except Failed as failed:
            sys.exit(f"FAILED: {name}: {failed}")
        print(f"ok: {name} ({time.monotonic() - began_at:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
