"""A run's figures as metrics: lines in CloudWatch's embedded metric format on the standard output."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from crawler.store import Job
from crawler.summary import Summary
from crawler.upkeep import LIVE_JOBS

NAMESPACE: Final = "KalshiMarkets"
COUNTS: Final = {
    "Pages": "pages",
    "Markets": "markets",
    "Added": "added",
    "Changed": "changed",
    "Rejects": "refused",
    "Drift": "drift",
    "Requests": "requests",
    "Refusals": "refusals",
    "TableSize": "table_size",
}


LAGS: Final = {
    "LiveLag": LIVE_JOBS,
    "ChangedLag": ("changed/created", "changed/updated"),
    "SettledLag": ("settled",),
}


def publish(summary: Summary, jobs: Mapping[str, Job]) -> None:
    """Writes them. docs/operations.md says what each means."""
    metrics = Metrics(namespace=NAMESPACE, service="crawler")
    metrics.add_metric("FailedJobs", MetricUnit.Count, len(summary.errors))
    metrics.add_metric("BusyRuns", MetricUnit.Count, summary.outcome == "busy")
    if summary.outcome != "busy":
        for name, member in COUNTS.items():
            metrics.add_metric(name, MetricUnit.Count, getattr(summary, member))
        metrics.add_metric("BytesReceived", MetricUnit.Bytes, summary.bytes)
        for name, seconds in lags(jobs).items():
            metrics.add_metric(name, MetricUnit.Seconds, seconds)
    metrics.flush_metrics()


def lags(jobs: Mapping[str, Job]) -> dict[str, float]:
    """How long ago it is that every market of a kind was confirmed; left out before the first complete walk."""
    now = datetime.now(UTC)
    found = {}
    for name, members in LAGS.items():
        confirmed = [jobs[member].confirmed_at for member in members if member in jobs]
        known = [at for at in confirmed if at is not None]
        if len(known) == len(members):
            found[name] = (now - min(known)).total_seconds()
    return found
