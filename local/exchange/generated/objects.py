"""Generated markets and events at one instant, with the interface of the catalogue. JSON is rendered on demand."""

from collections.abc import Callable

from local.exchange.catalogue import PHASES, Market, to_json
from local.exchange.generated.combos import ComboSpec, make_combo_event_object, render_combo
from local.exchange.generated.event_spec import EventSpec, draws
from local.exchange.generated.population import AnySpec
from local.exchange.generated.quotes import is_paused, make_tape
from local.exchange.generated.rendering import created_at, make_event_object, render_market
from local.exchange.tape import Tape

TIER_OVERLAP_RATE = 8  # one market in this many remains in the live tier for a while after it is archived


class GeneratedMarket:
    """Market at a position of an event.

    `undone_trades`: number of the last trades that an amendment of its result undoes.
    """

    __slots__ = ("_draw", "_tape", "_undone_trades", "event", "now", "position", "ticker")
    is_combo = False

    def __init__(self, event: EventSpec, position: int, now: int, undone_trades: int = 0) -> None:
        self.event = event
        self.position = position
        self.now = now
        self._undone_trades = undone_trades
        self.ticker = event.event_ticker + event.contracts[position].suffix
        self._draw: tuple[int, ...] | None = None
        self._tape: Tape | None = None

    @property
    def event_ticker(self) -> str:
        return self.event.event_ticker

    @property
    def series_ticker(self) -> str:
        return self.event.series_ticker

    @property
    def draw(self) -> tuple[int, ...]:
        """Random numbers of the market."""
        if self._draw is None:
            self._draw = draws(f"{self.event.key}/{self.position}")
        return self._draw

    @property
    def status(self) -> str:
        status = self.event.status(self.now)
        if status == "active" and self.event.is_paused:
            begins, ends = self.event.pause
            if begins <= self.now < ends and is_paused(self.event, self.draw):
                return "inactive"
        return status

    @property
    def phase(self) -> str:
        return PHASES[self.status]

    @property
    def created(self) -> int:
        return created_at(self.event, self.position)

    @property
    def created_exact(self) -> int:
        """Creation instant before rounding."""
        return self.event.created_from + self.position * self.event.creation_spacing

    @property
    def updated(self) -> int:
        return self.event.updated(self.now)

    @property
    def closes(self) -> int:
        return self.event.closes(self.now)

    @property
    def settled(self) -> int | None:
        return self.event.settled if self.now >= self.event.settled else None

    @property
    def in_both_tiers(self) -> bool:
        return self.draw[13] % TIER_OVERLAP_RATE == 0

    @property
    def deleted_on_settlement(self) -> bool:
        """True for a provisional market without a trade, which is deleted at settlement.

        Source: docs.kalshi.com, changelog 2026-01-09.
        """
        return self.event.cohort.is_provisional and self.tape.total == 0

    @property
    def tape(self) -> Tape:
        if self._tape is None:
            self._tape = make_tape(self.event, self.position, self.draw)
            if self._undone_trades and self.event.is_amended(self.now):
                self._tape.undone = self._undone_trades
        return self._tape

    @property
    def json(self) -> bytes:
        return render_market(self.event, self.position, self.now, self.status, self.draw, self.tape).encode()


class GeneratedCombo:
    """A combo at one instant. `choose_leg` returns an event and the position of a market for an instant and a draw."""

    __slots__ = ("_choose_leg", "now", "spec", "ticker")
    is_combo = True

    def __init__(self, spec: ComboSpec, now: int, choose_leg: Callable[[int, int], tuple[EventSpec, int]]) -> None:
        self.spec = spec
        self.now = now
        self.ticker = spec.ticker
        self._choose_leg = choose_leg

    @property
    def event_ticker(self) -> str:
        return self.spec.event_ticker

    @property
    def series_ticker(self) -> str:
        return self.spec.series_ticker

    @property
    def phase(self) -> str:
        return PHASES[self.spec.status(self.now)]

    @property
    def created(self) -> int:
        return self.spec.created

    @property
    def created_exact(self) -> int:
        return self.spec.created

    @property
    def updated(self) -> int:
        return self.spec.updated(self.now)

    @property
    def closes(self) -> int:
        return self.spec.ends

    @property
    def settled(self) -> int | None:
        return self.spec.settled if self.now >= self.spec.settled else None

    @property
    def in_both_tiers(self) -> bool:
        return self.spec.draw[15] % TIER_OVERLAP_RATE == 0

    @property
    def deleted_on_settlement(self) -> bool:
        return self.spec.cohort.is_provisional

    @property
    def tape(self) -> Tape:
        return self.spec.tape

    @property
    def json(self) -> bytes:
        return render_combo(self.spec, self.now, self._choose_leg)


class GeneratedEvent:
    """An event at one instant. `markets_of` returns its live markets."""

    __slots__ = ("_markets_of", "_spec", "now", "ticker")

    def __init__(self, spec: AnySpec, now: int, markets_of: Callable[[AnySpec], list[Market]]) -> None:
        self._spec = spec
        self.now = now
        self.ticker = spec.event_ticker
        self._markets_of = markets_of

    @property
    def markets(self) -> list[Market]:
        return self._markets_of(self._spec)

    @property
    def json(self) -> bytes:
        spec = self._spec
        return to_json(
            make_event_object(spec, self.now) if isinstance(spec, EventSpec) else make_combo_event_object(spec)
        )
