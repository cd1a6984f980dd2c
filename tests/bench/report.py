"""Lines of a benchmark's report: interleaved timings, figures with their references, and verdicts on the bars."""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUNS: Final = 20
HEAD: Final = (
    f"{'name':66} {'ours':>9} {'reference':>9} {'floor':>9} {'':6} {'/ref':>6} {'/floor':>6}  {'bars':30} verdict"
)

Call = Callable[[], object]


@dataclass(frozen=True)
class Bar:
    """Bound of a figure. description: as printed. judged: at most `bound`, or at least `bound` with `is_minimum`."""

    description: str
    judged: float
    bound: float
    is_minimum: bool = False

    @property
    def is_good(self) -> bool:
        return self.judged >= self.bound if self.is_minimum else self.judged <= self.bound


@dataclass(frozen=True)
class Line:
    """Measurement, optionally with a reference and a floor. Without bars it is for information."""

    name: str
    ours: float
    unit: str = "ms"
    reference: float | None = None
    floor: float | None = None
    bars: tuple[Bar, ...] = ()
    note: str = ""

    @property
    def is_good(self) -> bool:
        return all(bar.is_good for bar in self.bars)

    def text(self, *, judged: bool) -> str:
        """Return the printed line. judged: with the verdict."""
        figures = " ".join(
            f"{'-' if figure is None else _figure(figure):>9}" for figure in (self.ours, self.reference, self.floor)
        )
        ratios = " ".join(
            f"{f'{self.ours / other:.2f}' if other else '-':>6}" for other in (self.reference, self.floor)
        )
        bars = ", ".join(bar.description for bar in self.bars) or "-"
        verdict = ("ok" if self.is_good else "MISSED") if judged and self.bars else "-"
        return f"{self.name:66} {figures} {self.unit:6} {ratios}  {bars:30} {verdict} {self.note}".rstrip()


def _figure(value: float) -> str:
    if value == math.inf:
        return "refused"
    return f"{value:,.0f}" if value >= 10_000 else f"{value:,.2f}"


def milliseconds(call: Call) -> float:
    """Return the duration of a call in milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def interleaved(*calls: Call, runs: int = RUNS) -> list[list[float]]:
    """Return the timings of each call in milliseconds.

    Calls are interleaved, and each is first equally often. A first run of each is discarded.
    """
    taken: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for run in range(runs):
        for offset in range(len(calls)):
            number = (run + offset) % len(calls)
            taken[number].append(milliseconds(calls[number]))
    return taken


def p95(timings: Sequence[float]) -> float:
    """Return the 95th percentile by the nearest rank: the maximum of fewer than twenty."""
    return sorted(timings)[math.ceil(0.95 * len(timings)) - 1]


def max_bar(bound: float, judged: float) -> Bar:
    return Bar(f"<= {bound:g}", judged, bound)


def peak(process: int | str = "self") -> int:
    """Return the peak resident memory of a process in KiB."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    assert match is not None
    return int(match[1])
