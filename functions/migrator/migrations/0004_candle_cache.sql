-- The cache of candlesticks whose periods have ended: one row for a ticker, a period and a block of time.

CREATE TABLE kalshi_markets_candles (
    ticker text COLLATE "C",
    period integer,                             -- minutes of a candle
    block integer,                              -- number of the block, counted from the epoch
    settled boolean NOT NULL,                   -- fetched after the market was settled
    covers_from bigint NOT NULL,                -- every candle that ends from here to covers_to is in the row; Unix seconds
    covers_to bigint NOT NULL,
    candles bytea NOT NULL,                     -- their JSON, separated by a comma and a line break; raw deflate
    crc bigint NOT NULL,                        -- CRC-32 of the JSON text
    size integer NOT NULL,                      -- bytes of the JSON text
    used_at timestamp with time zone NOT NULL DEFAULT now(), -- with a resolution of a day
    -- Approximate size on disk, with the row's part of the index.
    bytes integer NOT NULL GENERATED ALWAYS AS (octet_length(candles) + 2 * octet_length(ticker) + 160) STORED,
    PRIMARY KEY (ticker, period, block)
);
-- The candles are compressed already.
ALTER TABLE kalshi_markets_candles ALTER COLUMN candles SET STORAGE EXTERNAL;
