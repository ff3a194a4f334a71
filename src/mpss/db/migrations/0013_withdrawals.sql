-- Withdrawals to bound cards (提现, CM 5.3.3): one row beside each transaction, what an account asked for in a day, the
-- payment-order files to banks and what was read of their answers. New tables only; the fee a new center starts with.

CREATE TABLE withdrawal (
    transaction_id uuid CONSTRAINT withdrawal_pk PRIMARY KEY,
    account_id     uuid NOT NULL,
    card_id        uuid NOT NULL,
    card           text NOT NULL,              -- its last four digits
    bank           text NOT NULL,
    mode           text NOT NULL CONSTRAINT withdrawal_mode CHECK (mode IN ('real_time', 'batch')),
    amount_fen     bigint NOT NULL CONSTRAINT withdrawal_amount CHECK (amount_fen > 0),
    fee_fen        bigint NOT NULL CONSTRAINT withdrawal_fee CHECK (fee_fen >= 0),
    hold_id        uuid,                       -- of amount and fee; NULL until the payer has confirmed
    ordered_at     timestamptz,                -- when it was held
    batch_id       uuid,                       -- the file it went out in, of a batch's
    ended_at       timestamptz,
    bank_status    text NOT NULL DEFAULT '',   -- what the bank's answer file said last: ACSC, RJCT, ACCP …
    bank_said_at   timestamptz,                -- when the bank made that file
    reason         text NOT NULL DEFAULT ''    -- why the bank refused or returned it
);
CREATE INDEX withdrawal_of_account ON withdrawal (account_id, transaction_id);
CREATE INDEX withdrawal_of_batch ON withdrawal (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX withdrawal_waiting ON withdrawal (bank, ordered_at)
    WHERE mode = 'batch' AND hold_id IS NOT NULL AND batch_id IS NULL AND ended_at IS NULL;

-- What an account asked to withdraw on a business day. Whoever changes it holds the account's account_usage row.
CREATE TABLE withdrawal_usage (
    account_id uuid CONSTRAINT withdrawal_usage_pk PRIMARY KEY,
    day        date NOT NULL,
    asked_fen  bigint NOT NULL CONSTRAINT withdrawal_usage_asked CHECK (asked_fen >= 0)
) WITH (fillfactor = 70);

-- One payment-order file to one bank. It is written down whole before it is placed.
CREATE TABLE payment_batch (
    id              uuid CONSTRAINT payment_batch_pk PRIMARY KEY,
    bank            text NOT NULL,
    cut_date        date NOT NULL,             -- the day of its cut, in Shanghai
    number          integer NOT NULL,          -- of that day: 0 by the clock, 1 and up at an operator's word
    message_id      text NOT NULL CONSTRAINT payment_batch_message UNIQUE,
    orders          integer NOT NULL CONSTRAINT payment_batch_orders CHECK (orders > 0),
    control_sum_fen bigint NOT NULL,
    file_name       text NOT NULL,
    digest          bytea NOT NULL,            -- SHA-256 of the file
    content_sealed  bytea NOT NULL,            -- the file, compressed, under the "seal" key
    made_at         timestamptz NOT NULL,
    placed_at       timestamptz,
    CONSTRAINT payment_batch_once UNIQUE (bank, cut_date, number)
);
CREATE INDEX payment_batch_unplaced ON payment_batch (made_at) WHERE placed_at IS NULL;

-- Every answer file that was read, also those that were refused whole.
CREATE TABLE payment_answer (
    id        uuid CONSTRAINT payment_answer_pk PRIMARY KEY,
    bank      text NOT NULL,
    file_name text NOT NULL,
    digest    bytea NOT NULL,
    batch_id  uuid,                            -- NULL: it speaks of no batch of ours
    outcome   text NOT NULL CONSTRAINT payment_answer_outcome CHECK (outcome IN ('taken', 'refused')),
    problem   text NOT NULL DEFAULT '',        -- why it was refused, or which of its lines were passed over
    paid      integer NOT NULL DEFAULT 0,
    rejected  integer NOT NULL DEFAULT 0,
    returned  integer NOT NULL DEFAULT 0,
    read_at   timestamptz NOT NULL,
    CONSTRAINT payment_answer_once UNIQUE (bank, file_name, digest)
);

INSERT INTO fee_schedule (kind, valid_from, fixed_fen, basis_points, min_fen, max_fen)
VALUES ('withdrawal', '2000-01-01 00:00:00+08', 0, 0, 0, 0)
ON CONFLICT DO NOTHING;
