"""Monthly costs of an installation, from list prices and measured amounts: the tables of docs/costs.md.

usage: python -m local.tools.costs
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from crawler.metrics import COUNTS, LAGS
from local import ROOT
from local.tools.lake_sql import CHANGES_DAYS, TABLES, WINDOW_DAYS
from local.tools.markdown import replace_tables
from local.tools.presets import presets
from local.tools.templates import template

PAGE: Final = ROOT / "docs" / "costs.md"
HOURS: Final = 730.0
"""Hours of a month, as AWS counts them."""
DAYS: Final = HOURS / 24
MINUTES_OF_A_DAY: Final = 1440
GB: Final = 1e9

# One day of the crawler at the default intervals. docs/costs.md has the source of each figure.
LIVE_PASSES: Final = 320
PAGES: Final = 73_000
LIVE_MARKETS: Final = 190_000
SETTLED_MARKETS: Final = 74_000
CRAWLER_SECONDS: Final = 15_000
CPU_SECONDS_OF_A_MARKET: Final = 39e-6
BYTES_IN: Final = 16 * GB
MIN_BYTES_IN: Final = 6 * GB
BYTES_IN_UNCOMPRESSED: Final = LIVE_PASSES * 370 * 2**20
DATABASE_TRAFFIC_BYTES: Final = LIVE_PASSES * LIVE_MARKETS * 225
WAL_BYTES: Final = 8 * GB
BYTES_OF_A_MARKET: Final = 2_540
FIRST_CRAWL_MARKETS: Final = 9_000_000
"""Markets of the first crawl: two months of settled markets and the archive."""

# One day of the lake. docs/costs.md has the source of each figure.
CHANGES: Final = 7_000_000
LAKE_BYTES: Final = CHANGES * 60 + SETTLED_MARKETS * 400
"""Bytes of the objects of changes per day: versions, and the details of new markets."""
PARQUET_BYTES: Final = 0.22 * GB
LAKE_CPU_SECONDS_OF_A_CHANGE: Final = 20e-6
LAKE_OBJECTS: Final = 287
"""Objects that the crawler writes per day: one of changes every five minutes, the snapshots and the manifest."""

# Assumed, not measured.
SNAPSHOT_BYTES: Final = 0.02 * GB
"""Bytes of the snapshots of events and series per day."""
LAKE_FILES: Final = 100
LAKE_READS: Final = 3_000
"""Requests of Athena to S3 per night: writes and reads."""
API_SECONDS: Final = 0.1
API_BYTES: Final = 20_000
LOG_BYTES_OF_A_RUN: Final = 3_000
LOG_BYTES_OF_A_PAGE: Final = 700
LOG_BYTES_OF_A_REQUEST: Final = 1_000
CRAWLER_LOG_BYTES: Final = MINUTES_OF_A_DAY * LOG_BYTES_OF_A_RUN + PAGES * LOG_BYTES_OF_A_PAGE
"""Bytes of log per day."""

CRAWLER_GB, API_GB = 0.5, 1.0
SHARE_OF_A_CORE: Final = 512 / 1769
"""A function of 1,769 MB has one vCPU (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""


class Price(NamedTuple):
    """Price in dollars per unit, in us-east-1. free: units per month of the permanent free tier."""

    about: str
    dollars: float
    unit: str
    source: str
    free: float = 0.0


PRICES: Final[Mapping[str, Price]] = {
    "db.t4g.micro": Price("RDS PostgreSQL, db.t4g.micro", 0.016, "hour", "infratally.com, 2026"),
    "db.t4g.medium": Price("RDS PostgreSQL, db.t4g.medium", 0.065, "hour", "infratally.com, 2026"),
    "db.t4g.large": Price(
        "RDS, db.t4g.large",
        0.129,
        "hour",
        "hashicorp/terraform-provider-aws, MySQL in us-west-2, 2024-02; its smaller classes agree with PostgreSQL's here",
    ),
    "storage": Price("RDS, gp3 storage", 0.115, "GB-month", "usage.ai, 2026-06"),
    "backup": Price("RDS, backups beyond the size of the storage", 0.095, "GB-month", "usage.ai, 2026-06"),
    "lambda": Price("Lambda, arm64", 0.0000133334, "GB-second", "cloudchipr.com, 2024", 400_000),
    "invocation": Price("Lambda, requests", 0.20e-6, "request", "cloudchipr.com, 2024", 1e6),
    "schedule": Price("EventBridge Scheduler", 1.00e-6, "run", "cloudburn.io, 2026-03", 14e6),
    "request": Price("API Gateway, HTTP API", 1.00e-6, "request", "awsforengineers.com, 2025-05"),
    "t4g.micro": Price("EC2, t4g.micro", 0.0084, "hour", "twice t4g.nano's 3.07 a month: egresscost.com, 2026-03"),
    "volume": Price("EBS, gp3", 0.08, "GB-month", "saisci.com, 2021-02"),
    "address": Price("public IPv4 address", 0.005, "hour", "cloudburn.io, 2026-02"),
    "nat gateway": Price("NAT gateway", 0.045, "hour", "cloudburn.io, 2026-02"),
    "nat gateway GB": Price("NAT gateway, data", 0.045, "GB", "cloudburn.io, 2026-02"),
    "zones": Price("data between zones, both directions", 0.02, "GB", "awsnegotiations.com, 2026-05"),
    "out": Price("data out to the internet", 0.09, "GB", "awsnegotiations.com, 2026-05", 100),
    "secret": Price("Secrets Manager", 0.40, "secret", "hivebook.wiki, 2026"),
    "key": Price("KMS key, for alarms by mail", 1.00, "key", "aws.amazon.com/kms/pricing, 2026"),
    "metric": Price("CloudWatch, own metrics", 0.30, "metric", "signoz.io, 2026-02", 10),
    "alarm": Price("CloudWatch, alarms", 0.10, "metric", "c3x.dev, 2026", 10),
    "dashboard": Price("CloudWatch, dashboard", 3.00, "dashboard", "factualminds.com, 2026-06", 3),
    "log": Price("CloudWatch, logs", 0.50, "GB", "factualminds.com, 2026-06", 5),
    "s3": Price("S3, standard storage", 0.023, "GB-month", "devnotes.tech, read 2026-11"),
    "s3 write": Price("S3, writes", 5.00e-6, "request", "devnotes.tech, read 2026-11"),
    "s3 read": Price("S3, reads", 0.40e-6, "request", "devnotes.tech, read 2026-11"),
    "athena": Price("Athena, data scanned", 5.00, "TB", "athena.guide, 2020; kindatechnical.com, read 2026-11"),
    "trace": Price("X-Ray", 5.00e-6, "trace", "aws.amazon.com/xray/pricing, 2026", 100_000),
}


@dataclass(frozen=True)
class Size:
    """Preset of samconfig.toml, with the load that it is made for.

    storage: in GB.
    stored_markets: settled markets in the table.
    requests: requests to the API per month.
    throttle: requests to the API per second at most.
    """

    name: str
    database: str
    storage: int
    stored_markets: int
    network: str
    nat_type: str
    requests: float
    throttle: int
    standby: bool
    backup_days: int

    @classmethod
    def of_preset(cls, name: str, requests: float, age_days: int) -> "Size":
        """Return the size of a preset. age_days: time since its first crawl."""
        parameters = presets()[name]
        retention = int(parameters["RetentionDays"])
        everything = FIRST_CRAWL_MARKETS + age_days * SETTLED_MARKETS
        return cls(
            name,
            database=parameters["DatabaseInstanceClass"],
            storage=int(parameters["DatabaseStorageGb"]),
            stored_markets=retention * SETTLED_MARKETS if retention else everything,
            network=parameters["Network"],
            nat_type=parameters["NatInstanceType"],
            requests=requests,
            throttle=int(parameters["ThrottleRate"]),
            standby=parameters["DatabaseMultiAz"] == "true",
            backup_days=int(parameters["DatabaseBackupDays"]),
        )

    @property
    def zones(self) -> int:
        """Number of availability zones of the functions: those of the database."""
        return 2 if self.standby else 1

    @property
    def data(self) -> float:
        """GB of the database that are in use."""
        return (LIVE_MARKETS + self.stored_markets) * BYTES_OF_A_MARKET / GB


SMALL: Final = Size.of_preset("small", 100_000, age_days=365)
MEDIUM: Final = Size.of_preset("medium", 3e6, age_days=365)
LARGE: Final = Size.of_preset("large", 30e6, age_days=730)
SIZES: Final = (SMALL, MEDIUM, LARGE)


def crawl_seconds() -> float:
    """Return the crawler's seconds per day. They were measured on one core; the function has SHARE_OF_A_CORE of it."""
    return CRAWLER_SECONDS + LIVE_PASSES * LIVE_MARKETS * CPU_SECONDS_OF_A_MARKET * (1 / SHARE_OF_A_CORE - 1)


def way_out(network: str, bytes_in: float, nat_type: str = SMALL.nat_type) -> dict[str, float]:
    """Return the quantities of a network connection to the exchange per month, by price. bytes_in: per day."""
    match network:
        case "nat-instance":
            return {nat_type: HOURS, "volume": 8, "address": HOURS}
        case "nat-gateway":
            return {"nat gateway": HOURS, "nat gateway GB": DAYS * bytes_in / GB, "address": HOURS}
        case "none":  # the database has the address, and data for it crosses the region's border
            return {"address": HOURS, "zones": DAYS * DATABASE_TRAFFIC_BYTES / GB}
        case _:
            return {}


def quantities(size: Size) -> dict[str, float]:
    """Return the quantities that an installation uses per month, by their keys in PRICES."""
    runs = DAYS * MINUTES_OF_A_DAY
    instances = 2 if size.standby else 1
    backup = size.data + size.backup_days * WAL_BYTES / GB
    crossing = 1 - 1 / size.zones  # share of the traffic that is between two zones
    traced = HOURS * 3600 + size.requests / 20  # one request per second and 5% of the others
    return {
        size.database: HOURS * instances,
        "storage": size.storage * instances,
        "backup": max(0.0, backup - size.storage),  # backups up to the size of the storage are free
        "lambda": DAYS * crawl_seconds() * CRAWLER_GB + size.requests * API_SECONDS * API_GB,
        "invocation": runs + size.requests,
        "schedule": runs,
        "request": size.requests,
        **way_out(size.network, BYTES_IN, size.nat_type),
        "zones": DAYS * (BYTES_IN + DATABASE_TRAFFIC_BYTES) / GB * crossing,
        "out": size.requests * API_BYTES / GB,
        "secret": 4,  # passwords of the master user and of two roles, and the API key of the exchange
        "key": 1,
        "metric": len(COUNTS) + len(LAGS) - 1,  # without the lake's
        "alarm": _count_alarms(with_lake=False),  # each has one metric
        "dashboard": 1,
        "log": (DAYS * CRAWLER_LOG_BYTES + size.requests * LOG_BYTES_OF_A_REQUEST) / GB,
        "trace": runs + min(size.requests, traced),
    }


def lake_quantities(days: int) -> dict[str, float]:
    """Return the quantities that a lake adds to an installation per month, by their keys in PRICES.

    days: age of the lake.
    """
    scanned = len(TABLES) * WINDOW_DAYS * LAKE_BYTES + WINDOW_DAYS * CHANGES * 8 + PARQUET_BYTES
    return {
        "s3": (min(days, CHANGES_DAYS) * LAKE_BYTES + days * (PARQUET_BYTES + SNAPSHOT_BYTES)) / GB,
        "s3 write": DAYS * (LAKE_OBJECTS + LAKE_FILES),
        "s3 read": DAYS * LAKE_READS,
        "athena": DAYS * scanned / (1000 * GB),
        "lambda": DAYS * CHANGES * LAKE_CPU_SECONDS_OF_A_CHANGE / SHARE_OF_A_CORE * CRAWLER_GB,
        "schedule": DAYS * 4 + DAYS / 7 * 4,
        "metric": 1,
        "alarm": _count_alarms(with_lake=True) - _count_alarms(with_lake=False),
    }


def _count_alarms(*, with_lake: bool) -> int:
    resources = template("infra/monitoring.yaml")["Resources"].values()
    alarms = [resource for resource in resources if resource["Type"] == "AWS::CloudWatch::Alarm"]
    return sum(with_lake or alarm.get("Condition") != "HasLake" for alarm in alarms)


def dollars(name: str, quantity: float, *, allowances: bool = True) -> float:
    """Return the price of a quantity per month. allowances: subtract the permanent free tier."""
    price = PRICES[name]
    return price.dollars * (max(0.0, quantity - price.free) if allowances else quantity)


def total(bought: Mapping[str, float], *, allowances: bool = True) -> float:
    """Return the sum of the prices of all quantities per month."""
    return sum(dollars(name, quantity, allowances=allowances) for name, quantity in bought.items())


def render(text: str) -> str:
    """Return the page with its generated parts replaced."""
    return replace_tables(
        text, {"sizes": _sizes(), "bill": _bill(), "lake": _lake(), "ways": _ways(), "prices": _prices()}
    )


def _sizes() -> Iterator[tuple[str, ...]]:
    yield "", *(size.name for size in SIZES)
    yield "database", *(size.database + (" and a standby" if size.standby else "") for size in SIZES)
    yield "settled markets in the table", *(f"{size.stored_markets / 1e6:.1f} million" for size in SIZES)
    yield "of the storage in use", *(f"{size.data:.0f} of {size.storage} GB" for size in SIZES)
    yield "backups", *(f"{size.backup_days} day" + "s" * (size.backup_days > 1) for size in SIZES)
    yield "way to the exchange", *(_name_way_out(size) for size in SIZES)
    yield "zones of the functions", *(str(size.zones) for size in SIZES)
    yield "requests to the API a month", *(f"{size.requests:,.0f}" for size in SIZES)
    yield "at most, a second", *(str(size.throttle) for size in SIZES)


def _name_way_out(size: Size) -> str:
    return f"{size.network}, {size.nat_type}" if size.network == "nat-instance" else size.network


def _bill() -> Iterator[tuple[str, ...]]:
    yield "dollars a month", *(size.name for size in SIZES)
    bills = [quantities(size) for size in SIZES]
    for name, price in PRICES.items():
        if any(name in bill for bill in bills):
            yield price.about, *(f"{dollars(name, bill[name]):.2f}" if name in bill else "–" for bill in bills)
    yield "**together**", *(f"**{total(bill):.2f}**" for bill in bills)
    yield "without what is free for every account", *(f"{total(bill, allowances=False):.2f}" for bill in bills)


def _lake() -> Iterator[tuple[str, ...]]:
    yield "dollars a month", "after a month", f"after {CHANGES_DAYS} days", "after a year"
    bills = [lake_quantities(days) for days in (30, CHANGES_DAYS, 365)]
    for name in bills[0]:
        yield PRICES[name].about, *(f"{dollars(name, bill[name], allowances=False):.2f}" for bill in bills)
    yield "**together**", *(f"**{total(bill, allowances=False):.2f}**" for bill in bills)


def _ways() -> Iterator[tuple[str, ...]]:
    yield "`Network`", "6 GB a day", "16 GB a day", "uncompressed, 124 GB a day"
    for network in ("nat-instance", "dual-stack", "none", "nat-gateway"):
        volumes = (MIN_BYTES_IN, BYTES_IN, BYTES_IN_UNCOMPRESSED)
        yield f"`{network}`", *(f"{total(way_out(network, volume)):.2f}" for volume in volumes)


def _prices() -> Iterator[tuple[str, ...]]:
    yield "what", "dollars", "a", "free for every account", "from"
    for price in PRICES.values():
        amount = (
            f"{price.dollars * 1e6:.2f}" if price.dollars < 1e-5 else f"{price.dollars:.10f}".rstrip("0").rstrip(".")
        )
        unit = f"million {price.unit}s" if price.dollars < 1e-5 else price.unit
        yield price.about, amount, unit, f"{price.free:,.0f}" if price.free else "", price.source


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
