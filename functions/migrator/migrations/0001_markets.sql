-- The markets: two tables behind a view. The details seldom change; the quotes change with every trade. The live jobs
-- rewrite a fifth of the quotes, but neither texts nor their indexes (docs/decisions.md). columns.py lists every
-- column; a test and the migrator compare it with the result.
--
-- IF NOT EXISTS: the table of the original service is kept and becomes the details (adoption.py).

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE SEQUENCE IF NOT EXISTS kalshi_markets_change;

CREATE TABLE IF NOT EXISTS kalshi_markets (ticker text COLLATE "C" PRIMARY KEY);
ALTER TABLE kalshi_markets RENAME TO kalshi_markets_details;
ALTER TABLE kalshi_markets_details
    ADD COLUMN IF NOT EXISTS event_ticker text COLLATE "C",
    ADD COLUMN IF NOT EXISTS title text COLLATE "C",
    ADD COLUMN IF NOT EXISTS subtitle text COLLATE "C",
    ADD COLUMN IF NOT EXISTS market_type text COLLATE "C",
    ADD COLUMN IF NOT EXISTS strike_type text COLLATE "C",
    ADD COLUMN IF NOT EXISTS open_time timestamp with time zone,
    ADD COLUMN IF NOT EXISTS close_time timestamp with time zone,
    ADD COLUMN IF NOT EXISTS volume numeric,
    ADD COLUMN IF NOT EXISTS liquidity numeric,
    ADD COLUMN IF NOT EXISTS open_interest numeric,
    ADD COLUMN IF NOT EXISTS result text COLLATE "C",
    ADD COLUMN IF NOT EXISTS settlement_value numeric,
    ADD COLUMN IF NOT EXISTS rules_primary text COLLATE "C",
    ADD COLUMN IF NOT EXISTS series_ticker text COLLATE "C",
    ADD COLUMN IF NOT EXISTS category text COLLATE "C",
    ADD COLUMN IF NOT EXISTS status text COLLATE "C",
    ADD COLUMN IF NOT EXISTS yes_sub_title text COLLATE "C",
    ADD COLUMN IF NOT EXISTS no_sub_title text COLLATE "C",
    ADD COLUMN IF NOT EXISTS rules_secondary text COLLATE "C",
    ADD COLUMN IF NOT EXISTS yes_bid_dollars numeric,
    ADD COLUMN IF NOT EXISTS yes_ask_dollars numeric,
    ADD COLUMN IF NOT EXISTS no_bid_dollars numeric,
    ADD COLUMN IF NOT EXISTS no_ask_dollars numeric,
    ADD COLUMN IF NOT EXISTS last_price_dollars numeric,
    ADD COLUMN IF NOT EXISTS previous_price_dollars numeric,
    ADD COLUMN IF NOT EXISTS previous_yes_bid_dollars numeric,
    ADD COLUMN IF NOT EXISTS previous_yes_ask_dollars numeric,
    ADD COLUMN IF NOT EXISTS notional_value_dollars numeric,
    ADD COLUMN IF NOT EXISTS yes_bid_size numeric,
    ADD COLUMN IF NOT EXISTS yes_ask_size numeric,
    ADD COLUMN IF NOT EXISTS volume_24h numeric,
    ADD COLUMN IF NOT EXISTS floor_strike numeric,
    ADD COLUMN IF NOT EXISTS cap_strike numeric,
    ADD COLUMN IF NOT EXISTS functional_strike text COLLATE "C",
    ADD COLUMN IF NOT EXISTS custom_strike jsonb,
    ADD COLUMN IF NOT EXISTS created_time timestamp with time zone,
    ADD COLUMN IF NOT EXISTS updated_time timestamp with time zone,
    ADD COLUMN IF NOT EXISTS expected_expiration_time timestamp with time zone,
    ADD COLUMN IF NOT EXISTS latest_expiration_time timestamp with time zone,
    ADD COLUMN IF NOT EXISTS occurrence_datetime timestamp with time zone,
    ADD COLUMN IF NOT EXISTS settlement_ts timestamp with time zone,
    ADD COLUMN IF NOT EXISTS fee_waiver_expiration_time timestamp with time zone,
    ADD COLUMN IF NOT EXISTS expiration_value text COLLATE "C",
    ADD COLUMN IF NOT EXISTS settlement_timer_seconds integer,
    ADD COLUMN IF NOT EXISTS can_close_early boolean,
    ADD COLUMN IF NOT EXISTS early_close_condition text COLLATE "C",
    ADD COLUMN IF NOT EXISTS price_level_structure text COLLATE "C",
    ADD COLUMN IF NOT EXISTS price_ranges jsonb,
    ADD COLUMN IF NOT EXISTS mve_collection_ticker text COLLATE "C",
    ADD COLUMN IF NOT EXISTS mve_selected_legs jsonb,
    ADD COLUMN IF NOT EXISTS is_provisional boolean,
    ADD COLUMN IF NOT EXISTS primary_participant_key text COLLATE "C",
    ADD COLUMN IF NOT EXISTS exchange_index integer,
    ADD COLUMN IF NOT EXISTS first_seen_at timestamp with time zone NOT NULL DEFAULT now(),
    ADD COLUMN IF NOT EXISTS settlement_bounds_type text COLLATE "C",
    ADD COLUMN IF NOT EXISTS settlement_floor_dollars numeric,
    ADD COLUMN recent timestamp with time zone GENERATED ALWAYS AS (coalesce(close_time, open_time)) STORED;

