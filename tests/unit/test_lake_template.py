"""The template of the lake agrees with the columns, the objects and the limits of AWS."""

import json
import re
from typing import Any

import pytest

from kalshi_markets.lake import objects
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES, lake_type
from local.tools import lake_sql
from local.tools.lake_sql import CHANGES_DAYS, DETAILS, QUOTES, TABLES, backlog_sql, create_sql, insert_sql
from local.tools.templates import template

RESOURCES: dict[str, Any] = template("infra/lake.yaml")["Resources"]
STACK = "51af3dc0-da77-11e4-872e-1234567db123"
TIME = "2026-11-28T01:00:00Z"
"""Form of <aws.scheduler.scheduled-time> (docs.aws.amazon.com/scheduler, context attributes)."""


def of_type(kind: str) -> dict[str, Any]:
    """Return the properties of all resources of a type, by logical id."""
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


SCHEDULES = of_type("AWS::Scheduler::Schedule")
QUERIES = of_type("AWS::Athena::NamedQuery")


def request(schedule: str) -> dict[str, Any]:
    """Return the request that Scheduler sends to Athena. Names of resources stand for themselves."""
    text, variables = SCHEDULES[schedule]["Target"]["Input"]["Fn::Sub"]
    assert variables == {"Stack": {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}}
    text = re.sub(r"\$\{(\w+)\}", lambda match: STACK if match[1] == "Stack" else match[1], text)
    body: dict[str, Any] = json.loads(text.replace("<aws.scheduler.scheduled-time>", TIME))
    return body


def test_the_generated_part_is_what_the_columns_say() -> None:
    text = lake_sql.PAGE.read_text(encoding="utf-8")
    assert text == lake_sql.render(text), "renew it: python -m local.tools.lake_sql"


def test_the_tables_have_the_columns_of_the_lake() -> None:
    assert list(QUOTES.columns) == [(column.name, lake_type(column)) for column in LAKE_QUOTES]
    assert {*DETAILS.columns} == {
        *((column.name, lake_type(column)) for column in LAKE_DETAILS),
        ("change_number", "bigint"),
        ("changed_at", "timestamp"),
    }
    for name in ("ChangesRaw", "BacklogRaw"):
        columns = RESOURCES[name]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
        assert [(column["Name"], column["Type"]) for column in columns] == lake_sql.raw_columns()


def test_the_raw_tables_have_the_members_of_a_line() -> None:
    columns = dict(lake_sql.raw_columns())
    assert [*columns] == [*(column.name for column in LAKE_QUOTES), "details", "gap", "after"]
    members = re.findall(r"(\w+):(\w+)", columns["details"])
    assert [name for name, _ in members] == [column.name for column in LAKE_DETAILS]
    assert {kind for _, kind in members} == {"string", "bigint", "boolean"}
    # docs.aws.amazon.com/glue/latest/webapi/API_Column.html
    assert len(columns["details"]) <= 131_072


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_insert_has_a_value_for_each_column_in_its_order(table: lake_sql.LakeTable) -> None:
    for sql in (insert_sql(table, 3), backlog_sql(table)):
        parts = re.fullmatch(r"INSERT INTO \w+ \((.*?)\) SELECT (.*?) FROM .*", sql)
        assert parts is not None
        names = parts[1].split(", ")
        values = re.split(r", (?![^()]*\))", parts[2].replace("'month', ", ""))
        assert names == [*(name for name, _ in table.columns), "day"]
        assert len(values) == len(names)
        for name, value in list(zip(names, values, strict=True))[:-1]:
            assert re.fullmatch(rf"(CAST\()?r\.(details\.)?{name}( AS [a-z]+(\([0-9,]+\))?\))?", value), value
    created = create_sql(table, "s3://bucket/x/")
    assert [
        pair.split()[0] for pair in re.split(r", (?![^()]*\))", created.split("(", 1)[1].split(") PART")[0])
    ] == names


def test_a_timestamp_keeps_its_microseconds_and_a_number_its_type() -> None:
    sql = insert_sql(QUOTES, 3)
    assert "CAST(r.changed_at AS timestamp(6))" in sql
    assert not re.search(r"AS timestamp\)", sql)
    assert "CAST(r.yes_bid_dollars AS decimal(12,6))" in sql
    assert "double" not in sql


