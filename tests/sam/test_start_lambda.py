"""`sam local start-lambda`, called by the AWS SDK."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from anyio.from_thread import BlockingPortal
from botocore.exceptions import ClientError

from local.lambda_runtime.sandbox import REGION
from local.sam.cli import Sam
from tests.sam.conftest import EVENTS, serving


@pytest.fixture(scope="module")
def client(portal: BlockingPortal, sam: Sam, crawled: dict[str, Any]) -> Iterator[Any]:
    with serving(portal, sam, "start-lambda") as url:
        client = boto3.client(
            "lambda", endpoint_url=url, region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local"
        )
        yield client
        client.close()


def invoke(client: Any, function: str, event: str) -> Any:
    answer = client.invoke(FunctionName=function, Payload=(EVENTS / f"{event}.json").read_bytes())
    assert answer["StatusCode"] == 200
    return json.loads(answer["Payload"].read())


def test_each_function_answers_its_event(client: Any) -> None:
    assert json.loads(invoke(client, "ApiFunction", "get-health")["body"]) == {"status": "ok", "database": "ok"}
    assert invoke(client, "MigratorFunction", "schedule")["applied"] == []
    assert invoke(client, "CrawlerFunction", "schedule")["outcome"] == "idle"


def test_candlesticks_are_fetched_with_the_key_of_the_secret(client: Any) -> None:
    answer = invoke(client, "ApiFunction", "post-candlesticks")
    assert answer["statusCode"] == 200
    [result] = json.loads(answer["body"])["results"]
    assert result["error"]


def test_an_unknown_function_is_an_error(client: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.invoke(FunctionName="Nosuch", Payload=b"{}")
