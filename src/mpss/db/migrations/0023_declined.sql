-- Refusals of the last minutes, by account, for the automatic entry on the grey list (CM 9.6). The index is of declined
-- transactions alone; making it holds writes to `transaction` up while it reads the table.

CREATE INDEX transaction_declined ON transaction (created_at, account_id)
    WHERE state = 'DECLINED' AND account_id IS NOT NULL;
