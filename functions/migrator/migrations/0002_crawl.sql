-- The state of the crawler, and what it stores beside the markets.

-- One row for each job: its position, and totals over all its runs.
CREATE TABLE kalshi_markets_jobs (
    job text COLLATE "C" PRIMARY KEY,
    position jsonb,                             -- where to continue; null between two passes
    watermark timestamp with time zone,         -- everything before it has been read; null for jobs without such a time
    run_count bigint NOT NULL DEFAULT 0,        -- passes started
    started_at timestamp with time zone,        -- of the current or the last pass
    finished_at timestamp with time zone,       -- of the last complete pass
    confirmed_at timestamp with time zone,      -- start of the last complete pass: everything was confirmed since
    committed_at timestamp with time zone,      -- of the last page
    completed_by text COLLATE "C",              -- of the archive: how the last complete pass read it
    pages bigint NOT NULL DEFAULT 0,
    markets bigint NOT NULL DEFAULT 0,
    added bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    change_number bigint,                       -- the last change after this job's last page
    last_error text,
    failed_at timestamp with time zone,
    retry_at timestamp with time zone           -- after an unusable response: when the job is due again
);

-- The rows of an adopted table, so that the sum of `added` is the table's size.
INSERT INTO kalshi_markets_jobs (job, added, markets, change_number)
SELECT 'adopted', count(*), count(*), coalesce(max(change_number), 0) FROM kalshi_markets_quotes;

-- Lease of the only writer. If a crawler ends without releasing it, it expires.
CREATE TABLE kalshi_markets_lease (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    holder text,
    ends_at timestamp with time zone NOT NULL DEFAULT '-infinity'
);
INSERT INTO kalshi_markets_lease DEFAULT VALUES;

-- Markets that cannot be stored: the newest object of each, and the reason.
CREATE TABLE kalshi_markets_rejects (
    ticker text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL,
    object text NOT NULL,
    first_at timestamp with time zone NOT NULL DEFAULT now(),
    last_at timestamp with time zone NOT NULL DEFAULT now()
);

-- Former states of the markets: one row for each change of status, result or close time, with the values before it.
CREATE TABLE kalshi_markets_history (
    ticker text COLLATE "C",
    change_number bigint,                       -- of the change that ended this state
    until timestamp with time zone NOT NULL,
    status text COLLATE "C",
    result text COLLATE "C",
    close_time timestamp with time zone,
    PRIMARY KEY (ticker, change_number)
);

-- Events and series: a market's object names neither its series nor its category.
CREATE TABLE kalshi_markets_events (
    event_ticker text COLLATE "C" PRIMARY KEY,
    series_ticker text COLLATE "C",             -- null if the exchange does not know the event
    title text COLLATE "C",
    asked_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE TABLE kalshi_markets_series (
    series_ticker text COLLATE "C" PRIMARY KEY,
    title text COLLATE "C",
    category text COLLATE "C"
);

-- Markets that a live job has seen: one row for each page, with hashes of its tickers.
CREATE TABLE kalshi_markets_seen (
    job text COLLATE "C" NOT NULL,
    started_at timestamp with time zone NOT NULL, -- of the job's pass
    tickers bigint[] NOT NULL
);
CREATE INDEX kalshi_markets_seen_pass ON kalshi_markets_seen (job, started_at);

-- Missing markets that were requested by name, and when: the least recently requested come first.
CREATE TABLE kalshi_markets_lookups (
    ticker text COLLATE "C" PRIMARY KEY,
    asked_at timestamp with time zone NOT NULL
);

-- Schema drift: where the exchange's objects differ from its documentation. schema_drift.py lists the kinds of change.
CREATE TABLE kalshi_markets_drift (
    member text COLLATE "C",
    change text COLLATE "C",
    markets bigint NOT NULL,                    -- objects since the first one
    example text,
    first_at timestamp with time zone NOT NULL DEFAULT now(),
    last_at timestamp with time zone NOT NULL DEFAULT now(),
    PRIMARY KEY (member, change)
);
