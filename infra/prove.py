#!/usr/bin/env python3
"""Deploys Drover into an AWS emulator and tests the deployment end to end.

The SAM CLI deploys infra/state.yaml and the built template.yaml into ministack, which enforces IAM, runs the functions'
bootstraps as Lambda does, and polls the queues. The test then follows a user: create tenants with `drover apply`, send
events over the HTTP API, read them in order from the queue of the feeds, have an Alertmanager told about an alert, send
Kafka events through the Lambda API, turn a poison record into a letter, fix its contract, replay the letter. Finally the test removes the permissions and checks that the functions fail without them.

    infra/tools && .tools/deploy/bin/python infra/prove.py

Needs Rust, Python and x86_64, because the emulator runs bootstraps natively. `--quick` builds without optimization;
`--keep` leaves the emulator running.
"""

import argparse
import base64
import contextlib
import datetime
import http.server
import io
import json
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile

import boto3

ROOT = pathlib.Path(__file__).resolve().parent.parent
STARTED = time.monotonic()
TOOLS = pathlib.Path(sys.prefix) / "bin"
EMULATOR = pathlib.Path(sys.prefix).parent / "emulator/bin/ministack"
REGION = "us-east-1"
STATE, APP, KAFKA = "drover-state", "drover", "drover-kafka"
CLUSTER = f"arn:aws:kafka:{REGION}:000000000000:cluster/events/0e1f2a3b-0000-0000-0000-000000000000-1"
FEEDS = f"arn:aws:sqs:{REGION}:000000000000:feeds.fifo"
# The day of the sample events. The test moves them to yesterday, which every tenant accepts.
DAY_OF_SAMPLES = datetime.date(2026, 11, 21)
HEALTHY = {"state": "healthy", "stream": None, "dead_letters": "healthy", "buffer": "healthy"}
# Ignore the AWS account that the caller is signed in to.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "SAM_CLI_TELEMETRY": "0"}
os.environ |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
YESTERDAY = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the emulator running")
    parser.add_argument("--quick", action="store_true", help="build without optimization")
    parser.add_argument("--built", action="store_true", help="use the existing .aws-sam/build")
    arguments = parser.parse_args()
    if platform.machine() not in ("x86_64", "AMD64"):
        sys.exit("needs x86_64: the emulator runs bootstraps natively")
    drover = build(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="drover-proof-") as folder,
        emulator(arguments.keep) as endpoint,
        alertmanager() as (target, told),
    ):
        aws = Account(endpoint, pathlib.Path(folder), drover)
        aws.deploy(STATE, ROOT / "infra/state.yaml")
        feeds = aws.client("sqs").create_queue(QueueName="feeds.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        aws.deploy(
            APP, ROOT / ".aws-sam/build/template.yaml", "Architecture=x86_64", f"EndpointUrl={endpoint}",
            f"FeedsQueueArn={FEEDS}", "NotifyPrivateHosts=127.0.0.1",
        )
        aws.learn()
        plain_transport(aws)
        batches(aws)
        key = tenants(aws, target)
        over_http(aws, key)
        a_feed(aws, key, feeds)
        a_target_is_told(aws, key, told)
        through_the_lambda_api(aws, key)
        a_letter_is_replayed(aws, key)
        kafka_mappings(aws)
        without_permission(aws)
    print("\nproven", flush=True)


def step(text):
    print(f"\n== {text} ({time.monotonic() - STARTED:.0f}s)", flush=True)


def check(what, found, expected=True):
    if found != expected:
        sys.exit(f"check failed: {what}\n  expected {expected!r}\n  found    {found!r}")
    print(f"   {what}", flush=True)


def run(command, environment, **more):
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def build(arguments):
    """Builds the six bootstraps with `sam build`, and the command."""
    environment = os.environ | {
        "AWS_DEFAULT_REGION": REGION,
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
    }
    quick = {"SAM_BUILD_MODE": "debug", "CARGO_PROFILE_DEV_STRIP": "symbols"} if arguments.quick else {}
    if not arguments.built:
        step("sam build")
        run([TOOLS / "sam", "build", "--parameter-overrides", "Architecture=x86_64"], environment | quick, cwd=ROOT)
    for name in ["Ingest", "Notify", "Processor", "Query", "Relay", "Replay"]:
        bootstrap = ROOT / ".aws-sam/build" / name / "bootstrap"
        size, zipped = bootstrap.stat().st_size / 1e6, zipped_bytes(bootstrap) / 1e6
        print(f"   {name}: {size:.1f} MB, zipped {zipped:.1f} MB", flush=True)
        if not arguments.quick:
            check("  is smaller than 8 MB", zipped < 8)
    step("cargo build: the command drover")
    run(["cargo", "build", "--workspace", "--locked"], environment, cwd=ROOT)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/drover"


