#!/usr/bin/env python3
"""Releases the output of `sam build` into one account: the state stack, the app stack, the alarms; then checks the API.

    infra/tools .tools release && .tools/release/bin/python infra/release.py --bucket BUCKET [--stack drover] [NAME=VALUE ...]

NAME=VALUE are parameters of the app stack; other parameters keep their values. CloudFormation monitors the alarm
`STACK-release` of infra/alarms.yaml for some minutes after the change, and rolls back if the alarm fires. Meanwhile the
script polls the API's health, so that a broken release is noticed without traffic. The first release has no alarms yet
and is not monitored.

`sam deploy` does the same by hand, but it has no option for monitoring.
"""

import argparse
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
import botocore.exceptions

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAM = pathlib.Path(sys.prefix) / "bin/sam"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
SECONDS_BETWEEN = 10
NOTHING_NEW = ("The submitted information didn't contain changes", "No updates are to be performed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bucket", required=True, help="bucket for templates and functions")
    parser.add_argument("--stack", default="drover", help="name of the app stack; the other stacks are STACK-state and STACK-alarms")
    parser.add_argument("--role", help="role that CloudFormation assumes (infra/delivery.yaml); default: the caller's permissions")
    parser.add_argument("--minutes", type=int, default=20, help="how long CloudFormation monitors the alarm after the change")
    parser.add_argument("--unwatched", action="store_true", help="release without monitoring, for example a fix while the alarm is on")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="parameters of the app stack")
    arguments = parser.parse_args()
    release(Account(arguments), dict(parameter.split("=", 1) for parameter in arguments.parameters))


def release(account, parameters):
    stack = account.stack
    state, alarms = f"{stack}-state", f"{stack}-alarms"
    key = {"KeyArn": parameters["KeyArn"]} if "KeyArn" in parameters else {}
    account.change(state, ROOT / "infra/state.yaml", key)
    account.change(stack, account.package(), parameters | {"StateStack": state}, watch=account.alarm(alarms))
    streaming = account.parameters(stack)["StreamMode"] != "direct"
    relay = "RelayFunction" in account.outputs(stack)
    watched = {"Stack": stack, "StateStack": state, "Streaming": str(streaming).lower(), "Relay": str(relay).lower()}
    account.change(alarms, ROOT / "infra/alarms.yaml", watched)
    url = account.outputs(stack).get("ApiUrl")
    if url is None:
        print("released; health not checked, because the API has no default endpoint")
        return
    if not any(healthy(url) for _ in range(6)):
        sys.exit(f"released, but not healthy: {url}; release the previous version")
    print(f"released and healthy: {url}")


def healthy(url):
    """Checks the API's health once. A failure counts in the API's 5xx metric."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/health", timeout=30) as answer:
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError):
        time.sleep(SECONDS_BETWEEN / 2)
        return False


class Account:
    """The account and region of the ambient credentials."""

    def __init__(self, arguments):
        self.stack, self.bucket, self.role = arguments.stack, arguments.bucket, arguments.role
        self.minutes, self.unwatched = arguments.minutes, arguments.unwatched
        self.cloudformation, self.s3 = boto3.client("cloudformation"), boto3.client("s3")

    def describe(self, stack):
        """The stack, or None. A stack whose first change set was never executed counts as None."""
        try:
            found = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return None if found["StackStatus"] == "REVIEW_IN_PROGRESS" else found

    def outputs(self, stack):
        found = self.describe(stack) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def parameters(self, stack):
        found = self.describe(stack) or {}
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found.get("Parameters", [])}

    def alarm(self, alarms):
        """The rollback configuration. An empty list removes the previous triggers."""
        arn = None if self.unwatched else self.outputs(alarms).get("ReleaseAlarmArn")
        if arn is None:
            print("releasing without monitoring an alarm")
            return {"RollbackTriggers": [], "MonitoringTimeInMinutes": 0}
        trigger = {"Arn": arn, "Type": "AWS::CloudWatch::CompositeAlarm"}
        return {"RollbackTriggers": [trigger], "MonitoringTimeInMinutes": self.minutes}

    def package(self):
        """Uploads the built functions and returns the template that refers to them."""
        packaged = ROOT / ".aws-sam/packaged.yaml"
        command = [SAM, "package", "--template-file", ROOT / ".aws-sam/build/template.yaml", "--s3-bucket", self.bucket]
        command += ["--s3-prefix", self.stack, "--output-template-file", packaged, "--no-progressbar", "--language-extensions"]
        if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
            sys.exit("uploading the functions failed")
        return packaged

    def change(self, stack, template, parameters, watch=None):
        """Creates or updates a stack with a change set and waits for the result."""
        before = self.describe(stack)
        key, name = f"{self.stack}/{stack}.yaml", f"release-{int(time.time())}"
        self.s3.upload_file(str(template), self.bucket, key)
        url = self.s3.meta.endpoint_url.rstrip("/") + f"/{self.bucket}/{key}"
        known = self.cloudformation.get_template_summary(TemplateURL=url)["Parameters"]
        kept = set(self.parameters(stack)) & {parameter["ParameterKey"] for parameter in known} - set(parameters)
        given = [{"ParameterKey": one, "ParameterValue": value} for one, value in parameters.items()]
        given += [{"ParameterKey": one, "UsePreviousValue": True} for one in sorted(kept)]
        more = ({"RoleARN": self.role} if self.role else {}) | ({"RollbackConfiguration": watch} if watch else {})
        self.cloudformation.create_change_set(
            StackName=stack, ChangeSetName=name, ChangeSetType="UPDATE" if before else "CREATE",
            TemplateURL=url, Parameters=given, Capabilities=CAPABILITIES, **more,
        )
        if self.is_new(stack, name):
            self.cloudformation.execute_change_set(StackName=stack, ChangeSetName=name)
            self.settle(stack)

    def is_new(self, stack, name):
        """Waits for the change set and returns whether it changes anything."""
        while True:
            made = self.cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
            if made["Status"] == "CREATE_COMPLETE":
                return True
            reason = made.get("StatusReason", "")
            if made["Status"] == "FAILED" and any(known in reason for known in NOTHING_NEW):
                self.cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)
                print(f"{stack}: no changes")
                return False
            if made["Status"] == "FAILED":
                sys.exit(f"{stack}: {reason}")
            time.sleep(SECONDS_BETWEEN / 5)

    def settle(self, stack):
        """Waits until CloudFormation has finished, including monitoring, and polls the API's health meanwhile."""
        url = self.outputs(stack).get("ApiUrl")
        while True:
            now = self.describe(stack)
            status = now["StackStatus"] if now else "REVIEW_IN_PROGRESS"
            if not status.endswith("_IN_PROGRESS"):
                break
            if url:
                healthy(url)
            time.sleep(SECONDS_BETWEEN)
        print(f"{stack}: {status}")
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            sys.exit("\n".join(self.failures(stack)))

    def failures(self, stack):
        """The failed resources, newest first."""
        events = self.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        found = (event for event in events if event["ResourceStatus"].endswith(("_FAILED", "ROLLBACK_IN_PROGRESS")))
        return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in found][:20]


if __name__ == "__main__":
    main()
