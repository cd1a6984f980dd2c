"""What a run came to."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Summary:
    """outcome: idle (nothing is due any more), out of time, failed, or busy (another run writes).

    completed: the walks that ended in it. errors: by job. rate_limited: 429s. bytes_received: as they were compressed.
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

    def as_dict(self) -> dict[str, Any]:
        """For the function's answer and the log."""
        return asdict(self)
