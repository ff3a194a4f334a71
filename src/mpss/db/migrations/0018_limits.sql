-- The table of limits (限额) by class, channel, operation and measure, in versions; what is counted for it; the
-- customer's own lower limits. New tables, and new columns that are NULL or 0.

-- A version is a whole table. The one in force is the latest that has begun.
CREATE TABLE limit_version (
    version        integer CONSTRAINT limit_version_pk PRIMARY KEY,
    effective_from timestamptz NOT NULL CONSTRAINT limit_version_begin UNIQUE,
    approval_id    uuid,                        -- NULL: the table that came with the platform
    note           text NOT NULL DEFAULT ''
);
CREATE TABLE limit_rule (
    version       integer NOT NULL,
    account_class text NOT NULL CONSTRAINT limit_rule_class
                  CHECK (account_class IN ('weak', 'class_1', 'class_2', 'class_3', 'corporate', 'merchant')),
    channel       text NOT NULL,                -- * for all channels together
    operation     text NOT NULL CONSTRAINT limit_rule_operation
                  CHECK (operation IN ('payment', 'transfer', 'topup', 'withdrawal', '*')),
    measure       text NOT NULL,
    value         bigint NOT NULL CONSTRAINT limit_rule_value CHECK (value >= 0),  -- fen, or a count
    CONSTRAINT limit_rule_pk PRIMARY KEY (version, account_class, channel, operation, measure),
    -- Payments and transfers are counted together by year and lifetime, a balance is that of all.
    CONSTRAINT limit_rule_measure CHECK (CASE WHEN operation = '*'
        THEN measure IN ('yearly_amount', 'lifetime_amount', 'balance')
        ELSE measure IN ('single', 'daily_amount', 'daily_count', 'monthly_amount') END),
    -- What is counted is counted over all channels.
    CONSTRAINT limit_rule_channel CHECK (channel = '*' OR measure = 'single')
);

INSERT INTO limit_version (version, effective_from, note) VALUES (1, '2000-01-01 00:00:00+08', 'default');
-- Weak real name: no figures beyond the platform's settings. Class 1: PBOC 1,000 CNY since opening; classes 2 and 3:
-- 100,000 and 200,000 CNY a year over all accounts of the customer; the rest is field practice.
INSERT INTO limit_rule (version, account_class, channel, operation, measure, value) VALUES
    (1, 'class_1', '*', 'payment',    'single',             50000),
    (1, 'class_1', '*', 'payment',    'daily_amount',       50000),
    (1, 'class_1', '*', 'payment',    'daily_count',           50),
    (1, 'class_1', '*', 'payment',    'monthly_amount',    100000),
    (1, 'class_1', '*', 'transfer',   'single',             50000),
    (1, 'class_1', '*', 'transfer',   'daily_amount',       50000),
    (1, 'class_1', '*', 'transfer',   'daily_count',           20),
    (1, 'class_1', '*', 'topup',      'single',            100000),
    (1, 'class_1', '*', '*',          'lifetime_amount',   100000),
    (1, 'class_1', '*', '*',          'balance',           100000),
    (1, 'class_2', '*', 'payment',    'single',            500000),
    (1, 'class_2', '*', 'payment',    'daily_amount',      500000),
    (1, 'class_2', '*', 'payment',    'daily_count',          200),
    (1, 'class_2', '*', 'payment',    'monthly_amount',   2000000),
    (1, 'class_2', '*', 'transfer',   'daily_amount',      500000),
    (1, 'class_2', '*', 'transfer',   'daily_count',          100),
    (1, 'class_2', '*', 'withdrawal', 'daily_amount',      500000),
    (1, 'class_2', '*', '*',          'yearly_amount',   10000000),
    (1, 'class_2', '*', '*',          'balance',          5000000),
    (1, 'class_3', '*', 'payment',    'daily_count',          500),
    (1, 'class_3', '*', 'payment',    'monthly_amount',   5000000),
    (1, 'class_3', '*', 'transfer',   'daily_count',          100),
    (1, 'class_3', '*', '*',          'yearly_amount',   20000000),
    (1, 'class_3', '*', '*',          'balance',          5000000);

-- What was paid in the month of `day`; what was paid and transferred from the balance in its year, and ever.
ALTER TABLE account_usage
    ADD COLUMN month_fen bigint NOT NULL DEFAULT 0,
    ADD COLUMN year_fen  bigint NOT NULL DEFAULT 0,
    ADD COLUMN life_fen  bigint NOT NULL DEFAULT 0;
ALTER TABLE transfer_usage
    ADD COLUMN sent_count integer NOT NULL DEFAULT 0,
    ADD COLUMN month_fen  bigint NOT NULL DEFAULT 0;
ALTER TABLE withdrawal_usage
    ADD COLUMN asked_count integer NOT NULL DEFAULT 0,
    ADD COLUMN month_fen   bigint NOT NULL DEFAULT 0;
-- What was topped up on a business day. Whoever changes it holds the account's account_usage row.
CREATE TABLE topup_usage (
    account_id uuid CONSTRAINT topup_usage_pk PRIMARY KEY,
    day        date NOT NULL,
    day_fen    bigint NOT NULL,
    day_count  integer NOT NULL,
    month_fen  bigint NOT NULL
);

-- What all accounts of a customer paid and transferred from their balances in the year of `day`.
CREATE TABLE customer_usage (
    customer_id uuid CONSTRAINT customer_usage_pk PRIMARY KEY,
    day         date NOT NULL,
    year_fen    bigint NOT NULL
) WITH (fillfactor = 70);

-- An account that gets its customer brings what it used of the year, so that the row is there to be locked.
CREATE FUNCTION account_joins_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO customer_usage AS c (customer_id, day, year_fen)
    SELECT NEW.customer_id, coalesce(max(u.day), DATE '2000-01-01'), coalesce(max(u.year_fen), 0)
      FROM account_usage AS u WHERE u.account_id = NEW.id
    ON CONFLICT (customer_id) DO UPDATE
       SET day = greatest(c.day, EXCLUDED.day),
           year_fen = CASE date_part('year', c.day) - date_part('year', EXCLUDED.day)
                      WHEN 0 THEN c.year_fen + EXCLUDED.year_fen
                      ELSE CASE WHEN c.day > EXCLUDED.day THEN c.year_fen ELSE EXCLUDED.year_fen END END;
    RETURN NULL;
END $$;
CREATE TRIGGER account_customer_opened AFTER INSERT ON account
    FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL) EXECUTE FUNCTION account_joins_customer();
CREATE TRIGGER account_customer_changed AFTER UPDATE OF customer_id ON account
    FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL AND NEW.customer_id IS DISTINCT FROM OLD.customer_id)
    EXECUTE FUNCTION account_joins_customer();
INSERT INTO customer_usage (customer_id, day, year_fen)
SELECT a.customer_id, max(u.day), 0 FROM account AS a JOIN account_usage AS u ON u.account_id = a.id
 WHERE a.customer_id IS NOT NULL GROUP BY a.customer_id;

-- The customer's own lower limits, beside daily_limit_fen; NULL: none.
ALTER TABLE account
    ADD COLUMN own_payment_single_fen    bigint,
    ADD COLUMN own_transfer_single_fen   bigint,
    ADD COLUMN own_transfer_daily_fen    bigint,
    ADD COLUMN own_withdrawal_single_fen bigint,
    ADD COLUMN own_withdrawal_daily_fen  bigint;
