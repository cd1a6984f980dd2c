"""Alarms and dashboard use metrics that exist, and each alarm says what to do."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from crawler.job_table import JobState
from crawler.metrics import LAGS, NAMESPACE, publish
from crawler.summary import Summary
from kalshi_markets.settings import CrawlerSettings
from local import ROOT
from local.tools.templates import template

TEMPLATE = template("infra/monitoring.yaml")
ALARMS = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
RULES = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::Events::Rule"
}
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
OF_AWS = {
    # docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": ({"FunctionName"}, {"Invocations", "Errors", "Throttles"}),
    # docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": ({"ApiId"}, {"4xx", "5xx", "Count", "Latency", "IntegrationLatency", "DataProcessed"}),
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": ({"QueueName"}, {"ApproximateNumberOfMessagesVisible"}),
    # docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html
    "AWS/RDS": (
        {"DBInstanceIdentifier"},
        {"DatabaseConnections", "FreeStorageSpace", "FreeableMemory", "CPUUtilization", "CPUCreditBalance"},
    ),
}
"""Dimensions and metric names that AWS publishes, by namespace (only those that matter here)."""

Metric = tuple[str, str, frozenset[str]]


@pytest.fixture
def emitted(capsys: pytest.CaptureFixture[str]) -> set[Metric]:
    """Return the metrics that the crawler emits at the end of a run in which every job was confirmed."""
    now = datetime.now(UTC)
    jobs = {name: JobState(name, confirmed_at=now) for names in LAGS.values() for name in names}
    publish(Summary(), jobs, "CrawlerFunction")
    [record] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [metrics] = record["_aws"]["CloudWatchMetrics"]
    [dimensions] = metrics["Dimensions"]
    named = frozenset(f"{name}={record[name]}" for name in dimensions)
    return {(metrics["Namespace"], metric["Name"], named) for metric in metrics["Metrics"]}


def alarmed(alarm: dict[str, Any]) -> Iterator[Metric]:
    """Yield the metrics of an alarm. Dimensions of AWS's metrics have no values."""
    described = [part["MetricStat"]["Metric"] for part in alarm.get("Metrics", []) if "MetricStat" in part] or [alarm]
    for metric in described:
        yield shortened(
            metric["Namespace"], metric["MetricName"], [(d["Name"], d["Value"]) for d in metric["Dimensions"]]
        )


def shortened(namespace: str, name: str, dimensions: list[tuple[str, Any]]) -> Metric:
    ours = namespace == NAMESPACE
    named = [(key, value["Ref"] if isinstance(value, dict) else value) for key, value in dimensions]
    return namespace, name, frozenset(f"{key}={value}" if ours else key for key, value in named)


def dashboard(*, with_database: bool) -> dict[str, Any]:
    """Return the body of the dashboard as CloudFormation resolves it, with names instead of values."""
    text, variables = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    [_, chosen, none] = variables["DatabaseWidgets"]["Fn::If"]
    text = text.replace("${DatabaseWidgets}", chosen["Fn::Sub"] if with_database else none)
    body: dict[str, Any] = json.loads(re.sub(r"\$\{([\w:]+)\}", r"\1", text))
    return body


def drawn(body: dict[str, Any]) -> Iterator[Metric]:
    """Yield the metrics of a dashboard. "." and "..." repeat the row above."""
    for widget in [widget for widget in body["widgets"] if widget["type"] == "metric"]:
        above: list[str] = []
        for row in widget["properties"]["metrics"]:
            cells = [cell for cell in row if isinstance(cell, str)]
            if cells != ["..."]:
                above = [old if cell == "." else cell for cell, old in zip(cells, above or cells, strict=True)]
            namespace, name, *dimensions = above
            yield shortened(namespace, name, list(zip(dimensions[::2], dimensions[1::2], strict=True)))


def exists(metric: Metric, emitted: set[Metric]) -> bool:
    namespace, name, dimensions = metric
    if namespace == NAMESPACE:
        return metric in emitted
    documented, names = OF_AWS[namespace]
    return name in names and dimensions == documented


def test_every_alarm_looks_at_a_metric_that_is_published(emitted: set[Metric]) -> None:
    missing_by_alarm = {
        name: [metric for metric in alarmed(alarm) if not exists(metric, emitted)] for name, alarm in ALARMS.items()
    }
    assert {name: missing for name, missing in missing_by_alarm.items() if missing} == {}


