-- What a merchant may be paid (商户收款限额): at once, and on a business day. New columns that are NULL, and a new table.

ALTER TABLE merchant
    ADD COLUMN single_limit_fen bigint CONSTRAINT merchant_single_limit CHECK (single_limit_fen >= 0),  -- NULL: none
    ADD COLUMN daily_limit_fen  bigint CONSTRAINT merchant_daily_limit CHECK (daily_limit_fen >= 0);    -- NULL: none

-- For merchants with a daily limit, in portions, one a desk: what the desk's payments came to on `day`, and what it may
-- still let through. The portions' left_fen together never exceed the limit less all paid_fen of the day.
CREATE TABLE merchant_usage (
    merchant_id uuid NOT NULL,
    slot        smallint NOT NULL,              -- the desk's; 0: what was paid before the limit was set
    day         date NOT NULL,
    paid_fen    bigint NOT NULL,                -- below zero where another desk's payments were given back
    left_fen    bigint NOT NULL CONSTRAINT merchant_usage_left CHECK (left_fen >= 0),
    CONSTRAINT merchant_usage_pk PRIMARY KEY (merchant_id, slot)
) WITH (fillfactor = 70);
