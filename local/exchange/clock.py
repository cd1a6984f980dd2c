"""The exchange's time. An instant is a whole number of microseconds since 1970 UTC; year 1, which does occur, fits."""

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Clock:
    """Starts at a given instant (default: the present) and goes on at the pace of real time."""

    def __init__(self, start: int | None = None) -> None:
        self.start = instant(datetime.now(UTC)) if start is None else start
        self._began = time.monotonic()

    def now(self) -> int:
        """The present instant on this clock."""
        return self.start + int((time.monotonic() - self._began) * SECOND)


def instant(moment: datetime) -> int:
    """The instant of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND


def moment(at: int) -> datetime:
    """The aware datetime, in UTC, of an instant."""
    return EPOCH + at * MICROSECOND


def parse(text: str) -> int:
    """The instant of an RFC 3339 time with 0 to 9 fractional digits. Raises ValueError."""
    return instant(datetime.fromisoformat(text))


def rfc3339(at: int) -> str:
    """The time as the exchange writes it: UTC, `Z`, trailing zeros of the fraction trimmed."""
    text = moment(at).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"
