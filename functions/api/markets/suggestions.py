"""Synonyms of the parameters and columns of GET /markets."""

from collections.abc import Mapping
from typing import Final

from api.listing import suggestions
from kalshi_markets.columns import COLUMNS

NAMES: Final[Mapping[str, str]] = {
    **suggestions.NAMES,
    **dict.fromkeys(suggestions.SEARCH_NAMES, "search"),
    **dict.fromkeys(("min_duration", "duration_min"), "min_duration_minutes"),
    **dict.fromkeys(("max_duration", "duration_max"), "max_duration_minutes"),
}

COLUMN_NAMES: Final[Mapping[str, str]] = {
    **{column.source_field: column.name for column in COLUMNS},
    **dict.fromkeys(("id", "market", "market_ticker", "symbol"), "ticker"),
    "event": "event_ticker",
    "series": "series_ticker",
    "type": "market_type",
    "state": "status",
    **dict.fromkeys(("name", "question"), "title"),
    "open": "open_time",
    "close": "close_time",
    "created": "created_time",
    "updated": "updated_time",
    "open_ts": "open_time",
    "close_ts": "close_time",
    "created_ts": "created_time",
    "updated_ts": "updated_time",
    **dict.fromkeys(("settled", "settled_ts", "settled_time", "settlement_time"), "settlement_ts"),
    **dict.fromkeys(("price", "last_price"), "last_price_dollars"),
    **{f"{side}_{kind}": f"{side}_{kind}_dollars" for side in ("yes", "no") for kind in ("bid", "ask")},
}
"""Field and parameter names of the exchange, common words, and the columns that they mean."""

_PLURALS: Final = {f"{name}s": name for name in ("ticker", "event_ticker", "series_ticker", "market_ticker", "event")}

SYNONYMS: Final = suggestions.Synonyms(NAMES, COLUMN_NAMES, _PLURALS)
