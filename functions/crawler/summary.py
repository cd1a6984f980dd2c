"""Summary of a run."""

from dataclasses import asdict, dataclass, field
from typing import Any

from crawler.job_table import PageCounts


@dataclass
class Summary:
    """Result of a run.

    outcome: "idle" (no job is due), "out of time", "failed" (a job failed), or "busy" (another run holds the lease).
    pages, markets: pages written, and markets on them.
    added, changed, rejected: markets by outcome.
    drift: deviations of Market objects from the documentation.
    requests: requests sent to the exchange.
    rate_limited: responses with the status 429.
    bytes_received: compressed size of the responses.
    table_size: markets in the table.
    completed: jobs that completed a pass.
    errors: error message of each failed job.
    """

    outcome: str = "idle"
    pages: int = 0
    markets: int = 0
    added: int = 0
    changed: int = 0
    rejected: int = 0
    drift: int = 0
    requests: int = 0
    rate_limited: int = 0
    bytes_received: int = 0
    table_size: int = 0
    completed: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, counts: PageCounts) -> None:
        """Add the counts of one commit."""
        self.pages += counts.pages
        self.markets += counts.markets
        self.added += counts.added
        self.changed += counts.changed
        self.rejected += counts.rejected

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as a dict, for the function's response and the log."""
        return asdict(self)
