"""How a custom resource answers CloudFormation (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html).

Only the standard library is imported, so that a package that is missing can be told too.
"""

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

RESPONSE_SECONDS: Final = 30
"""What answering takes at most: all attempts and the pauses before them."""
_ATTEMPT_SECONDS: Final = 5
_PAUSES: Final = (0, 1, 2, 4)
_REASON_CHARACTERS: Final = 400
"""The body may have 4,096 bytes (crpg-ref-responses). A character takes 6 at most, the four ids less than 1,600."""


class ResponseNotSent(Exception):
    """CloudFormation could not be told."""


def send_response(event: Mapping[str, Any], failure: str | None) -> None:
    """Tells CloudFormation that what it asked for is done, or why not. failure: a sentence. Raises ResponseNotSent."""
    body = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": (failure or "")[:_REASON_CHARACTERS],
        # Another one than before would be a replacement, after which the old resource is deleted.
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
    # Not urllib.request: it adds a content type, for which the URL is not signed.
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.netloc, timeout=_ATTEMPT_SECONDS)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", body)
        return connection.getresponse().status
    finally:
        connection.close()
