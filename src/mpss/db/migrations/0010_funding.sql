-- Purchases funded from outside our own books: every call to a bank or charging system is a row, written before it is
-- sent. A column with a constant default rewrites nothing; new tables beside it.

ALTER TABLE transaction ADD COLUMN funding text NOT NULL DEFAULT 'wallet';

CREATE TABLE funding_request (
    id                uuid CONSTRAINT funding_request_pk PRIMARY KEY,
    transaction_id    uuid NOT NULL,
    counterpart       text NOT NULL,             -- 'charging', or a bank's code
    operation         text NOT NULL,             -- the port's word: reserve, commit, release, refund …
    session           text NOT NULL,             -- session or reference, the other side's key to know a repeat by
    number            integer NOT NULL,          -- the request's number in the session, or its trace number
    subject           text NOT NULL,             -- whose money: the phone, E.164
    amount_fen        bigint NOT NULL CONSTRAINT funding_request_amount CHECK (amount_fen > 0),
    original_session  text,                      -- what a refund speaks of
    state             text NOT NULL
        CONSTRAINT funding_request_state CHECK (state IN ('SENT', 'APPROVED', 'DECLINED', 'IN_DOUBT')),
    attempts          integer NOT NULL,
    due_at            timestamptz NOT NULL,      -- when it is asked about again, unless it is answered before
    created_at        timestamptz NOT NULL,
    answered_at       timestamptz,
    reason            text NOT NULL DEFAULT '',
    foreign_reference text NOT NULL DEFAULT '',
    CONSTRAINT funding_request_identity UNIQUE (counterpart, session, number)
) WITH (fillfactor = 80);
CREATE INDEX funding_request_transaction ON funding_request (transaction_id);
CREATE INDEX funding_request_due ON funding_request (due_at) WHERE state IN ('SENT', 'IN_DOUBT');

-- What an account paid from its phone bill in a month; locked after the account's usage row.
CREATE TABLE phone_bill_usage (
    account_id uuid CONSTRAINT phone_bill_usage_pk PRIMARY KEY,
    month      date NOT NULL,                    -- its first day
    spent_fen  bigint NOT NULL CONSTRAINT phone_bill_usage_spent CHECK (spent_fen >= 0)
) WITH (fillfactor = 70);