def zipped_bytes(file):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        files.write(file, file.name)
    return len(archive.getvalue())


@contextlib.contextmanager
def emulator(keep):
    """An AWS emulator on loopback that enforces IAM permissions."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    step(f"ministack on port {port}")
    environment = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "MINISTACK_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    # The emulator never deletes the functions' code from its temporary folder.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="drover-emulator-"))
    log = folder / "log"
    with log.open("wb") as output:
        environment["TMPDIR"] = str(folder)
        process = subprocess.Popen([EMULATOR], env=environment, stdout=output, stderr=subprocess.STDOUT)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        until("the emulator answers", lambda: request("GET", f"{endpoint}/_localstack/health")[0] == 200, 60)
        yield endpoint
    except BaseException:
        said = log.read_text(errors="replace").splitlines()
        sys.stderr.write("\n".join(["output of the emulator:"] + [line[:300] for line in said[-40:]]) + "\n")
        raise
    finally:
        if keep:
            print(f"the emulator is running: {endpoint}, process {process.pid}, log {log}")
        else:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def alertmanager():
    """A service on loopback that takes alerts as an Alertmanager does: its address, and the alerts that it was sent."""
    told = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken = self.path == "/api/v2/alerts"
            if taken:
                told.extend(json.loads(body))
            self.send_response(200 if taken else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", told
    finally:
        server.shutdown()


def until(what, holds, seconds):
    """Waits until a condition holds, up to a time limit."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Not listening yet, or an answer of a proxy in between.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            if holds():
                print(f"   {what}", flush=True)
                return
        time.sleep(0.3)
    sys.exit(f"timed out after {seconds} s: {what}")


def request(method, url, headers=None, body=None):
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(sent, timeout=40) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Account:
    """The emulated account, with the tools and clients that use it."""

    def __init__(self, endpoint, folder, drover):
        self.endpoint, self.folder, self.drover = endpoint, folder, drover
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            }

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION,
            aws_access_key_id="test", aws_secret_access_key="test",
        )

    def deploy(self, stack, template, *overrides):
        step(f"sam deploy: {stack}")
        command = [
            TOOLS / "sam", "deploy", "--template-file", template, "--stack-name", stack, "--resolve-s3",
            "--language-extensions", "--no-confirm-changeset", "--no-progressbar",
            "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
        ]
        # Run in an empty folder, so that SAM reads no samconfig.toml.
        run(command + (["--parameter-overrides", *overrides] if overrides else []), self.environment, cwd=self.folder)

    def outputs(self, stack):
        found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    def learn(self):
        self.names = self.outputs(APP)

    def command(self, *arguments):
        return run([self.drover, *arguments], self.environment, cwd=self.folder)

    def on_stack(self, *arguments):
        return self.command(*arguments, "--aws", "--stack", APP)

    def call(self, method, path, key=None, body=None):
        """Calls the HTTP API, selected by its host name."""
        headers = {"Host": f"{self.names['ApiId']}.execute-api.localhost", "Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        status, answer = request(method, self.endpoint + path, headers, body)
        return status, json.loads(answer or b"null")

    def invoke(self, function, event):
        answer = self.client("lambda").invoke(
            FunctionName=self.names[f"{function}Function"], Payload=json.dumps(event).encode(),
        )
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def role(self, function):
        found = self.client("lambda").get_function_configuration(FunctionName=self.names[f"{function}Function"])
        return found["Role"].rsplit("/", 1)[1]

    def waiting(self):
        """The number of records and letters in queues, visible or in flight."""
        outputs, queues = self.outputs(STATE), self.client("sqs")
        names = ["DeadLetterQueueName", "BufferQueueName", "DeadLetterFailedQueueName", "BufferFailedQueueName"]
        total = 0
        for name in names:
            url = queues.get_queue_url(QueueName=outputs[name])["QueueUrl"]
            levels = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=levels)["Attributes"]
            total += sum(int(attributes[level]) for level in levels)
        return total


def plain_transport(aws):
    """Checks that the queues reject calls without TLS, then removes their policies: our clients do not trust the
    emulator's TLS."""
    step("queues reject calls without TLS")
    health = aws.call("GET", "/api/v1/health")[1]["dependencies"]
    found = [health[name]["status"] for name in ["dead_letters", "buffer"]]
    check("the queues reject the calls", found, ["unhealthy", "unhealthy"])
    queues = aws.client("sqs")
    # The emulator takes a request with this header for one over TLS.
    queues.meta.events.register("before-send.sqs", lambda request, **_: request.headers.update({"X-Forwarded-Proto": "https"}))
    for url in queues.list_queues()["QueueUrls"]:
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    until("the queue policies are removed for this test", lambda: aws.call("GET", "/api/v1/health")[1]["status"] == "healthy", 30)


