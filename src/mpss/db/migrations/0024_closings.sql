-- Closings that were asked for, and what stands in their way.

CREATE TABLE account_closing (
    account_id uuid CONSTRAINT account_closing_pk PRIMARY KEY,
    payout     text NOT NULL CONSTRAINT account_closing_payout CHECK (payout IN ('none', 'cash', 'bank_card')),
    reason     text NOT NULL,                    -- asked, loss, number_cancelled …
    asked_by   text NOT NULL,
    asked_at   timestamptz NOT NULL
);
CREATE INDEX account_pre_closed ON account (id) WHERE life = 'pre_closed';
-- A final transaction leaves this index; one that is final at once never enters it.
CREATE INDEX transaction_pending_account ON transaction (account_id)
 WHERE state IN ('CONFIRMING', 'FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING', 'WAITING');
