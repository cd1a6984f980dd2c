"""Jobs of the crawler."""

from crawler.jobs.archive import ArchiveJob
from crawler.jobs.base import Job
from crawler.jobs.lake import BacklogExportJob, ExportJob, SnapshotsJob
from crawler.jobs.listings import ChangedEventsJob, ChangedJob, LiveJob
from crawler.jobs.lookups import EventsJob, MissingMarketsJob, RetryRejectsJob
from crawler.jobs.maintenance import CountsJob, LimitsJob, RetentionJob, SeriesJob
from crawler.jobs.settled import RECHECK_AFTER, BacklogJob, SettledJob
from kalshi_markets import job_names
from kalshi_markets.lake.storage import open_storage
from kalshi_markets.settings import CrawlerSettings


def all_jobs(settings: CrawlerSettings) -> list[Job]:
    """Return the jobs that the settings enable."""
    live, slow = settings.live_interval, settings.maintenance_interval
    jobs: list[Job] = [
        LimitsJob(),
        SeriesJob(slow),
        ChangedJob("created", settings.changed_interval),
        ChangedJob("updated", settings.changed_interval),
        SettledJob(job_names.SETTLED, settings.settled_interval),
        *(LiveJob(status, live) for status in job_names.LIVE),
        EventsJob(live),
        ChangedEventsJob(live),
        MissingMarketsJob(),
        CountsJob(),
        SettledJob(job_names.SETTLED_RECHECK, slow, RECHECK_AFTER),
        RetryRejectsJob(slow),
        BacklogJob(settings.retention),
    ]
    if settings.archive:
        jobs.append(ArchiveJob(settings.retention))
    if settings.retention:
        jobs.append(RetentionJob(slow, settings.retention, after_backlog=settings.lake_url is not None))
    if settings.lake_url:
        storage = open_storage(settings.lake_url)
        jobs += [ExportJob(storage), BacklogExportJob(storage), SnapshotsJob(storage)]
    return jobs
