-- The closing of a merchant (商户销户): asked for, decided by two people, a notice period, then gone (CM 5.2.3.3).
-- merchant, which is small, is locked for an instant while it is read once; transaction is locked against writes while
-- the index of what is pending is made.

ALTER TABLE merchant DROP CONSTRAINT merchant_state;
ALTER TABLE merchant ADD CONSTRAINT merchant_state
    CHECK (state IN ('active', 'suspended', 'closing', 'ending', 'closed'));

CREATE TABLE merchant_closing (
    merchant_id   uuid CONSTRAINT merchant_closing_pk PRIMARY KEY REFERENCES merchant,
    reason        text NOT NULL,
    asked_by      text NOT NULL,          -- "merchant:mer_…", or the member of staff
    asked_at      timestamptz NOT NULL,
    begun_at      timestamptz,            -- NULL: nobody has decided yet
    ends_at       timestamptz,            -- of the notice period
    called_off_at timestamptz,
    owed_fen      bigint,                 -- payable once nothing else was posted any more, less what was settled
    closed_at     timestamptz,
    CONSTRAINT merchant_closing_begun CHECK ((begun_at IS NULL) = (ends_at IS NULL)),
    CONSTRAINT merchant_closing_closed CHECK (closed_at IS NULL OR begun_at IS NOT NULL AND owed_fen = 0)
);

-- Merchants were closed with what we owe them; those are closing now, and closed by the job once they are owed nothing.
-- A company that has registered anew keeps its code; the earlier merchant's stands in the reason.
INSERT INTO merchant_closing (merchant_id, reason, asked_by, asked_at, begun_at, ends_at)
SELECT id, 'closed before' || coalesce(', credit code ' || credit_code, ''), 'platform', now(), now(), now()
  FROM merchant WHERE state = 'closed';
UPDATE merchant AS m SET credit_code = NULL
 WHERE m.state = 'closed'
   AND EXISTS (SELECT FROM merchant AS o
                WHERE o.credit_code = m.credit_code AND (o.state <> 'closed' OR o.id > m.id));
UPDATE merchant SET state = 'closing', api_key_digest = sha256((id::text || gen_random_uuid()::text)::bytea)
 WHERE state = 'closed';

CREATE INDEX transaction_pending_merchant ON transaction (merchant_id)
    WHERE merchant_id IS NOT NULL
      AND state IN ('CONFIRMING', 'REVIEWING', 'FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING',
                    'REVERSING');
