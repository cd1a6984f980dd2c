-- The crawler's books.

-- One row for each job: where its walk stands, and what it has done so far.
CREATE TABLE kalshi_markets_jobs (
    job text COLLATE "C" PRIMARY KEY,
    position jsonb,                             -- where to go on; null when no walk is under way
    watermark timestamp with time zone,         -- up to when its walks have seen everything, where that has a meaning
    run_count bigint NOT NULL DEFAULT 0,        -- walks begun
    started_at timestamp with time zone,
    finished_at timestamp with time zone,       -- when the last complete walk ended
    committed_at timestamp with time zone,      -- when the last page was committed
    pages bigint NOT NULL DEFAULT 0,            -- all of these since the beginning of time
    markets bigint NOT NULL DEFAULT 0,
    added bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    last_error text,
    failed_at timestamp with time zone
);

-- What an adopted table already held, so that the sum of `added` is the table's size.
INSERT INTO kalshi_markets_jobs (job, added, markets)
SELECT 'adopted', count(*), count(*) FROM kalshi_markets;

-- Who may write now. One row; a crawler that dies leaves it to run out.
CREATE TABLE kalshi_markets_lease (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    holder text,
    ends_at timestamp with time zone NOT NULL DEFAULT '-infinity'
);
INSERT INTO kalshi_markets_lease DEFAULT VALUES;

-- Markets that could not become rows: the newest object of each, and why.
CREATE TABLE kalshi_markets_rejects (
    ticker text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL,
    object text NOT NULL,
    first_at timestamp with time zone NOT NULL DEFAULT now(),
    last_at timestamp with time zone NOT NULL DEFAULT now()
);
