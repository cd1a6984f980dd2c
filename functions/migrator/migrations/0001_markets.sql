-- The markets. Every column stands in columns.py too, which a test and the migrator compare with the result.
-- IF NOT EXISTS throughout: the table of the original service is kept and completed (see adoption.py).

CREATE SEQUENCE IF NOT EXISTS kalshi_markets_change;

CREATE TABLE IF NOT EXISTS kalshi_markets (ticker text COLLATE "C" PRIMARY KEY);

ALTER TABLE kalshi_markets
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
    ADD COLUMN IF NOT EXISTS changed_at timestamp with time zone NOT NULL DEFAULT now(),
    ADD COLUMN IF NOT EXISTS change_number bigint NOT NULL DEFAULT nextval('kalshi_markets_change'),
    ADD COLUMN IF NOT EXISTS removed_at timestamp with time zone;

-- The default order of GET /markets.
CREATE INDEX IF NOT EXISTS kalshi_markets_recent
    ON kalshi_markets (coalesce(close_time, open_time) DESC NULLS LAST, ticker DESC);