def test_the_schedules_start_their_statements_in_order() -> None:
    times = {name: schedule["ScheduleExpression"] for name, schedule in SCHEDULES.items()}
    assert times == {
        "CreateQuotes": "cron(50 0 * * ? *)",
        "CreateDetails": "cron(50 0 * * ? *)",
        "InsertQuotes": "cron(0 1 * * ? *)",
        "InsertDetails": "cron(5 1 * * ? *)",
        "OptimizeQuotes": "cron(0 2 ? * SUN *)",
        "OptimizeDetails": "cron(5 2 ? * SUN *)",
        "VacuumQuotes": "cron(0 3 ? * SUN *)",
        "VacuumDetails": "cron(5 3 ? * SUN *)",
    }
    for schedule in SCHEDULES.values():
        assert "ScheduleExpressionTimezone" not in schedule  # UTC
        [endpoint] = schedule["Target"]["Arn"].values()
        assert endpoint == "arn:${AWS::Partition}:scheduler:::aws-sdk:athena:startQueryExecution"
        assert schedule["Target"]["DeadLetterConfig"] == {"Arn": {"Ref": "FailedRuns"}}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_sends_a_valid_request(name: str) -> None:
    body = request(name)
    # docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
    assert body.keys() == {"QueryString", "QueryExecutionContext", "WorkGroup", "ClientRequestToken"}
    assert body["QueryExecutionContext"] == {"Database": "Database"}
    assert body["WorkGroup"] == "UpkeepWorkGroup"
    assert 32 <= len(body["ClientRequestToken"]) <= 128
    assert body["ClientRequestToken"].endswith(TIME)
    [statement] = [statement for statement in lake_sql.scheduled() if statement.name == name]
    assert body["QueryString"] == statement.sql.replace("${Bucket}", "Bucket")


def test_a_statement_of_two_schedules_is_never_taken_for_one() -> None:
    tokens = [request(name)["ClientRequestToken"] for name in SCHEDULES]
    assert len({*tokens}) == len(tokens)


def test_the_limits_of_aws() -> None:
    for schedule in SCHEDULES.values():
        text, _ = schedule["Target"]["Input"]["Fn::Sub"]
        assert len(text) + 200 <= 8192, "with the names of the resources"
    for query in QUERIES.values():
        assert len(query["QueryString"]) <= 262_144
        assert 1 <= len(query["Name"]) <= 128
        assert 1 <= len(query["Description"]) <= 1024
    # docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert len(RESOURCES) <= 500
    assert lake_sql.PAGE.stat().st_size <= 1_000_000


def test_the_named_queries() -> None:
    assert [query["Name"] for query in QUERIES.values()] == [
        *("Markets now", "Settlements", "Hourly mids", "As of a moment", "Completeness"),
        *("Catch up quotes", "Catch up details", "Backlog of quotes", "Backlog of details"),
    ]
    assert {query["WorkGroup"]["Ref"] for query in QUERIES.values()} == {"WorkGroup"}
    by_name = {query["Name"]: " ".join(query["QueryString"].split()) for query in QUERIES.values()}
    assert by_name["Catch up quotes"] == insert_sql(QUOTES, CHANGES_DAYS)
    assert by_name["Backlog of details"] == backlog_sql(DETAILS)


