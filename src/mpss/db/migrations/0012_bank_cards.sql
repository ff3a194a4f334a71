-- Bank cards bound to accounts (银行账户, CT 5.1): numbers and names sealed, a keyed digest to find a card by.
-- New table and sequence only.

CREATE SEQUENCE bank_verification_number;  -- the references of verifications, after a leading 9

CREATE TABLE bank_card (
    id            uuid CONSTRAINT bank_card_pk PRIMARY KEY,
    account_id    uuid NOT NULL,
    bank          text NOT NULL,
    number_sealed bytea NOT NULL,          -- AES-256-GCM under the "seal" key
    number_digest bytea NOT NULL,          -- HMAC under the "card" key
    masked        text NOT NULL,           -- stars and the last four digits
    name_sealed   bytea NOT NULL,          -- the holder's name
    purposes      text[] NOT NULL,
    state         text NOT NULL CONSTRAINT bank_card_state
                  CHECK (state IN ('requested', 'verified', 'refused', 'bound', 'unbound')),
    requested_at  timestamptz NOT NULL,
    bound_at      timestamptz,
    unbound_at    timestamptz
);
CREATE INDEX bank_card_of_account ON bank_card (account_id, requested_at);
CREATE UNIQUE INDEX bank_card_bound_once ON bank_card (account_id, number_digest) WHERE state = 'bound';