@pytest.mark.parametrize("with_database", [True, False])
def test_the_dashboard_shows_metrics_that_are_published(emitted: set[Metric], with_database: bool) -> None:
    shown = list(drawn(dashboard(with_database=with_database)))
    assert [metric for metric in shown if not exists(metric, emitted)] == []
    assert any(namespace == "AWS/RDS" for namespace, _, _ in shown) == with_database
    assert len(shown) <= 50, "more than a free dashboard has"


def test_the_dashboard_reads_members_of_the_run_s_summary_from_the_log() -> None:
    queries = [
        widget["properties"]["query"] for widget in dashboard(with_database=False)["widgets"] if widget["type"] == "log"
    ]
    members = {name for query in queries for name in re.findall(r"sum\((\w+)\)", query)}
    assert members >= {"markets", "requests"}
    assert members <= set(Summary().as_dict())
    assert 'logger.info("run ended"' in (ROOT / "functions" / "crawler" / "handler.py").read_text(encoding="utf-8")
    assert all("message = 'run ended'" in query for query in queries)


def test_every_metric_has_an_alarm(emitted: set[Metric]) -> None:
    assert emitted == {m for alarm in ALARMS.values() for m in alarmed(alarm) if m[0] == NAMESPACE}, "each is paid for"


def test_every_alarm_leads_to_its_own_section_of_the_operations_page_and_every_section_has_its_alarm() -> None:
    _, _, runbook = OPERATIONS.partition("\n## When an alarm goes off\n")
    runbook, _, _ = runbook.partition("\n## ")
    assert sorted(re.findall(r"^### (\w+)$", runbook, re.MULTILINE)) == sorted([*ALARMS, *RULES])
    for name, alarm in ALARMS.items():
        assert alarm["AlarmDescription"].endswith(f" docs/operations.md#{name.lower()}")
    for name, rule in RULES.items():
        [target] = rule["Targets"]
        assert target["InputTransformer"]["InputTemplate"].endswith(f' docs/operations.md#{name.lower()}"')


def test_every_alarm_is_sent_when_it_begins_and_when_it_ends() -> None:
    topic = [{"Fn::If": ["HasEmail", {"Ref": "AlarmTopic"}, {"Ref": "AWS::NoValue"}]}]
    assert [
        name for name, alarm in ALARMS.items() if alarm["AlarmActions"] != topic or alarm["OKActions"] != topic
    ] == []


def test_only_alarms_on_the_stack_s_own_database_and_lake_depend_on_there_being_one() -> None:
    conditions = {name: TEMPLATE["Resources"][name].get("Condition") for name in ALARMS}
    of_database = {
        name for name, alarm in ALARMS.items() for namespace, _, _ in alarmed(alarm) if namespace == "AWS/RDS"
    }
    assert of_database == {name for name, condition in conditions.items() if condition == "HasDatabase"}
    assert of_database == {"DatabaseStorage"}
    assert [name for name, condition in conditions.items() if condition == "HasLake"] == ["LakeLag"]
    assert {*conditions.values()} == {None, "HasDatabase", "HasLake"}


def test_the_alarms_on_lags_allow_five_minutes_and_two_intervals() -> None:
    settings = CrawlerSettings.from_env({})
    intervals = {"ChangedLag": settings.changed_interval, "SettledLag": settings.settled_interval}
    for name, interval in intervals.items():
        assert ALARMS[name]["Threshold"] == 300 + 2 * interval.total_seconds()
    [expression] = [part["Expression"] for part in ALARMS["LiveLag"]["Metrics"] if "Expression" in part]
    assert (expression, ALARMS["LiveLag"]["Threshold"]) == ({"Fn::Sub": "lag - 2 * ${LiveIntervalSeconds}"}, 300)


def test_only_failures_of_the_schedules_work_group_are_sent() -> None:
    [rule] = RULES.values()
    pattern = rule["EventPattern"]
    # docs.aws.amazon.com/athena/latest/ug/athena-events.html
    assert (pattern["source"], pattern["detail-type"]) == (["aws.athena"], ["Athena Query State Change"])
    assert pattern["detail"] == {
        "currentState": ["FAILED", "CANCELLED"],
        "workgroupName": [{"Ref": "LakeWorkGroup"}],
    }
    policy = TEMPLATE["Resources"]["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert [statement["Principal"]["Service"] for statement in policy] == [
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
    ]
