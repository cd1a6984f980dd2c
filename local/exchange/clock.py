"""Clock of the exchange. An instant is an integer number of microseconds since 1970 UTC.

Instants before 1970 are negative: production has times in the year 1.
"""

import threading
import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Clock:
    """Clock that starts at an instant (default: the present) and runs at `speed` times real time.

    Any thread may set it, stop it or change its speed at any time.
    """

    def __init__(self, start: int | None = None, speed: float = 1.0) -> None:
        self.start = instant(datetime.now(UTC)) if start is None else start
        self._lock = threading.Lock()
        self._at, self._since, self._speed = self.start, time.monotonic_ns(), speed

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> int:
        """Return the present instant on this clock."""
        with self._lock:
            return self._now(time.monotonic_ns())

    def set(self, instant: int) -> None:
        """Set the clock to an instant. It continues from there at its speed."""
        with self._lock:
            self._at, self._since = instant, time.monotonic_ns()

    def run(self, speed: float) -> None:
        """Continue from the present instant at another speed; 0 stops the clock."""
        with self._lock:
            since = time.monotonic_ns()
            self._at, self._since, self._speed = self._now(since), since, speed

    def _now(self, monotonic: int) -> int:
        return self._at + int((monotonic - self._since) * self._speed) // 1000


def instant(moment: datetime) -> int:
    """Return the instant of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND


def moment(at: int) -> datetime:
    """Return the aware datetime, in UTC, of an instant."""
    return EPOCH + at * MICROSECOND


def parse(text: str) -> int:
    """Return the instant of an RFC 3339 time with 0 to 9 fractional digits. Raises ValueError."""
    return instant(datetime.fromisoformat(text))


def rfc3339(at: int) -> str:
    """Format an instant as the exchange does: UTC with `Z`, without trailing zeros of the fraction."""
    text = moment(at).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"
