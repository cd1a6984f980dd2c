"""Clock of the simulated exchange: it starts, stops, is set and accelerated, and never goes back by itself."""

import time

from local.exchange.clock import HOUR, SECOND, Clock, parse

START = parse("2026-11-24T12:00:00Z")


def test_the_clock_starts_at_the_given_instant_and_follows_real_time() -> None:
    began = time.monotonic()
    clock = Clock(START)
    time.sleep(0.02)
    now = clock.now()
    assert START + SECOND // 50 <= now <= START + (time.monotonic() - began + 0.001) * SECOND


def test_stopped_it_stands_still() -> None:
    clock = Clock(START, speed=0)
    time.sleep(0.01)
    assert clock.now() == clock.now() == START


def test_the_clock_can_be_set_forward_and_back() -> None:
    clock = Clock(START, speed=0)
    for at in (START + HOUR, START - HOUR):
        clock.set(at)
        assert clock.now() == at
    assert clock.start == START


def test_another_speed_keeps_the_present_instant() -> None:
    clock = Clock(START, speed=0)
    clock.run(100_000)
    time.sleep(0.02)
    clock.run(0)
    stopped = clock.now()
    assert stopped >= START + 2000 * SECOND
    assert clock.now() == stopped
    assert clock.speed == 0


def test_the_clock_never_goes_back_by_itself() -> None:
    clock = Clock(START, speed=1e6)
    instants = [clock.now() for _ in range(1000)]
    assert instants == sorted(instants)
