-- What may stop an account: loss, BOSS stop, dormancy, freezes; its class and its customer. New columns and tables.

ALTER TABLE account
    DROP CONSTRAINT account_life,
    ADD CONSTRAINT account_life CHECK (life IN ('pending', 'active', 'pre_closed', 'closed')),
    ADD COLUMN account_class text NOT NULL DEFAULT 'weak' CONSTRAINT account_class
        CHECK (account_class IN ('weak', 'class_1', 'class_2', 'class_3', 'corporate', 'merchant')),
    ADD COLUMN customer_id uuid,                          -- NULL until somebody's name is known
    ADD COLUMN loss text NOT NULL DEFAULT 'none' CONSTRAINT account_loss CHECK (loss IN ('none', 'oral', 'written')),
    ADD COLUMN loss_until timestamptz,                    -- of an oral report alone
    ADD COLUMN boss_stopped boolean NOT NULL DEFAULT false,
    ADD COLUMN dormant_since timestamptz,
    ADD COLUMN dormancy_warned_at timestamptz,
    ADD COLUMN woken_at timestamptz,
    ADD COLUMN freezes text[] NOT NULL DEFAULT '{}',      -- kinds of the whole freezes that stand: account_freeze
    ADD COLUMN user_freeze_until timestamptz,             -- when the user's own freeze ends
    ADD CONSTRAINT account_loss_until CHECK ((loss = 'oral') = (loss_until IS NOT NULL));
CREATE INDEX account_customer ON account (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX account_dormancy ON account (opened_at) WHERE life = 'active' AND dormant_since IS NULL;
CREATE INDEX account_to_end ON account (id) WHERE loss = 'oral' OR user_freeze_until IS NOT NULL;

-- One row for each freeze, standing or ended. A freeze of an amount is a hold of the ledger.
CREATE TABLE account_freeze (
    id           uuid CONSTRAINT account_freeze_pk PRIMARY KEY,
    account_id   uuid NOT NULL,
    kind         text NOT NULL CONSTRAINT account_freeze_kind CHECK (kind IN ('user', 'risk', 'law')),
    amount_fen   bigint CONSTRAINT account_freeze_amount CHECK (amount_fen > 0),  -- NULL: the whole account
    hold_id      uuid,
    reason       text NOT NULL,
    document     text NOT NULL DEFAULT '',                -- of the court or authority
    until        timestamptz,
    made_by      text NOT NULL,
    made_at      timestamptz NOT NULL,
    released_by  text,
    released_at  timestamptz,
    CONSTRAINT account_freeze_hold CHECK ((amount_fen IS NULL) = (hold_id IS NULL)),
    CONSTRAINT account_freeze_released CHECK ((released_by IS NULL) = (released_at IS NULL))
);
CREATE INDEX account_freeze_account ON account_freeze (account_id, made_at);

-- Every change of an account's state: what it was, what it became, who did it.
CREATE TABLE account_event (
    id         uuid CONSTRAINT account_event_pk PRIMARY KEY,
    account_id uuid NOT NULL,
    event      text NOT NULL,
    detail     text NOT NULL,                             -- JSON
    actor      text NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX account_event_account ON account_event (account_id, id);
