import pytest

from api.events.markets import RESOURCE as EVENT_MARKETS
from api.events.resource import RESOURCE as EVENTS
from api.listing.query import Grammar
from api.listing.suggestions import SUFFIXES
from api.markets.facet_query import FACET_GRAMMAR
from api.markets.parameters import FILTERS, LISTING_PARAMETERS
from api.markets.query import GRAMMAR
from api.markets.suggestions import COLUMN_NAMES, NAMES
from api.series.resource import RESOURCE as SERIES
from kalshi_markets.columns import COLUMNS_BY_NAME


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        # common on the web
        *(("page", "cursor"), ("per_page", "limit"), ("page_size", "limit"), ("count", "limit"), ("skip", "offset")),
        *(("sort", "order_by"), ("order", "order_by"), ("sort_by", "order_by"), ("sort_order", "order_direction")),
        *(("q", "search"), ("query", "search"), ("search", "search"), ("text", "search")),
        *(("close_time_after", "close_time__gte"), ("close_time_before", "close_time__lte")),
        *(("created_after", "created_time__gte"), ("min_volume", "volume__gte"), ("volume_max", "volume__lte")),
        *(("volume[gte]", "volume__gte"), ("volume.gt", "volume__gt"), ("volume_gt", "volume__gt")),
        # PostgREST
        *(("select", "fields"), ("title.ilike", "title__icontains"), ("status.neq", "status__ne")),
        *(("columns", "fields"), ("title.imatch", "title_regex"), ("status.in", "status__in")),
        # Datasette
        *(("_search", "search"), ("_size", "limit"), ("_next", "cursor"), ("_sort_desc", "order_by")),
        *(("title__like", "title__icontains"), ("title__contains", "title__icontains"), ("_col", "fields")),
        *(("ticker__glob", "ticker__startswith"), ("status__not", "status__ne"), ("result__notnull", "result__isnull")),
        # Django
        *(("title__iexact", "title"), ("title__iregex", "title_regex"), ("ticker__istartswith", "ticker__startswith")),
        *(("title__endswith", "title__icontains"), ("close_time__range", "close_time__gte"), ("ordering", "order_by")),
        *(("status__exact", "status"), ("close_time__date", "close_time__gte"), ("volume__ge", "volume__gte")),
        # Kalshi
        *(("min_close_ts", "close_time__gte"), ("max_close_ts", "close_time__lte"), ("tickers", "ticker__in")),
        *(("min_created_ts", "created_time__gte"), ("max_settled_ts", "settlement_ts__lte")),
        *(("min_updated_ts", "updated_time__gte"), ("series", "series_ticker"), ("event_tickers", "event_ticker__in")),
        *(("event", "event_ticker"), ("volume_fp", "volume"), ("settlement_value_dollars", "settlement_value")),
        *(("yes_bid", "yes_bid_dollars"), ("last_price", "last_price_dollars"), ("market_ticker", "ticker")),
        # typing errors
        *(("statuss", "status"), ("volume__gt3", "volume__gt"), ("Limit", "limit"), ("tickr_regex", "ticker_regex")),
        *(("STATUS", "status"), ("close_tme__gte", "close_time__gte")),
        *(("xyzzy", None), ("", None), ("__", None), ("x" * 5000, None), ("_" * 5000, None)),
    ],
)
def test_the_parameter_of_the_same_meaning_is_suggested(unknown: str, meant: str | None) -> None:
    assert GRAMMAR.suggest(unknown) == meant


@pytest.mark.parametrize("grammar", [GRAMMAR, EVENT_MARKETS.grammar, FACET_GRAMMAR, EVENTS.grammar, SERIES.grammar])
def test_a_listing_suggests_only_its_own_parameters(grammar: Grammar) -> None:
    known = {*grammar.parameters, *grammar.filters}
    for name in (*grammar.synonyms.names, *grammar.synonyms.names.values(), *grammar.synonyms.columns):
        meant = grammar.suggest(name)
        assert meant is None or (meant in known and grammar.hint(meant))


@pytest.mark.parametrize("name", ["page", "cursor", "offset", "order_by", "fields", "format", "count_total"])
def test_facets_suggest_nothing_for_parameters_of_pages(name: str) -> None:
    assert FACET_GRAMMAR.suggest(name) is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("event_ticker", "event_ticker=KXBTCD-26NOV2417"),
        ("categories", 'categories=["Crypto"]'),
        ("title", "title=Bitcoin"),
        ("ticker__startswith", "ticker__startswith=KX"),
    ],
)
def test_the_hint_is_a_valid_use(name: str, hint: str) -> None:
    assert GRAMMAR.hint(name) == hint


def test_every_name_in_the_tables_leads_to_a_parameter_and_none_is_one() -> None:
    known = {**LISTING_PARAMETERS, **FILTERS}
    assert {*NAMES.values()} <= {*known}
    assert {*NAMES}.isdisjoint(known)
    assert {*COLUMN_NAMES.values()} <= {*COLUMNS_BY_NAME}
    assert all(any(name.endswith(suffix) for name in FILTERS) for suffix in SUFFIXES.values())
