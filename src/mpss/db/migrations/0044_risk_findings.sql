-- Top-ups that were paid before they came here, and hit a rule: a job puts the account on the grey list (CM 9.3). A new
-- table.

CREATE TABLE risk_finding (
    transaction_id uuid CONSTRAINT risk_finding_pk PRIMARY KEY,
    account_id     uuid NOT NULL,
    rule           text NOT NULL,
    found_at       timestamptz NOT NULL,
    listed_at      timestamptz                 -- when the job saw to it
);
CREATE INDEX risk_finding_waiting ON risk_finding (found_at) WHERE listed_at IS NULL;
