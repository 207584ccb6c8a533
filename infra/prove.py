#!/usr/bin/env python3
"""Deploys Drover into an emulator of AWS, and tries everything that a deployment promises.

The real SAM CLI deploys infra/state.yaml and the built template.yaml into ministack, which enforces IAM, runs the
bootstraps of the functions as Lambda would, and polls the queues. Then a user's way is gone: tenants by `drover apply`,
events over the HTTP API, Kafka's events through the Lambda API, a poison record that becomes a letter, its contract
mended, a replay. Last, permissions are taken away, to see that they were what let it through.

    infra/tools && .tools/deploy/bin/python infra/prove.py

Needs Rust and Python; x86_64, because the emulator runs bootstraps natively. `--quick` builds without optimizing, since
it is the deployment that is proven here; `--keep` leaves the emulator running.
"""

import argparse
import base64
import contextlib
import datetime
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
# Samples are of this day; they are moved to yesterday, which every tenant takes.
DAY_OF_SAMPLES = datetime.date(2026, 11, 21)
HEALTHY = {"state": "healthy", "stream": None, "dead_letters": "healthy", "buffer": "healthy"}
# Nothing of an account that somebody is signed in to.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "SAM_CLI_TELEMETRY": "0"}
os.environ |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
YESTERDAY = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the emulator running")
    parser.add_argument("--quick", action="store_true", help="build without optimizing")
    parser.add_argument("--built", action="store_true", help="take .aws-sam/build as it is")
    arguments = parser.parse_args()
    if platform.machine() not in ("x86_64", "AMD64"):
        sys.exit("the emulator runs bootstraps natively, and they are built for x86_64 here")
    drover = build(arguments)
    with tempfile.TemporaryDirectory(prefix="drover-proof-") as folder, emulator(arguments.keep) as endpoint:
        aws = Account(endpoint, pathlib.Path(folder), drover)
        aws.deploy(STATE, ROOT / "infra/state.yaml")
        aws.deploy(APP, ROOT / ".aws-sam/build/template.yaml", "Architecture=x86_64", f"EndpointUrl={endpoint}")
        aws.learn()
        plain_transport(aws)
        batches(aws)
        key = tenants(aws)
        over_http(aws, key)
        through_the_lambda_api(aws, key)
        a_letter_and_its_way_back(aws, key)
        kafka_mappings(aws)
        without_permission(aws)
    print("\nproven", flush=True)


def step(text):
    print(f"\n== {text} ({time.monotonic() - STARTED:.0f}s)", flush=True)


def check(what, found, expected=True):
    if found != expected:
        sys.exit(f"not so: {what}\n  expected {expected!r}\n  found    {found!r}")
    print(f"   {what}", flush=True)


