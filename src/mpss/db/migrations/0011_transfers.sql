-- Transfers between wallets: whom each goes to, directed relations (定向转账), what was sent in a day.
-- New tables only.

CREATE TABLE transfer (
    transaction_id uuid CONSTRAINT transfer_pk PRIMARY KEY,
    payer_id       uuid NOT NULL,
    payer_phone    text NOT NULL,
    payee_phone    text NOT NULL,        -- E.164, as the payer gave it
    payee_id       uuid,                 -- the wallet that has the money; NULL until one has
    payee_relation uuid,                 -- the directed relation it went by; NULL: a free transfer
    amount_fen     bigint NOT NULL CONSTRAINT transfer_amount CHECK (amount_fen > 0),
    return_at      timestamptz,          -- set where the payee had no wallet: when the money goes back
    ended_at       timestamptz,          -- when the payee or, again, the payer got the money; NULL until then
    CONSTRAINT transfer_other CHECK (payee_id IS DISTINCT FROM payer_id)
);
CREATE INDEX transfer_payer ON transfer (payer_id, transaction_id);
CREATE INDEX transfer_payee ON transfer (payee_id, transaction_id) WHERE payee_id IS NOT NULL;
CREATE INDEX transfer_waiting ON transfer (return_at) WHERE return_at IS NOT NULL AND ended_at IS NULL;

-- A directed relation, payer to payee. What was sent by it on a business day is counted with it.
CREATE TABLE payee (
    id               uuid CONSTRAINT payee_pk PRIMARY KEY,
    account_id       uuid NOT NULL,
    phone            text NOT NULL,
    single_limit_fen bigint NOT NULL CONSTRAINT payee_single_limit CHECK (single_limit_fen > 0),
    daily_limit_fen  bigint NOT NULL CONSTRAINT payee_daily_limit CHECK (daily_limit_fen > 0),
    created_at       timestamptz NOT NULL,
    usable_from      timestamptz NOT NULL, -- the end of its cooling period
    dissolved_at     timestamptz,
    day              date NOT NULL,
    sent_fen         bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX payee_standing ON payee (account_id, phone) WHERE dissolved_at IS NULL;

-- What a wallet sent on a business day. Whoever changes it holds the wallet's account_usage row.
CREATE TABLE transfer_usage (
    account_id uuid CONSTRAINT transfer_usage_pk PRIMARY KEY,
    day        date NOT NULL,
    sent_fen   bigint NOT NULL,          -- in all
    free_fen   bigint NOT NULL           -- of it without a relation
);
