-- Events and series with all their members, the columns of markets that follow from them, and the counts of markets.

CREATE SEQUENCE kalshi_markets_events_change;
CREATE SEQUENCE kalshi_markets_series_change;

ALTER TABLE kalshi_markets_events               -- asked_at: only earlier versions use it
    ADD COLUMN sub_title text COLLATE "C",
    ADD COLUMN category text COLLATE "C",
    ADD COLUMN categories jsonb,
    ADD COLUMN mutually_exclusive boolean,
    ADD COLUMN strike_date timestamp with time zone,
    ADD COLUMN strike_period text COLLATE "C",
    ADD COLUMN collateral_return_type text COLLATE "C",
    ADD COLUMN fee_type_override text COLLATE "C",
    ADD COLUMN fee_multiplier_override numeric,
    ADD COLUMN last_updated_ts timestamp with time zone,
    ADD COLUMN settlement_sources jsonb,
    ADD COLUMN product_metadata jsonb,
    ADD COLUMN first_seen_at timestamp with time zone NOT NULL DEFAULT now(),
    ADD COLUMN changed_at timestamp with time zone NOT NULL DEFAULT now(),
    ADD COLUMN change_number bigint NOT NULL DEFAULT nextval('kalshi_markets_events_change');

ALTER TABLE kalshi_markets_series
    ADD COLUMN categories jsonb,
    ADD COLUMN tags jsonb,
    ADD COLUMN frequency text COLLATE "C",
    ADD COLUMN fee_type text COLLATE "C",
    ADD COLUMN fee_multiplier numeric,
    ADD COLUMN settlement_sources jsonb,
    ADD COLUMN contract_url text COLLATE "C",
    ADD COLUMN contract_terms_url text COLLATE "C",
    ADD COLUMN exchange_index integer,
    ADD COLUMN last_updated_ts timestamp with time zone,
    ADD COLUMN first_seen_at timestamp with time zone NOT NULL DEFAULT now(),
    ADD COLUMN changed_at timestamp with time zone NOT NULL DEFAULT now(),
    ADD COLUMN change_number bigint NOT NULL DEFAULT nextval('kalshi_markets_series_change');

-- Events that the exchange does not know, and when they were last requested. Earlier versions stored them as events
-- without a series.
CREATE TABLE kalshi_markets_unknown_events (
    event_ticker text COLLATE "C" PRIMARY KEY,
    asked_at timestamp with time zone NOT NULL DEFAULT now()
);
INSERT INTO kalshi_markets_unknown_events (event_ticker, asked_at)
SELECT event_ticker, asked_at FROM kalshi_markets_events WHERE series_ticker IS NULL;
DELETE FROM kalshi_markets_events WHERE series_ticker IS NULL;

-- IF NOT EXISTS: as in 0001.
ALTER TABLE kalshi_markets_details
    ADD COLUMN IF NOT EXISTS event_title text COLLATE "C",
    ADD COLUMN IF NOT EXISTS categories jsonb,
    ADD COLUMN IF NOT EXISTS title_from_event boolean;        -- the exchange sent no title: it follows that of the event
ALTER TABLE kalshi_markets_quotes
    ADD COLUMN categories jsonb,
    -- A price of 0 stands for no trade.
    ADD COLUMN price_change_24h_dollars numeric GENERATED ALWAYS AS
        (trim_scale(nullif(last_price_dollars, 0) - nullif(previous_price_dollars, 0))) STORED;

-- A view keeps the order of its columns.
CREATE OR REPLACE VIEW kalshi_markets AS
SELECT
    t.ticker, t.event_ticker, t.title, t.subtitle, t.market_type, t.strike_type, t.open_time, t.close_time, q.volume,
    q.liquidity, q.open_interest, t.result, t.settlement_value, t.rules_primary, t.series_ticker, t.category,
    t.status, t.yes_sub_title, t.no_sub_title, t.rules_secondary, q.yes_bid_dollars, q.yes_ask_dollars,
    q.no_bid_dollars, q.no_ask_dollars, q.last_price_dollars, q.previous_price_dollars, q.previous_yes_bid_dollars,
    q.previous_yes_ask_dollars, t.notional_value_dollars, q.yes_bid_size, q.yes_ask_size, q.volume_24h,
    t.floor_strike, t.cap_strike, t.functional_strike, t.custom_strike, t.created_time, t.updated_time,
    t.expected_expiration_time, t.latest_expiration_time, t.occurrence_datetime, t.settlement_ts,
    t.fee_waiver_expiration_time, t.expiration_value, t.settlement_timer_seconds, t.can_close_early,
    t.early_close_condition, t.price_level_structure, t.price_ranges, t.mve_collection_ticker, t.mve_selected_legs,
    t.is_provisional, t.primary_participant_key, t.exchange_index, t.first_seen_at, q.changed_at, q.change_number,
    q.removed_at, t.settlement_bounds_type, t.settlement_floor_dollars, t.event_title, t.categories,
    q.price_change_24h_dollars
FROM kalshi_markets_details AS t JOIN kalshi_markets_quotes AS q ON q.ticker = t.ticker;

-- Numbers of markets by the values of six columns. The job `counts` writes them; its row in kalshi_markets_jobs has
-- the time of the count (confirmed_at).
CREATE TABLE kalshi_markets_counts (
    series_ticker text COLLATE "C",
    category text COLLATE "C",
    categories jsonb,
    status text COLLATE "C",
    strike_type text COLLATE "C",
    result text COLLATE "C",
    markets bigint NOT NULL,
    volume_24h numeric NOT NULL                 -- of the markets that are not finalized
);
CREATE INDEX kalshi_markets_counts_series ON kalshi_markets_counts (series_ticker);

-- Numbers of markets by the values of one column: status, category (the primary one), series_ticker, strike_type and
-- result.
CREATE TABLE kalshi_markets_facets (
    facet text COLLATE "C" NOT NULL,
    value text COLLATE "C",
    markets bigint NOT NULL
);
CREATE INDEX kalshi_markets_facets_largest ON kalshi_markets_facets (facet, markets DESC, value);

-- A query for one series reads only its rows. The time zone of every session is UTC.
CREATE VIEW kalshi_markets_series_counts AS
SELECT
    series_ticker,
    jsonb_build_object(
        'counted_at', (
            SELECT replace(replace(confirmed_at::text, ' ', 'T'), '+00', 'Z')
            FROM kalshi_markets_jobs WHERE job = 'counts'
        ),
        'markets', sum(markets),
        'by_status', coalesce(jsonb_object_agg(status, markets) FILTER (WHERE status IS NOT NULL), '{}'),
        'volume_24h', trim_scale(sum(volume_24h))
    ) AS market_counts
FROM (
    SELECT series_ticker, status, sum(markets) AS markets, sum(volume_24h) AS volume_24h
    FROM kalshi_markets_counts GROUP BY series_ticker, status
) AS counted
GROUP BY series_ticker;
