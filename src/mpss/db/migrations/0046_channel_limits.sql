-- What a channel may let through in a day and a month (渠道限额). Replaces a constraint by one that allows more; a new
-- table; an index of what phone bill and card paid, built under a lock that lets nobody write a transaction meanwhile.

ALTER TABLE limit_rule DROP CONSTRAINT limit_rule_channel,
    -- Year and lifetime are of the account and its holder, the balance is the account's.
    ADD CONSTRAINT limit_rule_channel
    CHECK (channel = '*' OR measure IN ('single', 'daily_amount', 'daily_count', 'monthly_amount'));

-- For channels with such a limit alone: what they let through of an operation on `day`, and in its month. Whoever
-- changes a row holds the account's account_usage row; a row that is missing is counted from the transactions.
CREATE TABLE channel_usage (
    account_id uuid NOT NULL,
    operation  text NOT NULL,
    channel    text NOT NULL,
    day        date NOT NULL,
    day_fen    bigint NOT NULL,
    day_count  integer NOT NULL,
    month_fen  bigint NOT NULL,
    CONSTRAINT channel_usage_pk PRIMARY KEY (account_id, operation, channel)
) WITH (fillfactor = 70);

-- A wallet's payments are found by its postings; these post nothing there.
CREATE INDEX transaction_outside ON transaction (account_id, id) WHERE funding NOT IN ('wallet', 'group');
