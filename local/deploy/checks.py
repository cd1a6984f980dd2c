"""Requirements of a deployment, checked before anything is built."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from local.deploy.failure import DeployFailed
from local.deploy.preset import Preset
from local.sam.cli import RUNTIME, finds_python

CREDENTIALS: Final = (
    "run `aws configure`, or name a profile with AWS_PROFILE, or export the credentials of the AWS CLI: "
    'eval "$(aws configure export-credentials --format env)"'
)

_RETENTION: Final = re.compile(r"\bRetentionDays(?:=|,ParameterValue=)\"?(\d+)")
"""Retention in both forms of parameters that the SAM CLI accepts. 0 stores every market."""


def aws_session(region: str | None, profile: str | None) -> Any:
    """Return a session with a region and with credentials that AWS accepts. Raises DeployFailed.

    region, profile: those of the command or of the preset. Otherwise the environment and AWS's own files decide.
    """
    try:
        session = boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None)
        if session.region_name is None:
            raise DeployFailed('no region: set AWS_REGION, such as AWS_REGION=us-east-1, or ARGS="--region us-east-1"')
        session.client("sts").get_caller_identity()
    except NoCredentialsError:
        raise DeployFailed(f"no AWS credentials: {CREDENTIALS}") from None
    except (BotoCoreError, ClientError, ValueError) as error:
        raise DeployFailed(f"AWS rejects the request, or there is no way to it ({error}): {CREDENTIALS}") from None
    return session


def check_python() -> None:
    """Check that `sam build` finds the Python of the functions. Raises DeployFailed."""
    if not finds_python():
        raise DeployFailed(f"sam build requires {RUNTIME} on PATH: install it, or select it (pyenv, uv)")


def check_retention(deployed: Mapping[str, str], preset: Preset, added: Iterable[str]) -> None:
    """Check that the preset does not delete markets that the stack stores. Raises DeployFailed.

    deployed: parameters of the stack.
    added: parameters of the command. A retention among them is on purpose.
    """
    days = _RETENTION.findall(" ".join(preset.parameters))
    if "RetentionDays" not in deployed or not days or _RETENTION.search(" ".join(added)):
        return
    before, after = int(deployed["RetentionDays"]), int(days[-1])
    if after == 0 or (before != 0 and after >= before):
        return
    raise DeployFailed(
        f"the stack has RetentionDays={before}, but the preset {preset.name} sets RetentionDays={after}: the crawler "
        f"would delete every market that was settled more than {after} days ago. To keep them, write "
        f"RetentionDays={before} into the parameter_overrides of the preset in samconfig.toml. To delete them, add "
        f'ARGS="--parameter-overrides RetentionDays={after}".'
    )
