"""Faults that add undocumented fields to a response or change the order of its fields."""

import json
from collections.abc import Callable, Mapping

from starlette.types import Scope

from local.exchange.catalogue import Exchange, JsonObject, to_json
from local.exchange.faults.bodies import lists_of, rewriting
from local.exchange.faults.effects import Handler, Values

# Values of the extra fields. A parser that searches the text of a response for its markers finds them here too.
EXTRAS: Mapping[str, object] = {
    "object": {"id": 1, "cursor": "elsewhere"},
    "list": [{"id": 1}, {"ticker": "NO-MARKET", "title": "Of another list"}],
    "nested": {
        "pages": [{"markets": [{"ticker": "NO-MARKET"}], "events": [], "cursor": "elsewhere"}],
        "series": [[{}]],
    },
    "null": None,
    "text": '}],"cursor":"elsewhere","markets":[{"ticker":"NO-MARKET"},{"ticker":"',
    "empty": [],
}
POSITIONS = ("before", "between", "behind")


def extra_members(values: Values, _: Exchange) -> Handler:
    """Return a handler that adds extra fields to the response object, or to each object of its lists."""
    contents = EXTRAS if values["content"] == "all" else {values["content"]: EXTRAS[values["content"]]}
    places = POSITIONS if values["place"] == "all" else (values["place"],)

    def extend(known: JsonObject) -> JsonObject:
        members, middle = list(known.items()), (len(known) + 1) // 2
        preceding = {"before": members[:0], "between": members[:middle], "behind": members[middle:]}
        extended: JsonObject = {}
        for position in POSITIONS:
            extended |= preceding[position]
            if position in places:
                extended |= {f"extra_{content}_{position}": value for content, value in contents.items()}
        return extended

    return _rewriting_objects(extend, within=values["within"])


def sorted_members(values: Values, _: Exchange) -> Handler:
    """Return a handler that sorts the fields of the response object, or of each object of its lists, by name."""
    return _rewriting_objects(lambda known: {name: known[name] for name in sorted(known)}, within=values["within"])


def _rewriting_objects(change: Callable[[JsonObject], JsonObject], *, within: str) -> Handler:
    def rewrite(body: bytes, _: Scope) -> bytes:
        answer = json.loads(body)
        if within == "page":
            return to_json(change(answer))
        for rows in lists_of(answer):
            rows[:] = map(change, rows)
        return to_json(answer)

    return rewriting(rewrite)
