-- What a risk rule held for somebody to look at (CM 9.2, 9.4). A new table; and what is pending of an account now has that
-- state too: making the index holds writes to `transaction` up while it reads the table.

CREATE TABLE risk_review (
    transaction_id uuid CONSTRAINT risk_review_pk PRIMARY KEY,
    account_id     uuid NOT NULL,
    kind           text NOT NULL,
    held_fen       bigint NOT NULL CONSTRAINT risk_review_held CHECK (held_fen > 0), -- amount and fee
    rule           text NOT NULL,
    hold_id        uuid NOT NULL,
    state          text NOT NULL CONSTRAINT risk_review_state CHECK (state IN ('open', 'released', 'refused', 'expired')),
    held_at        timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    decided_by     text,
    decided_at     timestamptz,
    reason         text NOT NULL DEFAULT '',
    CONSTRAINT risk_review_decided CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE INDEX risk_review_open ON risk_review (expires_at) WHERE state = 'open';
CREATE INDEX risk_review_account ON risk_review (account_id);

DROP INDEX transaction_pending_account;
CREATE INDEX transaction_pending_account ON transaction (account_id)
 WHERE state IN ('CONFIRMING', 'REVIEWING', 'FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING',
                 'WAITING');
