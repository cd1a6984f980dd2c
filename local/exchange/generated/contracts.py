"""Contracts of an event's markets: ticker suffixes, labels and strikes."""

import json
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from uuid import NAMESPACE_URL, uuid5

from local.exchange.generated.families import Family
from local.exchange.generated.vocabulary import Subject

LADDERS = {"greater", "greater_or_equal", "less_or_equal"}
STRIDE = 7  # coprime to the number of choices of every family, so that those of an event are distinct


@dataclass(frozen=True, slots=True)
class Contract:
    """Contract of one market.

    `suffix`: end of the market ticker.
    `label`: text for the subtitles.
    `strike`: fields of the Market object as JSON text.
    `strike_text`: formatted strike of a ladder's rung.
    """

    suffix: str
    label: str
    strike: str
    strike_text: str = ""


@lru_cache(maxsize=4096)
def make_contracts(family: Family, subject: Subject, size: int, offset: int, year: str) -> tuple[Contract, ...]:
    """Return the contracts of an event with `size` markets. `offset` selects among the family's choices."""
    event = _Event(family, subject, size, offset, year)
    return tuple(event.contract(position) for position in range(size))


@dataclass(frozen=True, slots=True)
class _Event:
    """Properties of an event that its contracts depend on. See make_contracts."""

    family: Family
    subject: Subject
    size: int
    offset: int
    year: str

    def choice(self, position: int) -> str:
        choices = self.family.choices
        return choices[(self.offset + position * STRIDE) % len(choices)]

    def contract(self, position: int) -> Contract:
        if self.family.strike in LADDERS:
            return self._rung(position, self.family.strike)
        if self.family.strike == "between":
            return self._interval(position)
        if not self.family.choices:
            return Contract("", self.family.label.format(year=self.year), "")
        return self._choice(position)

    def _choice(self, position: int) -> Contract:
        is_tie = self.family.strike == "structured" and self.size == 3 and position == 2
        label = "Tie" if is_tie else self.choice(position)
        suffix = "-TIE" if is_tie else f"-{_abbreviate(label)}{position}"
        if self.family.strike is None:
            return Contract(suffix, label, "")
        value = str(uuid5(NAMESPACE_URL, label)) if self.family.strike == "structured" else label
        custom = {self.family.strike_key: value}
        return Contract(suffix, label, _to_members(strike_type=self.family.strike, custom_strike=custom))

    def _rung(self, position: int, kind: str) -> Contract:
        strike = self._lowest_rung() + Decimal(self.subject.step) * position
        bound = "cap_strike" if kind == "less_or_equal" else "floor_strike"
        text = f"{to_json_number(strike):,}"
        label = self.family.label.format(strike=text)
        return Contract(
            f"-T{to_json_number(strike)}", label, _to_members(strike_type=kind, **{bound: to_json_number(strike)}), text
        )

    def _interval(self, position: int) -> Contract:
        """Return an interval of values.

        The lowest has no floor and the highest has no cap. The others end one unit below the next floor.
        """
        step, level = Decimal(self.subject.step), Decimal(self.subject.level)
        exact_floor = self._lowest_rung() // step * step + step * position
        unit = Decimal((0, (1,), int(level.as_tuple().exponent)))
        floor, middle, cap = map(to_json_number, (exact_floor, exact_floor + step / 2, exact_floor + step - unit))
        if position == 0:
            return Contract(f"-T{cap}", f"{cap:,} or below", _to_members(strike_type="less", cap_strike=cap))
        if position == self.size - 1:
            return Contract(f"-T{floor}", f"{floor:,} or above", _to_members(strike_type="greater", floor_strike=floor))
        strike = _to_members(strike_type="between", floor_strike=floor, cap_strike=cap)
        return Contract(f"-B{middle}", f"{floor:,} to {cap:,}", strike)

    def _lowest_rung(self) -> Decimal:
        """Return the lowest rung. Half of the rungs are below the subject's level, none at or below zero."""
        step, level = Decimal(self.subject.step), Decimal(self.subject.level)
        return level - step * min(self.size // 2, int(level / step) - 1)


def _to_members(**strike: object) -> str:
    return "," + json.dumps(strike, ensure_ascii=False, separators=(",", ":"))[1:-1]


def to_json_number(value: Decimal) -> int | float:
    """Return a JSON number with the same digits; integers have no fraction."""
    return int(value) if value == int(value) else float(value)


@lru_cache(maxsize=1024)
def _abbreviate(label: str) -> str:
    """Return the initial and the beginning of the last word of a name, as in tickers."""
    ascii_label = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().upper()
    first, *rest = ("".join(filter(str.isalpha, word)) for word in ascii_label.split())
    return first[0] + rest[-1][:4] if rest else first[:4]
