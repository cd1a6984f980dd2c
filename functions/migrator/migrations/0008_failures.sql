-- What jobs keep between two runs besides their places.

ALTER TABLE kalshi_markets_jobs
    ADD COLUMN retry_at timestamp with time zone,   -- after an answer that could not be used: when to ask again
    ADD COLUMN completed_by text COLLATE "C";       -- of the archive: the way in which the last complete walk read it

-- The missing markets that were looked up by name, and when: the least recently asked come first.
CREATE TABLE kalshi_markets_lookups (
    ticker text COLLATE "C" PRIMARY KEY,
    asked_at timestamp with time zone NOT NULL
);
