-- A report may be of a merchant (CM 9.5). risk_report, which is small, is locked for an instant, while it is read once.

ALTER TABLE risk_report ADD COLUMN merchant_id uuid;
ALTER TABLE risk_report ALTER COLUMN account_id DROP NOT NULL;
ALTER TABLE risk_report ADD CONSTRAINT risk_report_of CHECK (num_nonnulls(account_id, merchant_id) = 1);
