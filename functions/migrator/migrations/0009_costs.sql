-- What requests cost: the limiter's token is the cost of a request to an endpoint of the default cost.

ALTER TABLE kalshi_markets_limiter
    ADD COLUMN bucket_capacity double precision CHECK (bucket_capacity > 0),    -- tokens that the exchange's own bucket holds; null: unknown
    ADD COLUMN endpoint_costs jsonb NOT NULL DEFAULT '{}';                      -- tokens by path, where they are not 1
