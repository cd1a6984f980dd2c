-- The cache of candlesticks whose periods have ended: one row for a ticker, a period and a block of time.

CREATE TABLE kalshi_markets_candles (
    ticker text COLLATE "C",
    period integer,                             -- minutes of a candle
    block integer,                              -- the number of the stretch of time since the epoch
    settled boolean NOT NULL,                   -- fetched after the market was settled
    covers_from bigint NOT NULL,                -- the candles that end from here to there are all in here; Unix seconds
    covers_to bigint NOT NULL,
    candles bytea NOT NULL,                     -- their JSON, parted by a comma and a line break; raw deflate
    crc bigint NOT NULL,                        -- of that text, CRC-32
    size integer NOT NULL,                      -- of that text, in bytes
    used_at timestamp with time zone NOT NULL DEFAULT now(), -- to the day
    -- What the row takes on disk, its share of the indexes included.
    bytes integer NOT NULL GENERATED ALWAYS AS (octet_length(candles) + 2 * octet_length(ticker) + 160) STORED,
    PRIMARY KEY (ticker, period, block)
);
-- It is compressed already.
ALTER TABLE kalshi_markets_candles ALTER COLUMN candles SET STORAGE EXTERNAL;
