"""The lake in S3: conditional writes, errors, and the rights that an export needs."""

import itertools
import math
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from crawler.jobs.lake import EXPORT_INTERVAL
from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENTS, SERIES
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES, lake_type
from kalshi_markets.lake.objects import BACKLOG_PREFIX, CHANGES_PREFIX, MARKER_KEY, changes_key
from kalshi_markets.lake.storage import LakeUnavailable, S3Storage
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lake.check import check
from tests.integration.test_aws_calls import statements_of
from tests.lake import audit
from tests.lake.scenario import run_schedule
from tests.support.api_client import crawl, variables
from tests.support.aws import Account
from tests.support.aws_proxy import DOWN, AwsProxy
from tests.support.database import connect, truncate_all

KEY = changes_key(date(2026, 11, 28), 7)


@pytest.fixture
def bucket(aws: Account) -> Iterator[str]:
    """Create an empty bucket."""
    client = boto3.client("s3")
    name = f"lake-{uuid.uuid4()}"
    client.create_bucket(Bucket=name)
    yield name
    client.close()


@pytest.fixture
def storage(bucket: str) -> Iterator[S3Storage]:
    storage = S3Storage(bucket, "")
    yield storage
    storage._client.close()


@pytest.fixture
def through_proxy(storage: S3Storage, aws_proxy: AwsProxy, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    """Return the storage as seen through the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_proxy.address)
    return storage


def test_the_first_object_of_a_key_stays(storage: S3Storage) -> None:
    assert storage.put(KEY, b"first")
    assert not storage.put(KEY, b"second")
    assert storage.get(KEY) == b"first"


def test_a_missing_object_is_none(storage: S3Storage) -> None:
    assert storage.get(KEY) is None


def test_objects_are_listed_in_the_order_of_their_keys_over_pages(
    storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # of a page; S3 has 1,000
    keys = [changes_key(date(2026, 11, 28), number) for number in range(25)]
    for key in keys:
        assert storage.put(key, b"1")
    storage.put("lake.json", b"{}")
    assert [(item.key, item.size) for item in storage.list("changes/")] == [(key, 1) for key in keys]


def test_a_prefix_separates_lakes_in_one_bucket(bucket: str, storage: S3Storage) -> None:
    nested = S3Storage(bucket, "a/b")
    assert nested.put(KEY, b"1")
    assert [item.key for item in nested.list("changes/")] == [KEY]
    assert [item.key for item in storage.list("a/b/changes/")] == [f"a/b/{KEY}"]
    assert storage.put(KEY, b"2")
    nested._client.close()


def test_a_write_that_meets_another_one_is_repeated(through_proxy: S3Storage, aws_proxy: AwsProxy) -> None:
    aws_proxy.faults = iter(["ConditionalRequestConflict"])
    assert through_proxy.put(KEY, b"1")
    assert [action for action, _ in aws_proxy.calls] == ["s3:PutObject"] * 2


def test_a_write_that_always_meets_another_one_is_an_outage(through_proxy: S3Storage, aws_proxy: AwsProxy) -> None:
    aws_proxy.faults = iter(["ConditionalRequestConflict"] * 3)
    with pytest.raises(LakeUnavailable, match=f"s3://.*/{KEY} is unavailable"):
        through_proxy.put(KEY, b"1")
    assert through_proxy.get(KEY) is None


@pytest.mark.parametrize("fault", ["AccessDenied", "SlowDown", DOWN])
def test_an_outage_is_reported_with_its_place(
    through_proxy: S3Storage, aws_proxy: AwsProxy, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    calls: list[Any] = [
        lambda: through_proxy.put(KEY, b"1"),
        lambda: through_proxy.get(KEY),
        lambda: list(through_proxy.list("changes/")),
    ]
    for call in calls:
        aws_proxy.faults = itertools.repeat(fault)
        with pytest.raises(LakeUnavailable, match=r"^the lake at s3://lake-.*/changes/.* is unavailable"):
            call()


def test_after_a_random_schedule_every_version_is_in_the_bucket_once(
    environment: dict[str, str], bucket: str, storage: S3Storage, tmp_path: Path
) -> None:
    database = connect(environment)
    audit.install(database)
    differences, counts = run_schedule(environment, tmp_path, 7, lambda _: storage)
    database.execute_script("DROP TABLE audit; DROP FUNCTION audit CASCADE")
    database.close()
    assert differences == []
    assert min(counts[step] for step in ("commit", "write", "record and crash", "take over")) > 0


class Export(NamedTuple):
    """Result of crawls with a lake.

    calls: IAM action and key of each request to S3.
    versions: versions in the changes and in the backlog.
    """

    calls: list[tuple[str, str]]
    versions: list[dict[str, Any]]


class Crawl(NamedTuple):
    """Crawler with an empty database, a simulated exchange and a lake in an empty bucket.

    settings: environment of the crawler.
    proxy: proxy that records the requests to S3.
    """

    database: Database
    settings: dict[str, str]
    bucket: str
    proxy: AwsProxy

    def run(self, **settings: str) -> None:
        """Run every job of the crawler. settings: further settings."""
        self.database.execute("UPDATE kalshi_markets_jobs SET started_at = started_at - interval '2 days'")
        summary = crawl(self.settings | settings)
        assert summary["outcome"] == "idle", summary

    def delete_some_markets(self) -> None:
        """Delete a tenth of the markets, which the next crawl adds."""
        for table in ("quotes", "details"):
            self.database.execute(f"DELETE FROM kalshi_markets_{table} WHERE ticker LIKE '%1'")

    def calls(self) -> list[tuple[str, str]]:
        """Return IAM action and key of each request to S3 so far."""
        return [
            (action, name.removeprefix(f"{self.bucket}/")) for action, name in self.proxy.calls if action[:3] == "s3:"
        ]


@contextmanager
def crawl_into_a_bucket(environment: dict[str, str], account: Account) -> Iterator[Crawl]:
    database = connect(environment)
    truncate_all(database)
    bucket = f"lake-{uuid.uuid4()}"
    with variables(account.environment), AwsProxy(account) as proxy:
        client = boto3.client("s3")
        client.create_bucket(Bucket=bucket)
        client.close()
        with ExchangeServer(generate(3, 300, Clock())) as exchange:
            own = {"EXCHANGE_RATE": "1000", "EXCHANGE_URL": exchange.url, "LAKE_URL": f"s3://{bucket}"}
            yield Crawl(database, environment | proxy.environment | own, bucket, proxy)
    database.close()


@pytest.fixture(scope="module")
def export(environment: dict[str, str], account: Account) -> Iterator[Export]:
    """Crawl with a lake, through each path of an export."""
    with crawl_into_a_bucket(environment, account) as crawler:
        database = crawler.database
        crawler.run(LAKE_URL="")
        # The lake is new, and there are markets: the backlog.
        crawler.run()
        # Markets that come anew are changes.
        crawler.delete_some_markets()
        crawler.run()
        crawler.run()
        # A day ends.
        database.execute("CREATE TABLE kept AS SELECT * FROM kalshi_markets_lake_objects")
        database.execute("UPDATE kalshi_markets_lake_objects SET day = day - 1")
        crawler.run()
        # A run ends after it has written an object of changes and a manifest, before it records them.
        for statement in UNRECORD:
            database.execute(statement)
        crawler.run()
        storage = S3Storage(crawler.bucket, "")
        assert check(storage, lambda text: None).is_complete
        yield Export(crawler.calls(), [*audit.lines(storage), *audit.lines(storage, BACKLOG_PREFIX)])
        storage._client.close()
        database.execute("DROP TABLE kept")


UNRECORD = (
    """
    INSERT INTO kalshi_markets_lake_objects (after, last, lines, size, sha256, day)
    SELECT after, last, lines, size, sha256, day - 1 FROM kept""",
    "UPDATE kalshi_markets_lake SET exported = (SELECT max(after) FROM kept)",
    """
    INSERT INTO kalshi_markets_outbox (number, after, day, bytes, lines)
    SELECT last, after, day, 2, '{}' FROM kept ORDER BY after DESC LIMIT 1""",
)


def test_the_crawler_may_do_what_an_export_does_and_no_more(export: Export) -> None:
    called = {(action, key if key == "lake.json" else f"{key.split('/')[0]}/*") for action, key in export.calls}
    statements = [statement for statement in statements_of("crawler") if statement[0].startswith("s3:")]
    # Without s3:ListBucket, the response of S3 for a missing object is a 403 instead of a 404.
    assert statements.pop() == ("s3:ListBucket", {"Fn::GetAtt": ["LakeStorage", "Outputs.BucketArn"]})
    objects = "${LakeStorage.Outputs.BucketArn}/"
    assert called == {(action, resource["Fn::Sub"].removeprefix(objects)) for action, resource in statements}


def test_a_day_has_288_writes_or_fewer(environment: dict[str, str], account: Account) -> None:
    """Count the writes of an export in a lake that exists. A day has the exports, a manifest and two snapshots."""
    with crawl_into_a_bucket(environment, account) as crawler:
        crawler.run()
        crawler.run()
        crawler.delete_some_markets()
        before = len(crawler.calls())
        crawler.run()
        crawler.run()
        calls = crawler.calls()[before:]
    exports = calls.count(("s3:GetObject", MARKER_KEY))
    writes = [name for action, name in calls if action == "s3:PutObject"]
    changes = [name for name in writes if name.startswith(CHANGES_PREFIX)]
    assert 0 < len(changes) <= exports == 2
    assert len(writes) - len(changes) <= 2 * len([EVENTS, SERIES]), writes
    assert math.ceil(timedelta(days=1) / EXPORT_INTERVAL) + len(["manifest", EVENTS, SERIES]) <= 288


FORMATS = {
    "bigint": r"-?\d+",
    "boolean": "true|false",
    "decimal(12,6)": r"-?\d{1,6}(\.\d{1,6})?",
    "decimal(18,2)": r"-?\d{1,16}(\.\d{1,2})?",
    "decimal(38,10)": r"-?\d{1,28}(\.\d{1,10})?",
    "string": r"(?s).*",
    "timestamp": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}",
}
"""Texts that Athena casts to a type of the lake without rounding. A bigint must not have decimal places."""


def test_every_value_of_a_crawl_can_be_cast_to_its_type(export: Export) -> None:
    details = [version["details"] for version in export.versions if version["details"]]
    assert len(export.versions) >= len(details) > 100
    for columns, rows in ((LAKE_QUOTES, export.versions), (LAKE_DETAILS, details)):
        for column in columns:
            values = {row[column.name] for row in rows} - {None}
            texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
            assert [text for text in texts if not re.fullmatch(FORMATS[lake_type(column)], text)] == [], column.name
