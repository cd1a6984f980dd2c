"""GET /lake: pages of closed days, and signed URLs where the operator allows them."""

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import httpx
import pytest

from kalshi_markets.lake.objects import ChangesObject, changes_key, compress, manifest_key, manifest_of
from kalshi_markets.lake.storage import FolderStorage, LakeStorage, S3Storage
from tests.support.api_client import ApiClient, error
from tests.support.aws import Account

FIRST = date(2026, 11, 20)
DAYS = 5


def fill(storage: LakeStorage, days: int = DAYS) -> None:
    """Write two objects of each day, and the manifests of all days but the last one."""
    after = 100
    for number in range(days):
        day, objects = FIRST + timedelta(days=number), []
        for lines in (3, 2):
            body = compress("".join(f'{{"change_number":{after + line + 1}}}\n' for line in range(lines)))
            storage.put(changes_key(day, after), body)
            objects.append(ChangesObject.of(after, day, body))
            after += lines
        if number < days - 1:
            storage.put(manifest_key(day, objects[0].after), manifest_of(objects))


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    storage = FolderStorage(tmp_path)
    fill(storage)
    return storage


@pytest.fixture
def client(environment: dict[str, str], folder: FolderStorage) -> Iterator[ApiClient]:
    client = ApiClient(environment | {"LAKE_URL": folder.root.as_uri(), "LAKE_SIGNED_URLS": "true"})
    yield client
    client.close()


def days(client: ApiClient, url: str) -> tuple[list[dict[str, Any]], str | None]:
    answer = client.get(url)
    assert answer.status == 200, answer.text
    assert answer.json["count"] == len(answer.json["items"])
    return answer.json["items"], answer.json["next_url"]


def test_a_day_has_its_objects_lines_and_changes(client: ApiClient, folder: FolderStorage) -> None:
    [newest, *_], _ = days(client, "/lake")
    size = sum(item.size for item in folder.list("changes/day=2026-11-23/"))
    assert newest == {"day": "2026-11-23", "objects": 2, "lines": 5, "bytes": size, "after": 115, "last": 120}


def test_pages_have_each_closed_day_once_the_newest_first(client: ApiClient) -> None:
    url: str | None = "/lake?limit=3"
    pages = []
    while url:
        items, url = days(client, url)
        pages.append([item["day"] for item in items])
    assert pages == [["2026-11-23", "2026-11-22", "2026-11-21"], ["2026-11-20"]]


def test_days_after_the_cursor_are_not_on_the_page(client: ApiClient) -> None:
    items, url = days(client, "/lake?cursor=2026-11-21")
    assert [item["day"] for item in items] == ["2026-11-20"]
    assert url is None


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=20261121", "cursor=2026-02-30", "cursor=2026-W01-1"])
def test_an_invalid_parameter_is_rejected(client: ApiClient, query: str) -> None:
    error(client.get(f"/lake?{query}"), 422, "invalid_parameter")


def test_an_unknown_parameter_is_rejected(client: ApiClient) -> None:
    error(client.get("/lake?format=csv"), 422, "unknown_parameter")


def test_without_a_lake_there_is_a_hint(environment: dict[str, str]) -> None:
    client = ApiClient(environment)
    assert "LAKE_URL" in error(client.get("/lake"), 404, "lake_not_found")["hint"]
    client.close()


def test_a_storage_that_fails_is_unavailable(environment: dict[str, str], tmp_path: Path) -> None:
    client = ApiClient(environment | {"LAKE_URL": tmp_path.as_uri()})
    with mock.patch.object(Path, "rglob", side_effect=OSError(5, "Input/output error")):
        error(client.get("/lake"), 503, "lake_unavailable")
    client.close()


@pytest.fixture
def bucket(aws: Account) -> str:
    """Return the URL of a lake in S3, with another prefix for each test."""
    boto3.client("s3").create_bucket(Bucket="lake")
    prefix = uuid.uuid4().hex
    fill(S3Storage("lake", prefix))
    return f"s3://lake/{prefix}"


def test_signed_urls_are_in_the_response_only_where_allowed(environment: dict[str, str], bucket: str) -> None:
    for allowed in ("false", "true"):
        client = ApiClient(environment | {"LAKE_URL": bucket, "LAKE_SIGNED_URLS": allowed})
        page = client.get("/lake?limit=1").json
        assert ("urls" in page["items"][0], "urls_expire_at" in page) == (allowed == "true", allowed == "true")
        client.close()
    first, second = page["items"][0]["urls"]
    assert "X-Amz-Expires=3600" in first
    with httpx.Client() as http:
        assert http.get(first).content == compress("".join(f'{{"change_number":{n}}}\n' for n in (116, 117, 118)))
        assert http.get(second).status_code == 200


def test_a_page_that_is_too_large_continues_on_the_next_one(environment: dict[str, str], bucket: str) -> None:
    client = ApiClient(environment | {"LAKE_URL": bucket, "LAKE_SIGNED_URLS": "true"})
    long = "https://bucket.example/" + "x" * 2_000_000
    with mock.patch.object(S3Storage, "signed_url", return_value=long):
        answer = client.get("/lake")
    assert answer.json["truncated"]
    assert [item["day"] for item in answer.json["items"]] == ["2026-11-23"]
    assert answer.json["next_url"] == "/lake?cursor=2026-11-23"
    client.close()