def run(command, environment, **more):
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def build(arguments):
    """The four bootstraps by `sam build`, and the command."""
    environment = os.environ | {
        "AWS_DEFAULT_REGION": REGION,
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
    }
    quick = {"SAM_BUILD_MODE": "debug", "CARGO_PROFILE_DEV_STRIP": "symbols"} if arguments.quick else {}
    if not arguments.built:
        step("sam build")
        run([TOOLS / "sam", "build", "--parameter-overrides", "Architecture=x86_64"], environment | quick, cwd=ROOT)
    for name in ["Ingest", "Processor", "Query", "Replay"]:
        bootstrap = ROOT / ".aws-sam/build" / name / "bootstrap"
        size, zipped = bootstrap.stat().st_size / 1e6, zipped_bytes(bootstrap) / 1e6
        print(f"   {name}: {size:.1f} MB, zipped {zipped:.1f} MB", flush=True)
        if not arguments.quick:
            check("  less than 8 MB", zipped < 8)
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
    """AWS on loopback, with permissions enforced."""
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
    # It leaves every function's code in its folder for temporary files.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="drover-emulator-"))
    log = folder / "log"
    with log.open("wb") as output:
        environment["TMPDIR"] = str(folder)
        process = subprocess.Popen([EMULATOR], env=environment, stdout=output, stderr=subprocess.STDOUT)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        until("it answers", lambda: http("GET", f"{endpoint}/_localstack/health")[0] == 200, 60)
        yield endpoint
    except BaseException:
        said = log.read_text(errors="replace").splitlines()
        sys.stderr.write("\n".join(["the emulator said:"] + [line[:300] for line in said[-40:]]) + "\n")
        raise
    finally:
        if keep:
            print(f"still there: {endpoint}, process {process.pid}, log {log}")
        else:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def until(what, holds, seconds):
    """Waits for what happens by itself, and says how long at most."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Nobody there yet, or somebody in between whose answer is not ours.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            if holds():
                print(f"   {what}", flush=True)
                return
        time.sleep(0.3)
    sys.exit(f"not within {seconds} s: {what}")


def http(method, url, headers=None, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Account:
    """The emulated account: the tools and clients that speak to it."""

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
        # From an empty folder, so that no samconfig.toml joins in.
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
        """Through the HTTP API, by the name of its host."""
        headers = {"Host": f"{self.names['ApiId']}.execute-api.localhost", "Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        status, answer = http(method, self.endpoint + path, headers, body)
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
        """Messages in all queues of the state stack, seen or not."""
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
    """The emulator has no TLS that our clients trust, and the queues refuse what comes without."""
    step("queues without TLS")
    health = aws.call("GET", "/api/v1/health")[1]["dependencies"]
    found = [health[name]["status"] for name in ["dead_letters", "buffer"]]
    check("they refuse", found, ["unhealthy", "unhealthy"])
    queues = aws.client("sqs")
    # As what stands before an emulator says it, for this one client.
    queues.meta.events.register("before-send.sqs", lambda request, **_: request.headers.update({"X-Forwarded-Proto": "https"}))
    for url in queues.list_queues()["QueueUrls"]:
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    until("their policies are off, for here", lambda: aws.call("GET", "/api/v1/health")[1]["status"] == "healthy", 30)


def batches(aws):
    """AWS counts a batch under what is in it: SendMessageBatch under sqs:SendMessage, BatchExecuteStatement under
    dynamodb:PartiQLInsert and dynamodb:PartiQLUpdate. The emulator knows them as actions of their own."""
    roles = aws.client("iam")
    for function in ["Ingest", "Processor", "Replay"]:
        name = aws.role(function)
        statements = [
            statement
            for policy in roles.list_role_policies(RoleName=name)["PolicyNames"]
            for statement in roles.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]
        ]
        sends = [one for one in statements if "sqs:SendMessage" in one["Action"]]
        check(f"{function.lower()} may send to two queues", [len(one["Resource"]) for one in sends], [2])
        of_one = {"sqs:SendMessage": "sqs:SendMessageBatch", "dynamodb:PartiQLUpdate": "dynamodb:BatchExecuteStatement"}
        allowed = [
            {"Effect": "Allow", "Action": batch, "Resource": statement["Resource"]}
            for one, batch in of_one.items()
            for statement in statements
            if one in statement["Action"]
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        roles.put_role_policy(RoleName=name, PolicyName="emulator", PolicyDocument=document)


def tenants(aws):
    step("drover key, drover apply: tenants that did not exist")
    config = aws.folder / "config"
    shutil.copytree(ROOT / "local/config", config)
    key, line = aws.command("key", "demo").splitlines()
    document = {"id": "demo", "keys": [json.loads(line)]}
    (config / "tenants/demo.json").write_text(json.dumps(document))
    (config / "tenants/acme.json").write_text(json.dumps({"id": "acme"}))
    aws.on_stack("apply", config)
    registry = aws.client("dynamodb").scan(TableName=aws.names["RegistryTable"])["Items"]
    check("documents are in the registry", len(registry) > 3)
    return key


def health(aws):
    status, answer = aws.call("GET", "/api/v1/health")
    return status, {name: probe and probe["status"] for name, probe in answer["dependencies"].items()}


def over_http(aws, key):
    step("events over the HTTP API")
    check("hello, from ingest", aws.call("GET", "/hello"), (200, {"message": "Hello World!"}))
    check("no key, no answer", aws.call("GET", "/api/v1/subjects")[0], 401)
    late = [
        {"device_id": "d-1", "event_type": "temperature", "timestamp": f"{YESTERDAY}T06:{minute}:00Z", "payload": {"value": value}}
        for minute, value in [("10", 22.5), ("00", 20)]
    ]
    status, answer = aws.call("POST", "/api/v1/events", key, late)
    check("an event and a late one are accepted", (status, answer["accepted"]), (202, 2))
    status, answer = aws.call("GET", "/api/v1/events?device_id=d-1", key)
    times = [event["observed_at"][11:16] for event in answer["events"]]
    check("they stand in order", (status, times), (200, ["06:00", "06:10"]))
    status, view = aws.call("GET", "/api/v1/subjects/device/d-1", key)
    check("and are folded", view["measures"]["temperature"]["mean"], 21.25)
    check("listed by the index", aws.call("GET", "/api/v1/subjects?kind=device", key)[1]["subjects"][0]["id"], "d-1")
    until("health sees tables and queues", lambda: health(aws) == (200, HEALTHY), 30)
    ledger = aws.client("dynamodb").query(
        TableName=aws.names["LedgerTable"], KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "T#demo#S#device#d-1"}},
    )
    check("one head in the ledger", ledger["Count"], 1)


def sample(name):
    """A sample event of a function, moved from the samples' day to yesterday."""
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
    check("replay, a command", (error, answer["total"]), (None, 0))


