-- The markets in two tables behind a view of their name: what trading moves apart from what seldom changes, so that the
-- live walk, which changes a fifth of what it sees, rewrites neither texts nor their indexes (docs/decisions.md).

ALTER TABLE kalshi_markets RENAME TO kalshi_markets_details;

CREATE TABLE kalshi_markets_quotes (
    ticker text COLLATE "C" PRIMARY KEY,
    -- Repeated from the terms, since one filters and orders quotes by them.
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
    details_hash uuid    -- of what the exchange sent for the terms: where it is the same, they need not be compared
);

INSERT INTO kalshi_markets_quotes (
    ticker, category, status, result, open_time, close_time, settlement_ts, volume, liquidity, open_interest,
    yes_bid_dollars, yes_ask_dollars, no_bid_dollars, no_ask_dollars, last_price_dollars, previous_price_dollars, previous_yes_bid_dollars,
    previous_yes_ask_dollars, yes_bid_size, yes_ask_size, volume_24h, changed_at, change_number, removed_at
)
SELECT
    ticker, category, status, result, open_time, close_time, settlement_ts, volume, liquidity, open_interest,
    yes_bid_dollars, yes_ask_dollars, no_bid_dollars, no_ask_dollars, last_price_dollars, previous_price_dollars, previous_yes_bid_dollars,
    previous_yes_ask_dollars, yes_bid_size, yes_ask_size, volume_24h, changed_at, change_number, removed_at
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
    DROP COLUMN volume_24h,
    DROP COLUMN changed_at,
    DROP COLUMN change_number,
    DROP COLUMN removed_at;

-- What `recent` orders by.
DROP INDEX IF EXISTS kalshi_markets_recent;
ALTER TABLE kalshi_markets_details
    ADD COLUMN recent timestamp with time zone GENERATED ALWAYS AS (coalesce(close_time, open_time)) STORED;

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
    q.removed_at
FROM kalshi_markets_details AS t JOIN kalshi_markets_quotes AS q ON q.ticker = t.ticker;

-- The last change number that a job's pages came to: what an answer is current as of.
ALTER TABLE kalshi_markets_jobs ADD COLUMN change_number bigint;
UPDATE kalshi_markets_jobs
SET change_number = (SELECT coalesce(max(change_number), 0) FROM kalshi_markets_quotes)
WHERE job = 'adopted';

-- Churn is in few rows of many: the default would wait until a fifth of the table is dead.
ALTER TABLE kalshi_markets_quotes SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
-- Index-only scans read pages that a vacuum has found all visible.
ALTER TABLE kalshi_markets_details
    SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);

CREATE EXTENSION IF NOT EXISTS pg_trgm;
