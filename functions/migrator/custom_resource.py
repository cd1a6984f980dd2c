"""Response of a custom resource to CloudFormation.

Reference: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html.
It imports only the standard library, so that a missing package can be reported too.
"""

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

RESPONSE_SECONDS: Final = 30
"""Maximum duration of sending a response: all attempts and the pauses before them."""
_ATTEMPT_SECONDS: Final = 5
_PAUSES: Final = (0, 1, 2, 4)
_REASON_CHARACTERS: Final = 400
"""Maximum of characters in a reason.

The body may have 4,096 bytes (crpg-ref-responses). A character takes at most 6 bytes, the four ids less than 1,600.
"""


class ResponseNotSent(Exception):
    """Response that CloudFormation did not accept."""


def send_response(event: Mapping[str, Any], failure: str | None) -> None:
    """Send the result of an event to CloudFormation. Raises ResponseNotSent.

    failure: sentence with the reason of a failure; None: success.
    """
    body = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": (failure or "")[:_REASON_CHARACTERS],
        # A changed id means a replacement, after which CloudFormation deletes the old resource.
        "PhysicalResourceId": event.get("PhysicalResourceId") or f"{event['StackId']}/{event['LogicalResourceId']}",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    _put(event["ResponseURL"], json.dumps(body, ensure_ascii=False).encode(errors="replace"))


def _put(url: str, body: bytes) -> None:
    outcome: object = None
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            outcome = _status_of_put(url, body)
        except (OSError, HTTPException) as error:
            outcome = type(error).__name__
        if outcome == 200:
            return
    raise ResponseNotSent(f"The CloudFormation response URL returned {outcome}.")


def _status_of_put(url: str, body: bytes) -> int:
    # Not urllib.request: it adds a content type, which the URL's signature does not cover.
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.netloc, timeout=_ATTEMPT_SECONDS)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", body)
        return connection.getresponse().status
    finally:
        connection.close()
