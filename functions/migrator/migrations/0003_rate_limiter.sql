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

-- The part of the rate that is in force: it grows back to 1 within 60 s of a slow-down.
CREATE FUNCTION kalshi_markets_limiter_factor(bucket kalshi_markets_limiter, at timestamp with time zone)
RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN at < bucket.slowed_at THEN 1 -- the clock was set back: better a second 429 than slow until it is there again
        ELSE least(1, bucket.slowed_to + (1 - bucket.slowed_to) * extract(epoch FROM at - bucket.slowed_at) / 60)
    END
$$;

-- Takes up to so many tokens of a share, 'crawler' or 'interactive'.
-- rate: requests a second; null: the account's, where that is known. Returned as it was used.
-- seconds: until as many as were wanted are there again, if nobody else takes any.
CREATE FUNCTION kalshi_markets_take_tokens(
    share text, wanted integer, INOUT rate double precision, OUT granted integer, OUT seconds double precision
) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    part CONSTANT double precision NOT NULL := CASE share WHEN 'interactive' THEN 1.0 / 3 WHEN 'crawler' THEN 2.0 / 3 END;
    -- Seconds' worth that both buckets hold. With the tenth that each process may have in hand it stays within the
    -- second's worth that every tier permits at once.
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
    at := clock_timestamp(); -- not before the row is ours
    rate := coalesce(rate, CASE WHEN at < bucket.account_rate_until THEN bucket.account_rate END, 15);
    speed := rate * kalshi_markets_limiter_factor(bucket, at);
    refill := speed * greatest(0, extract(epoch FROM at - bucket.filled_at)); -- nothing where the clock was set back
    own := CASE share WHEN 'interactive' THEN bucket.interactive ELSE bucket.crawler END + refill * part;
    other := CASE share WHEN 'interactive' THEN bucket.crawler ELSE bucket.interactive END + refill * (1 - part);
    own_room := greatest(1, rate * burst * part);
    other_room := greatest(1, rate * burst * (1 - part));
    -- What a share does not take overflows into the other.
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

-- What a 429 calls for: empties the buckets and halves the rate in force. Many 429s at once count as one.
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

-- Both run as their owner, so no caller may choose what their names mean.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION kalshi_markets_take_tokens SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION kalshi_markets_slow_down SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE EXECUTE ON FUNCTION kalshi_markets_limiter_factor, kalshi_markets_take_tokens, kalshi_markets_slow_down
FROM PUBLIC;