def a_letter_and_its_way_back(aws, key):
    step("a poison record, its letter, and its way back")
    error, answer = aws.invoke("Processor", sample("processor/poison-in-the-middle"))
    check("poison does not stop its partition", (error, answer), (None, {"batchItemFailures": []}))

    def letters():
        return aws.call("GET", "/api/v1/dead-letters?state=open", key)[1]

    until("the queue's mapping has filed both letters", lambda: letters()["total"] == 2, 60)
    codes = {"malformed_json": 1, "schema_violation": 1}
    check("with their codes", letters()["counts"], codes)
    answer = json.loads(aws.on_stack("replay", "inspect", "--tenant", "demo", "--json"))
    check("drover replay inspect sees them too", answer["counts"], codes)
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
    check("letters and runs are in their table", len(letters_table) >= 3)
    until("no message is left in any queue", lambda: aws.waiting() == 0, 60)


def kafka_mappings(aws):
    """The other form of the template: what it makes for a cluster. Nothing is read from one here."""
    aws.deploy(
        KAFKA, ROOT / ".aws-sam/build/template.yaml", "Architecture=x86_64", f"EndpointUrl={aws.endpoint}",
        "StreamMode=msk-iam", "Topics=drover.events,telemetry", f"ClusterArn={CLUSTER}",
        "BootstrapServers=b-1.example:9098",
    )
    functions = aws.outputs(KAFKA)
    resources = aws.client("cloudformation").describe_stack_resources(StackName=KAFKA)["StackResources"]
    made = sorted(one["LogicalResourceId"] for one in resources if one["LogicalResourceId"].startswith("Mapping"))
    check("one mapping a topic", made, ["Mappingdroverevents", "Mappingtelemetry"])
    mappings = aws.client("lambda").list_event_source_mappings(FunctionName=functions["ProcessorFunction"])
    check("both of the processor", len(mappings["EventSourceMappings"]), 2)
    for one in mappings["EventSourceMappings"]:
        found = (one["EventSourceArn"], one["FunctionResponseTypes"], "OnFailure" in one["DestinationConfig"])
        check("which reads the cluster", found, (CLUSTER, ["ReportBatchItemFailures"], True))
    answer = aws.client("lambda").get_function_configuration(FunctionName=functions["IngestFunction"])
    check("ingest writes to the stream", answer["Environment"]["Variables"]["DROVER_STREAM"], "kafka")


def without_permission(aws):
    step("the same without permission")
    roles, name = aws.client("iam"), aws.role("Processor")
    for policy in roles.list_role_policies(RoleName=name)["PolicyNames"]:
        roles.delete_role_policy(RoleName=name, PolicyName=policy)
    event = sample("processor/from-ingest")
    count = sum(len(records) for records in event["records"].values())
    error, answer = aws.invoke("Processor", event)
    check("every record goes back to its source", (error, len(answer.get("batchItemFailures", []))), (None, count))


if __name__ == "__main__":
    main()
