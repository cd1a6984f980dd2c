import time

import pytest

from tests.support import waiting


@pytest.mark.parametrize(("now", "slept"), [("00:00:00", []), ("23:59:29", []), ("23:59:50", [10])])
def test_the_last_seconds_of_a_day_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, now: str, slept: list[float]
) -> None:
    hours, minutes, seconds = map(int, now.split(":"))
    sleeps: list[float] = []
    monkeypatch.setattr(time, "time", lambda: 20_000 * 86_400 + hours * 3600 + minutes * 60 + seconds)
    monkeypatch.setattr(time, "sleep", sleeps.append)
    waiting.wait_for_one_day()
    assert sleeps == slept
