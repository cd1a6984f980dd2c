-- The bounds of a market's settlement (docs.kalshi.com, Market object, since 2026-10-01), which are terms of its contract.

ALTER TABLE kalshi_markets_details
    ADD COLUMN IF NOT EXISTS settlement_bounds_type text COLLATE "C",
    ADD COLUMN IF NOT EXISTS settlement_floor_dollars numeric;

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
    q.removed_at, t.settlement_bounds_type, t.settlement_floor_dollars
FROM kalshi_markets_details AS t JOIN kalshi_markets_quotes AS q ON q.ticker = t.ticker;

-- A kind of drift more: values that a list of words does not have. schema_drift.py has the kinds.
ALTER TABLE kalshi_markets_drift DROP CONSTRAINT kalshi_markets_drift_change_check;
