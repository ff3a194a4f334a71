-- What came back after an account was closed: found by the job among the closed accounts, by a clerk among what waits.
-- Both indexes are of few rows.

CREATE INDEX account_closed ON account (id) INCLUDE (ledger_account_id) WHERE life = 'closed';
CREATE INDEX transaction_closing_rest ON transaction (account_id) WHERE kind = 'closing_rest' AND state = 'WAITING';
