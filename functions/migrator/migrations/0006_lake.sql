-- The lake: every version of every market, on its way to object storage (docs/lake.md).

-- One row for each commit that changed markets, while the lake is on: its lines, until they are exported.
-- after, number: the last change before and in the commit. after equals the number of the previous row.
CREATE TABLE kalshi_markets_outbox (
    number bigint PRIMARY KEY,
    after bigint NOT NULL,
    day date NOT NULL,                          -- of the commit, in UTC
    bytes bigint NOT NULL,                      -- size of the lines
    lines text NOT NULL                         -- JSON lines, in the order of their change numbers; or one gap record
);

-- Position of the export.
CREATE TABLE kalshi_markets_lake (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    lake_id uuid NOT NULL DEFAULT gen_random_uuid(), -- the lake belongs to the database that has this identifier
    exported bigint,                            -- last change that is in the lake; null: the lake was never on
    backlog_before bigint,                      -- the backlog has the versions up to this change
    backlog_complete boolean NOT NULL DEFAULT false
);
INSERT INTO kalshi_markets_lake DEFAULT VALUES;

-- Objects of the day that is not closed yet: its manifest lists them.
CREATE TABLE kalshi_markets_lake_objects (
    after bigint PRIMARY KEY,
    last bigint NOT NULL,
    day date NOT NULL,
    lines bigint NOT NULL,
    size bigint NOT NULL,                       -- bytes of the object, compressed
    sha256 text NOT NULL
);

-- The default is a constant of this migration: the table is not rewritten.
ALTER TABLE kalshi_markets_quotes ADD COLUMN details_changed_at timestamp with time zone NOT NULL DEFAULT now();
