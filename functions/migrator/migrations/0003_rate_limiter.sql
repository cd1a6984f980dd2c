-- The exchange's rate limit, shared by all processes: two token buckets in one row, one for the crawler and one for
-- interactive requests. A token is the cost of a request to an endpoint of the default cost. Processes call two functions.

CREATE TABLE kalshi_markets_limiter (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    crawler double precision NOT NULL DEFAULT 0,
    interactive double precision NOT NULL DEFAULT 0,
    filled_at timestamp with time zone NOT NULL DEFAULT 'epoch',
    account_rate double precision CHECK (account_rate > 0),     -- requests per second; null: unknown
    account_rate_until timestamp with time zone,                -- when it must be requested again
    bucket_capacity double precision,                           -- tokens in the exchange's own bucket; null: unknown
    endpoint_costs jsonb NOT NULL DEFAULT '{}',                 -- tokens by path, where they are not 1
    slowed_to double precision NOT NULL DEFAULT 1,              -- factor of the rate at slowed_at
    slowed_at timestamp with time zone NOT NULL DEFAULT 'epoch' -- start of the last slow-down
);
INSERT INTO kalshi_markets_limiter DEFAULT VALUES;

-- Factor of the rate at an instant: it grows linearly back to 1 within 60 s of a slow-down.
CREATE FUNCTION kalshi_markets_limiter_factor(bucket kalshi_markets_limiter, at timestamp with time zone)
RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN at < bucket.slowed_at THEN 1 -- the clock was set back: another 429 costs less than a slow rate until then
        ELSE least(1, bucket.slowed_to + (1 - bucket.slowed_to) * extract(epoch FROM at - bucket.slowed_at) / 60)
    END
$$;

-- Take up to `wanted` tokens of a share, 'crawler' or 'interactive'. `granted` is the number taken.
-- rate: requests per second. Null: the account's rate if it is known, otherwise 15. The result is the rate that was used.
-- seconds: time until `wanted` tokens are available again, if no other process takes any.
CREATE FUNCTION kalshi_markets_take_tokens(
    share text, wanted integer, INOUT rate double precision, OUT granted integer, OUT seconds double precision
) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    part CONSTANT double precision NOT NULL := CASE share WHEN 'interactive' THEN 1.0 / 3 WHEN 'crawler' THEN 2.0 / 3 END;
    -- Capacity of both buckets, in seconds of the rate. A process may hold the tokens of another tenth of a second.
    -- Together they are less than the tokens of one second, which every tier permits at once.
    burst CONSTANT double precision := 0.75;
    bucket kalshi_markets_limiter;
    at timestamp with time zone;
    speed double precision;
    refill double precision;
    own double precision;
    other double precision;
    own_room double precision;
    other_room double precision;
BEGIN
    SELECT * INTO STRICT bucket FROM kalshi_markets_limiter FOR UPDATE;
    at := clock_timestamp(); -- after the row is locked
    rate := coalesce(rate, CASE WHEN at < bucket.account_rate_until THEN bucket.account_rate END, 15);
    speed := rate * kalshi_markets_limiter_factor(bucket, at);
    refill := speed * greatest(0, extract(epoch FROM at - bucket.filled_at)); -- 0 if the clock was set back
    own := CASE share WHEN 'interactive' THEN bucket.interactive ELSE bucket.crawler END + refill * part;
    other := CASE share WHEN 'interactive' THEN bucket.crawler ELSE bucket.interactive END + refill * (1 - part);
    own_room := greatest(1, rate * burst * part);
    other_room := greatest(1, rate * burst * (1 - part));
    -- Tokens over the capacity of one bucket go to the other.
    SELECT
        least(own_room, own + greatest(0, other - other_room)),
        least(other_room, other + greatest(0, own - own_room))
    INTO own, other;
    granted := greatest(0, least(wanted, floor(own)));
    own := own - granted;
    seconds := greatest(0, least(wanted, own_room) - own) / speed / CASE WHEN other < other_room THEN part ELSE 1 END;
    UPDATE kalshi_markets_limiter SET
        crawler = CASE share WHEN 'crawler' THEN own ELSE other END,
        interactive = CASE share WHEN 'interactive' THEN own ELSE other END,
        filled_at = at;
END
$$;

-- After a 429: empty the buckets and halve the rate. Several 429s within a second count as one.
CREATE FUNCTION kalshi_markets_slow_down() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    bucket kalshi_markets_limiter;
    at timestamp with time zone;
BEGIN
    SELECT * INTO STRICT bucket FROM kalshi_markets_limiter FOR UPDATE;
    at := clock_timestamp();
    IF at NOT BETWEEN bucket.slowed_at AND bucket.slowed_at + interval '1 second' THEN
        UPDATE kalshi_markets_limiter SET
            crawler = 0,
            interactive = 0,
            filled_at = at,
            slowed_to = greatest(0.1, kalshi_markets_limiter_factor(bucket, at) / 2),
            slowed_at = at;
    END IF;
END
$$;

-- Both functions run as their owner, so the caller's search_path must not apply to the names in them.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION kalshi_markets_take_tokens SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION kalshi_markets_slow_down SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE EXECUTE ON FUNCTION kalshi_markets_limiter_factor, kalshi_markets_take_tokens, kalshi_markets_slow_down
FROM PUBLIC;
