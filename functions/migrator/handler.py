"""Handler of the migrator function: migrations, rotations of passwords, and SQL of operators.

Its modules are imported when it runs, so that a failed import is reported to CloudFormation.
"""

import logging
from typing import TYPE_CHECKING, Any

from migrator.custom_resource import send_response

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Apply the migrations, run a step of a rotation, or run a statement of an operator.

    Statement ({"sql": …}): return the result of migrator.sql.run_sql.
    Step of a rotation: return the result of migrator.rotation.rotate and raise its errors.
    Manual event: return the result of migrator.run.run and raise its errors.
    CloudFormation event: send the response and return {"failure": a sentence or None}. A Delete does nothing. Raises
    ResponseNotSent, after which Lambda retries the event. If all migrations are applied, a retry only sends a response.
    """
    if "sql" in event:
        return _run_sql(event, context)
    if "Step" in event:
        return _rotate(event, context)
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


def _run_sql(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    from migrator.sql import run_sql

    return run_sql(event, context)


def _rotate(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    from migrator.rotation import rotate

    return rotate(event, context)


def _reason(error: Exception, request_id: str) -> str:
    """Return the reason for CloudFormation: the message of our errors and of ImportError, else the class name.

    Messages of our errors contain no secrets.
    """
    ours = type(error).__module__.startswith(("kalshi_markets.", "migrator."))
    message = str(error) if ours or isinstance(error, ImportError) else f"the migrator failed: {type(error).__name__}."
    return f"{message} See its log, request {request_id}."
