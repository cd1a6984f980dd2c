"""Path of an event, decoded once for every source."""

from typing import Any

import pytest
from mangum.handlers import ALB, APIGateway, HTTPGateway
from mangum.types import LambdaConfig

from api.lambda_events import decoded_path, is_http_request

CONFIG = LambdaConfig(api_gateway_base_path="/", text_mime_types=[], exclude_headers=[])
SENT, DECODED = "/markets/100%2525%20A", "/markets/100%25 A"
REST: dict[str, Any] = {"resource": "/{proxy+}", "path": SENT, "httpMethod": "GET", "requestContext": {}}


def http_api(path: str, domain: str) -> dict[str, Any]:
    http = {"method": "GET", "path": path, "sourceIp": "::1"}
    return {"version": "2.0", "rawPath": path, "requestContext": {"http": http, "domainName": domain}}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (http_api(DECODED, "id.execute-api.us-east-1.amazonaws.com"), HTTPGateway),
        (http_api(SENT, "id.lambda-url.us-east-1.on.aws"), HTTPGateway),
        ({**REST, "version": "1.0", "path": DECODED}, HTTPGateway),
        (REST, APIGateway),
        ({**REST, "requestContext": {"elb": {}}, "headers": {}, "queryStringParameters": {}}, ALB),
    ],
)
def test_a_percent_sign_in_a_path_is_decoded_once(event: dict[str, Any], kind: Any) -> None:
    assert is_http_request(event)
    assert kind.infer(event, None, CONFIG)
    assert (decoded_path(event) or kind(event, None, CONFIG).scope["path"]) == DECODED
