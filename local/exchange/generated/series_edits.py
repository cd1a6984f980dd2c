"""Series of the generated exchange at one instant. One in three is edited at regular intervals."""

from local.exchange.catalogue import JsonObject, Series
from local.exchange.clock import DAY, HOUR, rfc3339
from local.exchange.generated.cohorts import ORIGIN
from local.exchange.generated.event_spec import draws

EDITED_RATE = 3  # one series in this many is edited
MIN_INTERVAL_DAYS, MAX_INTERVAL_DAYS = 2, 40  # between two edits
SECONDARY_CATEGORIES = ("Culture", "Financials", "Trending")
FEES = (("quadratic", 1), ("quadratic", 0.5), ("quadratic_with_maker_fees", 1), ("flat", 1))
PROHIBITIONS = ("Persons who are employed by the source.", "Persons who take part in the occasion.")
EDITED_TAG = "Featured"


def series_at(seed: int, fields: JsonObject, now: int) -> Series:
    """Return the series of a Series object, with its edits up to an instant and the fields that depend on the seed."""
    draw = draws(f"{seed}/series/{fields['ticker']}")
    edits, updated = _edits(draw, now)
    # The edits change the tags, the categories and the title in turn, and back.
    is_tagged, is_recategorized, is_retitled = ((edits + shift) // 3 % 2 == 1 for shift in (0, 1, 2))
    has_secondary = (draw[5] % 4 == 0) != is_recategorized
    secondary = [SECONDARY_CATEGORIES[draw[6] % len(SECONDARY_CATEGORIES)]] if has_secondary else []
    fee_type, fee_multiplier = FEES[max(0, draw[7] % 12 - 8)]
    is_fee_drawn = fields["fee_type"] == "quadratic"
    changed = {
        "title": fields["title"] + (" (new edition)" if is_retitled else ""),
        "categories": [fields["category"], *secondary],
        "tags": [*(fields["tags"] or []), EDITED_TAG] if is_tagged else fields["tags"],
        "fee_type": fee_type if is_fee_drawn else fields["fee_type"],
        "fee_multiplier": fee_multiplier if is_fee_drawn else fields["fee_multiplier"],
        "additional_prohibitions": list(PROHIBITIONS) if draw[8] % 4 == 0 else None,
        "last_updated_ts": rfc3339(updated),
        **({"product_metadata": {"competition_scope": "Game"}} if fields["category"] == "Sports" else {}),
    }
    return Series.from_object(fields | changed)


def _edits(draw: tuple[int, ...], now: int) -> tuple[int, int]:
    """Return the number of edits up to an instant, and the instant of the last one or of the creation."""
    created = ORIGIN + draw[1] * HOUR + draw[2]
    if draw[3] % EDITED_RATE:
        return 0, created
    interval = (MIN_INTERVAL_DAYS + draw[4] % (MAX_INTERVAL_DAYS - MIN_INTERVAL_DAYS + 1)) * DAY
    edits = max(0, (now - created) // interval)
    return edits, created + edits * interval
