-- Versions of the risk rules' figures (CM 9.2 to 9.5), and what each account did last, which rules look at. New tables.

CREATE TABLE risk_rule_version (
    id             uuid CONSTRAINT risk_rule_version_pk PRIMARY KEY,
    rule           text NOT NULL,
    action         text NOT NULL CONSTRAINT risk_rule_version_action CHECK (action IN ('challenge', 'refuse')),
    enabled        boolean NOT NULL,
    figures        text NOT NULL,              -- JSON: the rule's figures by name
    effective_from timestamptz NOT NULL,
    state          text NOT NULL CONSTRAINT risk_rule_version_state CHECK (state IN ('proposed', 'approved', 'refused')),
    approval_id    uuid NOT NULL,
    proposed_by    text NOT NULL,
    proposed_at    timestamptz NOT NULL,
    decided_by     text,
    decided_at     timestamptz,
    CONSTRAINT risk_rule_version_decided CHECK ((state = 'proposed') = (decided_at IS NULL))
);

-- One row for each account that did something since the first rule was approved.
CREATE TABLE risk_recent (
    account_id uuid CONSTRAINT risk_recent_pk PRIMARY KEY,
    moves      text NOT NULL                   -- JSON, newest first: [milliseconds, kind, declined, amount in fen, merchant]
) WITH (fillfactor = 50);
