"""Result of an invocation by the SAM CLI, from its output."""

import pytest

from local.lambda_runtime.lambda_errors import FunctionError, FunctionTimeout, SandboxEnded
from local.sam.cli import parse_response

ERROR = '{"errorMessage": "no good", "errorType": "ValueError", "requestId": "1", "stackTrace": ["  File"]}'


def test_a_response_is_given_as_it_is() -> None:
    assert parse_response('{"statusCode": 200}\n', "START RequestId: 1\n") == b'{"statusCode": 200}'
    assert parse_response("null\n", "") == b"null"


def test_nothing_at_all_is_a_timeout_only_if_it_says_so() -> None:
    with pytest.raises(FunctionTimeout, match=r"^Function 'F' timed out after 3 seconds$"):
        parse_response("", "Function 'F' timed out after 3 seconds\nNo response from invoke container for F\n")
    with pytest.raises(SandboxEnded, match=r"^No response from invoke container for F$"):
        parse_response("\n", "No response from invoke container for F\n\n")


def test_a_reported_error_is_the_functions() -> None:
    with pytest.raises(FunctionError) as raised:
        parse_response(ERROR, "")
    assert (raised.value.error_type, raised.value.message) == ("ValueError", "no good")
