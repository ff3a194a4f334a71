-- The desk's record of every command that moves money, refusals too; the idempotency key is kept for good.
-- New tables only.

CREATE TABLE transaction (
    id                uuid CONSTRAINT transaction_pk PRIMARY KEY,
    kind              text NOT NULL,
    state             text NOT NULL,
    first_state       text NOT NULL,     -- what the first answer said; a repeat is answered with it
    refusal           text,              -- ErrorCode, of a declined one
    caller            text NOT NULL,     -- whose key it is: 'account:acc_…', 'merchant:mer_…', 'hall:H01/C02', 'desk'
    idempotency_key   text NOT NULL,
    digest            bytea NOT NULL,    -- of the command without its secrets
    account_id        uuid,
    merchant_id       uuid,
    product_id        uuid,
    quantity          integer NOT NULL DEFAULT 0,
    amount_fen        bigint NOT NULL,
    fee_fen           bigint NOT NULL DEFAULT 0,
    restricted_fen    bigint NOT NULL DEFAULT 0,  -- what of it came from the restricted part
    channel           text NOT NULL,
    merchant_order_no text,
    original_id       uuid,
    business_date     date NOT NULL,
    created_at        timestamptz NOT NULL,
    finished_at       timestamptz,
    metadata          text,              -- JSON as the caller gave it
    -- A digest of caller and idempotency_key, which it stands for: their own index is three times as large, and looking
    -- a key up and adding it took 11 µs of the 65 that a payment takes of PostgreSQL.
    key_digest        uuid NOT NULL CONSTRAINT transaction_key UNIQUE
) WITH (fillfactor = 90);
CREATE INDEX transaction_merchant ON transaction (merchant_id, id) WHERE merchant_id IS NOT NULL;
CREATE INDEX transaction_original ON transaction (original_id) WHERE original_id IS NOT NULL;
CREATE INDEX transaction_waiting ON transaction (created_at) WHERE state = 'CONFIRMING';

-- A merchant's own order number, taken by its sale or, where the reversal came first, by a tombstone.
CREATE TABLE merchant_order (
    order_key      text CONSTRAINT merchant_order_pk PRIMARY KEY, -- 'mer_…/' and the merchant's number
    transaction_id uuid,                 -- NULL: a tombstone, a late original is refused
    created_at     timestamptz NOT NULL
);

-- A purchase asked for by a merchant waits for the payer's reply.
CREATE TABLE confirmation (
    transaction_id uuid CONSTRAINT confirmation_pk PRIMARY KEY,
    phone          text NOT NULL,
    code           text NOT NULL,        -- what the payer replies with; not a secret, it tells two waiting sales apart
    expires_at     timestamptz NOT NULL,
    answered_at    timestamptz
);
CREATE INDEX confirmation_phone ON confirmation (phone, expires_at);
CREATE UNIQUE INDEX confirmation_open ON confirmation (phone, code) WHERE answered_at IS NULL;

-- What the CP/SP answered to our delivery order.
CREATE TABLE delivery (
    transaction_id uuid CONSTRAINT delivery_pk PRIMARY KEY,
    merchant_id    uuid NOT NULL,
    state          text NOT NULL CONSTRAINT delivery_state CHECK (state IN ('delivered', 'refused', 'expired')),
    content        text NOT NULL DEFAULT '',
    reason         text NOT NULL DEFAULT '',
    answered_at    timestamptz NOT NULL
);
