"""The migrator function: CloudFormation's custom resource at a deployment, or by hand with any other event.

What it needs is imported when it runs, so that CloudFormation is told of an import that fails.
"""

import logging
from typing import TYPE_CHECKING, Any

from migrator.custom_resource import send_response

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """By hand: returns and raises what migrator.run.run does.

    For CloudFormation: returns {"failure": a sentence or None}, as it was answered. A Delete does nothing. Raises
    ResponseNotSent, after which Lambda repeats the event; a second run finds nothing to do but to answer.
    """
    if "ResponseURL" not in event:
        return _run(event, context)
    failure = None
    try:
        if event["RequestType"] != "Delete":
            _run(event, context)
    except Exception as error:
        logging.exception("migration failed")
        failure = _reason(error, context.aws_request_id)
    send_response(event, failure)
    return {"failure": failure}


def _run(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    from migrator.run import run

    return run(event, context)


def _reason(error: Exception, request_id: str) -> str:
    """The error's own message where it is one of ours, which hold no secret, or an import's; else its kind."""
    ours = type(error).__module__.startswith(("kalshi_markets.", "migrator."))
    message = str(error) if ours or isinstance(error, ImportError) else f"the migrator failed: {type(error).__name__}."
    return f"{message} See its log, request {request_id}."
