"""The exchange's time. An instant is a whole number of microseconds since 1970 UTC; year 1, which does occur, fits."""

import threading
import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Clock:
    """Starts at a given instant (default: the present) and goes on at `speed` times the pace of real time.

    It may be set, stopped and sped up at any moment from any thread.
    """

    def __init__(self, start: int | None = None, speed: float = 1.0) -> None:
        self.start = instant(datetime.now(UTC)) if start is None else start
        self._lock = threading.Lock()
        self._at, self._since, self._speed = self.start, time.monotonic_ns(), speed

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> int:
        """The present instant on this clock."""
        with self._lock:
            return self._now(time.monotonic_ns())

    def set(self, instant: int) -> None:
        """Goes to an instant, before or after the present one, and on from there."""
        with self._lock:
            self._at, self._since = instant, time.monotonic_ns()

    def run(self, speed: float) -> None:
        """Goes on from the present instant at another speed; 0 stops it."""
        with self._lock:
            since = time.monotonic_ns()
            self._at, self._since, self._speed = self._now(since), since, speed

    def _now(self, monotonic: int) -> int:
        return self._at + int((monotonic - self._since) * self._speed) // 1000


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