def batches(aws):
    """Adds permissions for batch actions. AWS authorizes SendMessageBatch as sqs:SendMessage, and BatchExecuteStatement
    as dynamodb:PartiQLInsert and dynamodb:PartiQLUpdate. The emulator treats them as separate actions."""
    roles = aws.client("iam")
    for function, queues in {"Ingest": [2, 1], "Notify": [1, 2], "Processor": [2], "Relay": [3, 1], "Replay": [2, 1]}.items():
        name = aws.role(function)
        statements = [
            statement
            for policy in roles.list_role_policies(RoleName=name)["PolicyNames"]
            for statement in roles.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]
        ]
        sends = [one for one in statements if "sqs:SendMessage" in one["Action"]]
        found = [1 if isinstance(one["Resource"], str) else len(one["Resource"]) for one in sends]
        check(f"{function.lower()} may send to its queues only", found, queues)
        of_one = {"sqs:SendMessage": "sqs:SendMessageBatch", "dynamodb:PartiQLUpdate": "dynamodb:BatchExecuteStatement"}
        allowed = [
            {"Effect": "Allow", "Action": batch, "Resource": statement["Resource"]}
            for one, batch in of_one.items()
            for statement in statements
            if one in statement["Action"]
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        roles.put_role_policy(RoleName=name, PolicyName="emulator", PolicyDocument=document)


def tenants(aws, target):
    step("drover key, drover apply: create tenants")
    config = aws.folder / "config"
    shutil.copytree(ROOT / "local/config", config)
    key, line = aws.command("key", "demo").splitlines()
    document = {"id": "demo", "keys": [json.loads(line)], "feeds": ["ordered", "settled"]}
    document["targets"] = [{"id": "ops", "kind": "alertmanager", "url": target}]
    rules = json.loads((config / "rules/demo.json").read_text())
    for rule in rules["rules"]:
        rule["targets"] = ["ops"] if rule["id"] == "hot" else []
    (config / "rules/demo.json").write_text(json.dumps(rules))
    (config / "tenants/demo.json").write_text(json.dumps(document))
    (config / "tenants/acme.json").write_text(json.dumps({"id": "acme"}))
    aws.on_stack("apply", config)
    registry = aws.client("dynamodb").scan(TableName=aws.names["RegistryTable"])["Items"]
    check("the documents are in the registry", len(registry) > 3)
    return key


def health(aws):
    status, answer = aws.call("GET", "/api/v1/health")
    return status, {name: probe and probe["status"] for name, probe in answer["dependencies"].items()}


def over_http(aws, key):
    step("events over the HTTP API")
    check("ingest answers /hello", aws.call("GET", "/hello"), (200, {"message": "Hello World!"}))
    check("a request without a key is rejected", aws.call("GET", "/api/v1/subjects")[0], 401)
    late = [
        {"device_id": "d-1", "event_type": "temperature", "timestamp": f"{YESTERDAY}T06:{minute}:00Z", "payload": {"value": value}}
        for minute, value in [("10", 22.5), ("00", 20)]
    ]
    status, answer = aws.call("POST", "/api/v1/events", key, late)
    check("an event and a late event are accepted", (status, answer["accepted"]), (202, 2))
    status, answer = aws.call("GET", "/api/v1/events?device_id=d-1", key)
    times = [event["observed_at"][11:16] for event in answer["events"]]
    check("the events are in order", (status, times), (200, ["06:00", "06:10"]))
    status, view = aws.call("GET", "/api/v1/subjects/device/d-1", key)
    check("the view includes both events", view["measures"]["temperature"]["mean"], 21.25)
    check("the listing shows the subject", aws.call("GET", "/api/v1/subjects?kind=device", key)[1]["subjects"][0]["id"], "d-1")
    until("the health check reaches tables and queues", lambda: health(aws) == (200, HEALTHY), 30)
    ledger = aws.client("dynamodb").query(
        TableName=aws.names["LedgerTable"], KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "T#demo#S#device#d-1"}},
    )
    check("the ledger holds one head", ledger["Count"], 1)