CREATE TABLE kalshi_markets_quotes (
    ticker text COLLATE "C" PRIMARY KEY,
    -- Copies from the details: queries filter and order quotes by them.
    category text COLLATE "C",
    status text COLLATE "C",
    result text COLLATE "C",
    open_time timestamp with time zone,
    close_time timestamp with time zone,
    settlement_ts timestamp with time zone,
    recent timestamp with time zone GENERATED ALWAYS AS (coalesce(close_time, open_time)) STORED,
    volume numeric,
    liquidity numeric,
    open_interest numeric,
    yes_bid_dollars numeric,
    yes_ask_dollars numeric,
    no_bid_dollars numeric,
    no_ask_dollars numeric,
    last_price_dollars numeric,
    previous_price_dollars numeric,
    previous_yes_bid_dollars numeric,
    previous_yes_ask_dollars numeric,
    yes_bid_size numeric,
    yes_ask_size numeric,
    volume_24h numeric,
    changed_at timestamp with time zone NOT NULL DEFAULT now(),
    change_number bigint NOT NULL DEFAULT nextval('kalshi_markets_change'),
    removed_at timestamp with time zone,
    details_hash uuid,  -- hash of the details as the exchange sent them; if it is the same, the details are not compared
    object_hash uuid    -- hash of the whole object as the exchange sent it; if it is the same, the object is not parsed
);

INSERT INTO kalshi_markets_quotes (
    ticker, category, status, result, open_time, close_time, settlement_ts, volume, liquidity, open_interest,
    yes_bid_dollars, yes_ask_dollars, no_bid_dollars, no_ask_dollars, last_price_dollars,
    previous_price_dollars, previous_yes_bid_dollars, previous_yes_ask_dollars, yes_bid_size, yes_ask_size,
    volume_24h
)
SELECT
    ticker, category, status, result, open_time, close_time, settlement_ts, volume, liquidity, open_interest,
    yes_bid_dollars, yes_ask_dollars, no_bid_dollars, no_ask_dollars, last_price_dollars,
    previous_price_dollars, previous_yes_bid_dollars, previous_yes_ask_dollars, yes_bid_size, yes_ask_size,
    volume_24h
FROM kalshi_markets_details;

ALTER TABLE kalshi_markets_details
    DROP COLUMN volume,
    DROP COLUMN liquidity,
    DROP COLUMN open_interest,
    DROP COLUMN yes_bid_dollars,
    DROP COLUMN yes_ask_dollars,
    DROP COLUMN no_bid_dollars,
    DROP COLUMN no_ask_dollars,
    DROP COLUMN last_price_dollars,
    DROP COLUMN previous_price_dollars,
    DROP COLUMN previous_yes_bid_dollars,
    DROP COLUMN previous_yes_ask_dollars,
    DROP COLUMN yes_bid_size,
    DROP COLUMN yes_ask_size,
    DROP COLUMN volume_24h;

CREATE VIEW kalshi_markets AS
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
    q.removed_at, t.settlement_bounds_type, t.settlement_floor_dollars
FROM kalshi_markets_details AS t JOIN kalshi_markets_quotes AS q ON q.ticker = t.ticker;

-- Few of the rows change: with the default, a vacuum would wait until a fifth of the table is dead.
ALTER TABLE kalshi_markets_quotes SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
-- Index-only scans need pages that a vacuum has marked all-visible.
ALTER TABLE kalshi_markets_details
    SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);
