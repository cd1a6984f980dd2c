"""CloudFormation's API for the stacks of a test, before moto's server, which has the rest of the account.

It records what a deployment sends, and ends every deployment as the test says. It creates no resources.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import boto3

from tests.support.aws import Account
from tests.support.http_server import HttpServer, Request, Response

PREVIOUS: Final = "(previous value)"
"""Stands for UsePreviousValue."""
OUTPUTS: Final = {"ApiAddress": "https://api.example.com", "Dashboard": "https://dashboard.example.com"}


@dataclass
class RecordedStack:
    """Stack of the test.

    status: its status, or None before it exists.
    change_sets: parameters of each CreateChangeSet, as sent.
    policies: documents of SetStackPolicy, by the name or ARN of the stack, in the order of the requests.
    """

    name: str
    status: str | None = None
    change_sets: list[dict[str, str]] = field(default_factory=list)
    policies: dict[str, Any] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """ARN of the stack."""
        return f"arn:aws:cloudformation:us-east-1:123456789012:stack/{self.name}/1"

    @property
    def database(self) -> str:
        """ARN of its nested stack with the database."""
        return self.arn.replace(self.name, f"{self.name}-PostgreSQL-ABC")


class CloudFormationApi(HttpServer):
    """API for `with CloudFormationApi(account, "name") as api:`.

    environment: variables that route all calls of the AWS SDKs to it.
    result: status of the stack after a deployment.
    parameters: parameters of the deployed stack, by name.
    has_database: whether the stack has its own database.
    rejects: action that the caller has no right to.
    executed: set when a change set is executed. Until `finish` is set, the deployment continues.
    """

    def __init__(
        self,
        account: Account,
        stack: str,
        *,
        status: str | None = None,
        result: str = "CREATE_COMPLETE",
        parameters: Mapping[str, str] | None = None,
        has_database: bool = True,
        rejects: str = "",
    ) -> None:
        super().__init__(["GET", "HEAD", "POST", "PUT", "DELETE"])
        self.environment = account.environment | {"AWS_ENDPOINT_URL": self.address}
        self.stack = RecordedStack(stack, status)
        self.executed, self.finish = threading.Event(), threading.Event()
        self.finish.set()
        self._result = result
        self._parameters = parameters or {}
        self._has_database = has_database
        self._rejects = rejects
        self._account = urlsplit(account.environment["AWS_ENDPOINT_URL"]).netloc

    def respond(self, request: Request) -> Response:
        """Return the response of CloudFormation to a request about the stack, else the account's response."""
        if "/cloudformation/" in request.headers.get("Authorization", ""):
            parameters = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
            if self.stack.name in parameters.get("StackName", ""):
                return self._answer(parameters)
        connection = HTTPConnection(self._account)
        connection.request(request.method, request.path, request.body, dict(request.headers))
        response = connection.getresponse()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        headers = {name: value for name, value in headers.items() if name not in ("connection", "transfer-encoding")}
        return Response(response.status, body, headers)

    def _answer(self, parameters: Mapping[str, str]) -> Response:
        action = parameters["Action"]
        if self.executed.is_set() and self.finish.is_set():
            self.stack.status = self._result
        if action == "DescribeStacks" and self.stack.status is None:
            return _error("ValidationError", f"Stack with id {self.stack.name} does not exist")
        if action == self._rejects:
            return _error("AccessDenied", "not authorized")
        operations = {
            "DescribeStacks": self._describe_stacks,
            "CreateChangeSet": self._create_change_set,
            "DescribeChangeSet": self._describe_change_set,
            "ExecuteChangeSet": self._execute_change_set,
            "DescribeStackEvents": self._describe_stack_events,
            "GetTemplateSummary": self._get_template_summary,
            "ListStackResources": self._list_stack_resources,
            "SetStackPolicy": self._set_stack_policy,
        }
        result = operations[action](parameters)
        return Response(
            200,
            f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>".encode(),
            {"content-type": "text/xml"},
        )

    def _describe_stacks(self, _: Mapping[str, str]) -> str:
        outputs = [{"OutputKey": name, "OutputValue": value} for name, value in OUTPUTS.items()]
        identity = _xml(
            {
                "StackName": self.stack.name,
                "StackId": self.stack.arn,
                "StackStatus": str(self.stack.status),
                "CreationTime": _now(),
            }
        )
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in self._parameters.items()]
        lists = _members("Outputs", outputs) + _members("Parameters", parameters)
        return f"<Stacks><member>{identity}{lists}</member></Stacks>"

    def _create_change_set(self, parameters: Mapping[str, str]) -> str:
        self.stack.change_sets.append(dict(parameters))
        self.stack.status = self.stack.status or "REVIEW_IN_PROGRESS"
        return _xml({"Id": f"{self.stack.arn}/changes", "StackId": self.stack.arn})

    def _describe_change_set(self, _: Mapping[str, str]) -> str:
        return _xml({"Status": "CREATE_COMPLETE", "StackName": self.stack.name}) + "<Changes/>"

    def _execute_change_set(self, _: Mapping[str, str]) -> str:
        self.stack.status = "UPDATE_IN_PROGRESS"
        self.executed.set()
        return ""

    def _describe_stack_events(self, _: Mapping[str, str]) -> str:
        event = {
            "LogicalResourceId": self.stack.name,
            "ResourceType": "AWS::CloudFormation::Stack",
            "Timestamp": _now(),
        }
        event |= {"PhysicalResourceId": self.stack.arn, "StackId": self.stack.arn, "StackName": self.stack.name}
        event |= {"EventId": str(self.stack.status), "ResourceStatus": str(self.stack.status)}
        return _members("StackEvents", [event])

    def _get_template_summary(self, _: Mapping[str, str]) -> str:
        return _members("Parameters", [{"ParameterKey": name} for name in self._parameters])

    def _list_stack_resources(self, _: Mapping[str, str]) -> str:
        resources = {"HttpApi": "api-1"} | ({"PostgreSQL": self.stack.database} if self._has_database else {})
        rows = [{"LogicalResourceId": name, "PhysicalResourceId": identifier} for name, identifier in resources.items()]
        return _members("StackResourceSummaries", rows)

    def _set_stack_policy(self, parameters: Mapping[str, str]) -> str:
        self.stack.policies[parameters["StackName"]] = json.loads(parameters["StackPolicyBody"])
        return ""