def a_feed(aws, key, url):
    """Reads the feeds from their queue. The emulator has stream mappings with filters; it ignores partial responses."""
    step("the relay sends feeds to a queue")
    queues, received = aws.client("sqs"), []

    def of(feed):
        """The events of a feed so far, in the order in which they were received. Those of `ordered` are placed."""
        more = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in more:
            received.append(json.loads(message["Body"]))
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        mine = [one for one in received if one["source"] == "/drover/demo/device/d-1" and one["type"] == "temperature"]
        return [one for one in mine if ("droverplaced" in one) == (feed == "ordered")]

    def values(feed):
        return [one["data"]["value"] for one in sorted(of(feed), key=lambda one: one["sequence"])]

    until("the feed `ordered` has both events", lambda: values("ordered") == [20, 22.5], 60)
    check("an event is a CloudEvent", of("ordered")[0]["specversion"], "1.0")
    later = {"device_id": "d-1", "event_type": "temperature", "timestamp": f"{YESTERDAY}T07:00:00Z", "payload": {"value": 24}}
    check("a later event is accepted", aws.call("POST", "/api/v1/events", key, [later])[0], 202)
    until("the feed `settled` has the events before it, in order", lambda: values("settled")[:2] == [20, 22.5], 60)
    check("the schedule's command finds nothing due", aws.invoke("Relay", {"action": "sweep"})[0], None)
    error, answer = aws.invoke("Relay", {"action": "resend", "tenant": "demo", "subject": "device/d-1"})
    check("the relay has a subject sent again", (error, answer["subjects"]), (None, 1))
    until("its events are sent again", lambda: len(of("ordered")) >= 6, 60)
    check("under the same ids", len({one["id"] for one in of("ordered")}), 3)
    check("no batch of changes was discarded", discarded(aws), 0)


def a_target_is_told(aws, key, told):
    """Has a rule open and close an alert. The emulator polls the queue of notifications; it ignores partial responses."""
    step("notify tells an Alertmanager about an alert")

    def heard(news):
        mine = [one for one in told if one["labels"]["id"] == "d-hot"]
        return [one["labels"]["alertname"] for one in mine if one["annotations"]["news"] == news]

    def readings(*values):
        events = [{"device_id": "d-hot", "event_type": "temperature", "payload": {"value": value}} for value in values]
        return aws.call("POST", "/api/v1/events", key, events)[0]

    check("three hot readings are accepted", readings(35, 36, 37), 202)
    until("the target is told that the alert opened", lambda: heard("opened")[:1] == ["hot"], 60)
    check("a cold reading is accepted", readings(20), 202)
    until("the target is told that the alert is over", lambda: heard("resolved")[:1] == ["hot"], 60)
    failed = aws.client("sqs").get_queue_url(QueueName=aws.outputs(STATE)["NotificationsFailedQueueName"])["QueueUrl"]
    name = "ApproximateNumberOfMessages"
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=failed, AttributeNames=[name])["Attributes"]
    check("no message failed for good", attributes[name], "0")


