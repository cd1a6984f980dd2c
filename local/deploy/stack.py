"""Stack in CloudFormation: its status, its outputs, and the stack policies that protect its database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from local.deploy.failure import DeployFailed

DATABASE_STACK: Final = "PostgreSQL"
"""Logical id of the nested stack in template.yaml."""
DATABASE: Final = "Instance"
"""Logical id of the database in infra/database.yaml."""
NEVER_DEPLOYED: Final = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
"""Statuses after which CloudFormation can only delete the stack."""
NO_STACK: Final = (None, "REVIEW_IN_PROGRESS")
"""Statuses before a first deployment. A stack whose change set was not executed is in review."""


def policy(logical_id: str) -> str:
    """Return the stack policy that allows every update but the replacement and the deletion of one resource."""
    statement = {"Principal": "*", "Action": "Update:*", "Effect": "Allow", "Resource": "*"}
    denied = {"Action": ["Update:Replace", "Update:Delete"], "Resource": f"LogicalResourceId/{logical_id}"}
    return json.dumps({"Statement": [statement, {**statement, **denied, "Effect": "Deny"}]})


class Stack:
    """Stack by its name. All methods raise DeployFailed if AWS does not respond or rejects the request.

    region: region of the stack, for the commands in messages.
    """

    def __init__(self, cloudformation: Any, name: str, region: str) -> None:
        self._cloudformation = cloudformation
        self._name = name
        self._region = region

    def status(self) -> str | None:
        """Return the status of the stack, or None if there is none."""
        return (self._describe() or {}).get("StackStatus")

    def outputs(self) -> dict[str, str]:
        """Return the outputs of the stack by name."""
        return {output["OutputKey"]: output["OutputValue"] for output in (self._describe() or {}).get("Outputs", [])}

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the stack by name; none before a first deployment."""
        stack = self._describe() or {}
        listed = [] if stack.get("StackStatus") in NO_STACK else stack.get("Parameters", [])
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in listed}

    def protect_database(self) -> bool:
        """Set the policies that keep the database, and return whether the stack has one."""
        database = self._physical_id(DATABASE_STACK)
        if database is None:
            return False
        with reported("the stack policies cannot be set, so the next release may replace the database"):
            for stack, logical_id in ((self._name, DATABASE_STACK), (database, DATABASE)):
                self._cloudformation.set_stack_policy(StackName=stack, StackPolicyBody=policy(logical_id))
        return True

    def check_deployable(self) -> None:
        """Check that CloudFormation accepts an update of the stack, or its creation. Raises DeployFailed."""
        status = self.status()
        if status in NO_STACK or status is None:
            return
        if status in NEVER_DEPLOYED:
            raise DeployFailed(f"the stack {self._name} is {status}. {self.removal()}")
        if status == "UPDATE_ROLLBACK_FAILED":
            command = f"aws cloudformation continue-update-rollback --stack-name {self._name} --region {self._region}"
            raise DeployFailed(f"the stack {self._name} is {status}: correct the cause in its events, then {command}")
        if status.endswith("_IN_PROGRESS"):
            raise DeployFailed(f"the stack {self._name} is {status}: wait for its end, then repeat the command.")

    def removal(self) -> str:
        """Return the sentences that say how to remove a first deployment that failed."""
        return (
            "CloudFormation can only delete it, and what is left of it costs. Its events give the reason. "
            "Remove it, then deploy again: "
            f".venv-sam/bin/sam delete --stack-name {self._name} --region {self._region}\n"
            "If the database is protected from deletion, remove the protection first: "
            "docs/operations.md, Taking it down."
        )

    def _describe(self) -> dict[str, Any] | None:
        with reported("the stack cannot be read"):
            try:
                [stack] = self._cloudformation.describe_stacks(StackName=self._name)["Stacks"]
            except ClientError as error:
                if error.response["Error"]["Message"].endswith("does not exist"):
                    return None
                raise
        description: dict[str, Any] = stack
        return description

    def _physical_id(self, logical_id: str) -> str | None:
        with reported("the resources of the stack cannot be read"):
            pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self._name)
            for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
                if resource["LogicalResourceId"] == logical_id:
                    return str(resource["PhysicalResourceId"])
        return None


@contextmanager
def reported(problem: str) -> Iterator[None]:
    """Turn an error of AWS, or of the way to it, into DeployFailed."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DeployFailed(f"{problem}: {error}") from None