def test_only_changes_and_results_expire() -> None:
    [bucket] = of_type("AWS::S3::Bucket").values()
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert expiring == {objects.CHANGES_PREFIX: CHANGES_DAYS, "results/": 7}
    assert rules["uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "VersioningConfiguration" not in bucket
    # Every day whose objects exist has a partition. Objects expire at the first midnight after their last day.
    projection = RESOURCES["ChangesRaw"]["Properties"]["TableInput"]["Parameters"]["projection.day.range"]
    assert projection == f"NOW-{CHANGES_DAYS + 2}DAYS,NOW"


def test_the_bucket_and_the_tables_stay() -> None:
    retained = {name for name, resource in RESOURCES.items() if resource.get("DeletionPolicy") == "Retain"}
    assert retained == {"Bucket", "Database"}
    assert retained == {name for name, resource in RESOURCES.items() if resource.get("UpdateReplacePolicy") == "Retain"}


def test_the_raw_tables_lie_where_the_crawler_writes() -> None:
    for name, prefix in (("ChangesRaw", objects.CHANGES_PREFIX), ("BacklogRaw", objects.BACKLOG_PREFIX)):
        storage = RESOURCES[name]["Properties"]["TableInput"]["StorageDescriptor"]
        assert storage["Location"] == {"Fn::Sub": f"s3://${{Bucket}}/{prefix}"}
    tables = {
        request(name)["QueryString"].split("LOCATION ")[1].split("'")[1] for name in SCHEDULES if "Create" in name
    }
    assert tables == {"s3://Bucket/tables/quotes/", "s3://Bucket/tables/details/"}


@pytest.mark.parametrize("name", ["WorkGroup", "UpkeepWorkGroup"])
def test_a_work_group_decides_for_its_clients(name: str) -> None:
    settings = RESOURCES[name]["Properties"]["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    assert settings["BytesScannedCutoffPerQuery"] == 10**11
    assert settings["ResultConfiguration"]["OutputLocation"] == {"Fn::Sub": "s3://${Bucket}/results/"}


def test_the_schedules_may_change_nothing_but_tables_and_results() -> None:
    [policy] = RESOURCES["UpkeepRole"]["Properties"]["Policies"]
    statements = {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}
    actions = {
        sid: [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        for sid, statement in statements.items()
    }
    assert not [action for granted in actions.values() for action in granted if "*" in action]
    writing = {sid for sid, granted in actions.items() if {"s3:PutObject", "s3:DeleteObject"} & {*granted}}
    assert writing == {"TablesAndResults"}
    assert statements["TablesAndResults"]["Resource"] == [
        {"Fn::Sub": "${Bucket.Arn}/tables/*"},
        {"Fn::Sub": "${Bucket.Arn}/results/*"},
    ]
    assert {action for granted in actions.values() for action in granted if "Delete" in action} == {"s3:DeleteObject"}
    assert statements["Queries"]["Resource"]["Fn::Sub"].endswith(":workgroup/${UpkeepWorkGroup}")
    assert statements["Changes"]["Resource"] == {"Fn::Sub": "${Bucket.Arn}/changes/*"}


def test_the_lake_is_off_by_default_and_its_url_reaches_the_api_and_the_crawler() -> None:
    root = template()
    assert root["Parameters"]["Lake"]["Default"] == "false"
    assert root["Resources"]["LakeStorage"]["Condition"] == "HasLake"
    with_url = [
        name
        for name, resource in root["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
        and "LAKE_URL" in resource["Properties"]["Environment"]["Variables"]
    ]
    assert with_url == ["CrawlerFunction", "ApiFunction"]
    assert "LAKE_URL" not in root["Globals"]["Function"]["Environment"]["Variables"]


def test_the_api_reads_the_manifests_and_nothing_else() -> None:
    [policy] = template()["Resources"]["ApiRole"]["Properties"]["Policies"]
    conditional = [item["Fn::If"] for item in policy["PolicyDocument"]["Statement"] if "Fn::If" in item]
    granted = {statement["Sid"]: statement for condition, statement, _ in conditional if condition == "HasLake"}
    assert granted.keys() == {"LakeDays", "LakeBucket"}
    assert granted["LakeDays"]["Action"] == "s3:GetObject"
    assert granted["LakeDays"]["Resource"] == {"Fn::Sub": "${LakeStorage.Outputs.BucketArn}/manifests/*"}
    assert granted["LakeBucket"]["Action"] == "s3:ListBucket"
    assert granted["LakeBucket"]["Condition"] == {"StringLike": {"s3:prefix": "manifests/*"}}


def test_the_functions_reach_s3_without_paying_for_the_way() -> None:
    endpoint = template("infra/network.yaml")["Resources"]["S3Endpoint"]
    assert "Condition" not in endpoint, "in every network"
    assert endpoint["Properties"]["VpcEndpointType"] == "Gateway"
    assert endpoint["Properties"]["RouteTableIds"] == [{"Ref": "PrivateRoutes"}]
