"""Which jobs there are."""

from crawler.archive import ArchiveWalk
from crawler.lookups import EventsWalk, RejectsWalk, VanishedWalk
from crawler.settlements import REST, BacklogWalk, SettledWalk
from crawler.upkeep import LimitsWalk, RetentionWalk, SeriesWalk
from crawler.walks import ChangedWalk, LiveWalk, Walk
from kalshi_markets.exchange import LIVE_FILTERS
from kalshi_markets.settings import CrawlerSettings


def walks(settings: CrawlerSettings) -> list[Walk]:
    """Every job that the settings ask for."""
    live, slow = settings.live_interval, settings.slow_interval
    found: list[Walk] = [
        LimitsWalk(),
        SeriesWalk(slow),
        ChangedWalk("created", settings.changed_interval),
        ChangedWalk("updated", settings.changed_interval),
        SettledWalk("settled", settings.settled_interval),
        *(LiveWalk(status, live) for status in LIVE_FILTERS),
        EventsWalk(live),
        VanishedWalk(),
        SettledWalk("settled/rested", slow, REST),
        RejectsWalk(slow),
        BacklogWalk(settings.kept),
    ]
    if settings.archive:
        found.append(ArchiveWalk(settings.kept))
    if settings.kept:
        found.append(RetentionWalk(slow, settings.kept))
    return found