def discarded(aws):
    """The number of batches of changes that Lambda gave up."""
    url = aws.client("sqs").get_queue_url(QueueName=aws.names["RelayFailedQueueName"])["QueueUrl"]
    name = "ApproximateNumberOfMessages"
    return int(aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def sample(name):
    """A function's sample event, moved from the samples' day to yesterday."""
    text = (ROOT / "events" / f"{name}.json").read_text()
    moved = (YESTERDAY - DAY_OF_SAMPLES).total_seconds() * 1000
    event = json.loads(text.replace(str(DAY_OF_SAMPLES), str(YESTERDAY)))
    for records in event.get("records", {}).values():
        for record in records:
            record["timestamp"] += int(moved)
            if record.get("value"):
                value = base64.b64decode(record["value"]).replace(str(DAY_OF_SAMPLES).encode(), str(YESTERDAY).encode())
                record["value"] = base64.b64encode(value).decode()
    return event


def through_the_lambda_api(aws, key):
    step("sample events through the Lambda API")
    for name in ["in-order", "out-of-order", "duplicate", "two-partitions"]:
        expected = json.loads((ROOT / f"events/processor/{name}.expect.json").read_text())
        check(f"processor, {name}", aws.invoke("Processor", sample(f"processor/{name}")), (None, expected["response"]))
        for subject, facts in expected["subjects"].items():
            tenant, subject = subject.split(" ")
            if tenant == "demo":
                answer = aws.call("GET", f"/api/v1/subjects/{subject}", key)[1]
                check(f"  {subject}", answer["event_count"], facts["event_count"])
    shown = aws.on_stack("inspect", "demo", "device/device-out-of-order")
    check("drover inspect shows the history", "temperature" in shown)
    for function, name in [("Ingest", "ingest/array"), ("Query", "query/health-live")]:
        event = sample(name)
        event["headers"]["authorization"] = f"Bearer {key}"
        error, answer = aws.invoke(function, event)
        check(f"{function.lower()}, {name}", (error, answer["statusCode"] < 300), (None, True))
    error, answer = aws.invoke("Replay", {"action": "inspect", "tenant": "demo"})
    check("replay accepts a command", (error, answer["total"]), (None, 0))


def a_letter_is_replayed(aws, key):
    step("a poison record becomes a letter and is replayed")
    error, answer = aws.invoke("Processor", sample("processor/poison-in-the-middle"))
    check("a poison record does not block its partition", (error, answer), (None, {"batchItemFailures": []}))

    def letters():
        return aws.call("GET", "/api/v1/dead-letters?state=open", key)[1]

    until("replay has stored both letters", lambda: letters()["total"] == 2, 60)
    codes = {"malformed_json": 1, "schema_violation": 1}
    check("the letters have their codes", letters()["counts"], codes)
    answer = json.loads(aws.on_stack("replay", "inspect", "--tenant", "demo", "--json"))
    check("drover replay inspect shows the letters", answer["counts"], codes)
    contract = json.loads((ROOT / "shared/core/src/intake/contract/builtin/telemetry.json").read_text())
    contract["schema"] = {}
    (aws.folder / "config/contracts").mkdir(exist_ok=True)
    (aws.folder / "config/contracts/telemetry.json").write_text(json.dumps(contract))
    aws.on_stack("apply", aws.folder / "config")
    aws.on_stack("replay", "run", "--tenant", "demo", "--code", "schema_violation")
    until("the replayed letter is resolved", lambda: letters()["counts"] == {"malformed_json": 1}, 60)
    view = aws.call("GET", "/api/v1/subjects/device/device-poison", key)[1]
    check("its event is in the history", view["event_count"], 3)
    letters_table = aws.client("dynamodb").scan(TableName=aws.names["LettersTable"])["Items"]
    check("letters and runs are in the letters table", len(letters_table) >= 3)
    until("all queues are empty", lambda: aws.waiting() == 0, 60)


def kafka_mappings(aws):
    """Deploys the template with Kafka and checks its resources. No cluster is read."""
    aws.deploy(
        KAFKA, ROOT / ".aws-sam/build/template.yaml", "Architecture=x86_64", f"EndpointUrl={aws.endpoint}",
        "StreamMode=msk-iam", "Topics=drover.events,telemetry", f"ClusterArn={CLUSTER}",
        "BootstrapServers=b-1.example:9098",
    )
    functions = aws.outputs(KAFKA)
    resources = aws.client("cloudformation").describe_stack_resources(StackName=KAFKA)["StackResources"]
    made = sorted(one["LogicalResourceId"] for one in resources if one["LogicalResourceId"].startswith("Mapping"))
    check("each topic has one mapping", made, ["Mappingdroverevents", "Mappingtelemetry"])
    mappings = aws.client("lambda").list_event_source_mappings(FunctionName=functions["ProcessorFunction"])
    check("both mappings invoke the processor", len(mappings["EventSourceMappings"]), 2)
    for one in mappings["EventSourceMappings"]:
        found = (one["EventSourceArn"], one["FunctionResponseTypes"], "OnFailure" in one["DestinationConfig"])
        check("the mapping reads the cluster", found, (CLUSTER, ["ReportBatchItemFailures"], True))
    mappings = aws.client("lambda").list_event_source_mappings(FunctionName=functions["RelayFunction"])
    streams = [one["EventSourceArn"] for one in mappings["EventSourceMappings"]]
    check("the relay reads the change stream of the ledger", streams, [aws.outputs(STATE)["LedgerStreamArn"]])
    answer = aws.client("lambda").get_function_configuration(FunctionName=functions["IngestFunction"])
    check("ingest writes to Kafka", answer["Environment"]["Variables"]["DROVER_STREAM"], "kafka")


def without_permission(aws):
    step("the processor without permissions")
    roles, name = aws.client("iam"), aws.role("Processor")
    for policy in roles.list_role_policies(RoleName=name)["PolicyNames"]:
        roles.delete_role_policy(RoleName=name, PolicyName=policy)
    event = sample("processor/from-ingest")
    count = sum(len(records) for records in event["records"].values())
    error, answer = aws.invoke("Processor", event)
    check("every record returns to its source", (error, len(answer.get("batchItemFailures", []))), (None, count))


if __name__ == "__main__":
    main()