def create_artifact_bucket(account: Account) -> str:
    """Create the SAM CLI's own stack, as after a first deployment in the account, and return the name of its bucket.

    The SAM CLI creates it by a change set, after which moto's stack has no outputs.
    """
    template = {
        "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}},
        "Outputs": {"SourceBucket": {"Value": {"Ref": "Bucket"}}},
    }
    environment = account.environment
    cloudformation = boto3.client(
        "cloudformation",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    tags = [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}]
    name = "aws-sam-cli-managed-default"
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template), Tags=tags)
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    cloudformation.close()
    return str(stack["Outputs"][0]["OutputValue"])


def sent_list(change_set: Mapping[str, str], name: str, key: str, value: str) -> dict[str, str]:
    """Return a list of pairs in a request's parameters, such as Tags with their Key and Value, as a dictionary."""
    prefix = f"{name}.member."
    numbers = sorted(
        {parameter[len(prefix) :].partition(".")[0] for parameter in change_set if parameter.startswith(prefix)}
    )
    return {change_set[f"{prefix}{n}.{key}"]: change_set.get(f"{prefix}{n}.{value}", PREVIOUS) for n in numbers}


def _now() -> str:
    return datetime.now(UTC).isoformat()  # the SAM CLI waits for an event after its start


def _xml(members: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in members.items())


def _members(name: str, rows: Sequence[Mapping[str, str]]) -> str:
    return f"<{name}>{''.join(f'<member>{_xml(row)}</member>' for row in rows)}</{name}>"


def _error(code: str, message: str) -> Response:
    body = f"<ErrorResponse><Error>{_xml({'Type': 'Sender', 'Code': code, 'Message': message})}</Error></ErrorResponse>"
    return Response(400, body.encode(), {"content-type": "text/xml"})
