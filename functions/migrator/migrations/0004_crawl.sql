-- What the crawler knows besides the markets.

-- Former states of the markets: a row for each change of status, result or close time, with what had held until then.
CREATE TABLE kalshi_markets_history (
    ticker text COLLATE "C",
    change_number bigint,                       -- of the change that ended this state
    until timestamp with time zone NOT NULL,
    status text COLLATE "C",
    result text COLLATE "C",
    close_time timestamp with time zone,
    PRIMARY KEY (ticker, change_number)
);

-- What a market does not tell of itself: its event's series, its series' category.
CREATE TABLE kalshi_markets_events (
    event_ticker text COLLATE "C" PRIMARY KEY,
    series_ticker text COLLATE "C",             -- null where the exchange does not know the event
    title text COLLATE "C",
    asked_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE TABLE kalshi_markets_series (
    series_ticker text COLLATE "C" PRIMARY KEY,
    title text COLLATE "C",
    category text COLLATE "C"
);

-- The markets that a walk has seen, a row for each page: hashes of their tickers.
CREATE TABLE kalshi_markets_seen (
    job text COLLATE "C" NOT NULL,
    started_at timestamp with time zone NOT NULL, -- the walk's
    tickers bigint[] NOT NULL
);
CREATE INDEX kalshi_markets_seen_walk ON kalshi_markets_seen (job, started_at);

-- Where the exchange's objects differ from what its documentation said when this was written.
CREATE TABLE kalshi_markets_drift (
    member text COLLATE "C",
    change text COLLATE "C" CHECK (change IN ('new', 'gone', 'type_changed')),
    markets bigint NOT NULL,                    -- how many objects, since the first
    example text,
    first_at timestamp with time zone NOT NULL DEFAULT now(),
    last_at timestamp with time zone NOT NULL DEFAULT now(),
    PRIMARY KEY (member, change)
);

-- Of the whole object as the exchange sent it: where it is the same, it need not be read.
ALTER TABLE kalshi_markets_quotes ADD COLUMN object_hash uuid;

-- Since when everything that a job walks over has been confirmed: the beginning of its last complete walk.
ALTER TABLE kalshi_markets_jobs ADD COLUMN confirmed_at timestamp with time zone;
UPDATE kalshi_markets_jobs SET confirmed_at = started_at WHERE position IS NULL AND finished_at IS NOT NULL;
-- Walks keep other places than before: those under way begin anew.
UPDATE kalshi_markets_jobs SET position = NULL, started_at = NULL WHERE position IS NOT NULL;
