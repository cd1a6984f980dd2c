"""Metrics for alarms, written to standard output in CloudWatch's embedded metric format.

AWS charges for each metric, so other figures of a run are only in the logged summary.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from crawler.job_table import JobState
from crawler.summary import Summary
from kalshi_markets import job_names

NAMESPACE: Final = "KalshiMarkets"
LAGS: Final = {
    "LiveLag": tuple(job_names.LIVE.values()),
    "ChangedLag": (job_names.CREATED, job_names.UPDATED),
    "SettledLag": (job_names.SETTLED,),
    "LakeLag": (job_names.LAKE_EXPORT,),
}
COUNTS: Final = ("FailedJobs", "Rejects", "Drift")


def publish(summary: Summary, jobs: Mapping[str, JobState], function: str) -> None:
    """Write the metrics of a run, which docs/operations.md describes.

    function: name of the Lambda function, a dimension that distinguishes stacks.
    """
    metrics = Metrics(namespace=NAMESPACE, service="crawler")
    metrics.add_dimension("function", function)
    resting = {name for name, job in jobs.items() if job.retry_at and job.retry_at > datetime.now(UTC)}
    failed = len(resting | summary.errors.keys())
    for name, count in zip(COUNTS, (failed, summary.rejected, summary.drift), strict=True):
        metrics.add_metric(name, MetricUnit.Count, count)
    if summary.outcome != "busy":  # the other run publishes them
        for name, seconds in lags(jobs).items():
            metrics.add_metric(name, MetricUnit.Seconds, seconds)
    metrics.flush_metrics()


def lags(jobs: Mapping[str, JobState]) -> dict[str, float]:
    """Return the seconds since all markets of each kind were confirmed, by metric.

    A kind is missing before the first complete pass of each of its jobs.
    """
    now = datetime.now(UTC)
    lags_by_metric = {}
    for name, members in LAGS.items():
        confirmed = [jobs[member].confirmed_at for member in members if member in jobs]
        known = [at for at in confirmed if at is not None]
        if len(known) == len(members):
            lags_by_metric[name] = (now - min(known)).total_seconds()
    return lags_by_metric
