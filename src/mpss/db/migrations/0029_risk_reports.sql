-- Large-value and suspicious movements found in the books of a day, for somebody to report or dismiss (CM 9). New tables;
-- risk_rule_version, which is small, is locked for an instant: its figures are also those of the patterns.

ALTER TABLE risk_rule_version DROP CONSTRAINT risk_rule_version_action;
ALTER TABLE risk_rule_version ADD CONSTRAINT risk_rule_version_action
    CHECK (action IN ('challenge', 'hold', 'refuse', 'report'));

CREATE TABLE risk_report (
    id            uuid CONSTRAINT risk_report_pk PRIMARY KEY,
    business_date date NOT NULL,
    pattern       text NOT NULL,
    subject_id    uuid NOT NULL,               -- the person: a customer, or an account without one
    account_id    uuid NOT NULL,               -- of the person's accounts the one that moved most
    movements     integer NOT NULL,
    amount_fen    bigint NOT NULL,
    figures       text NOT NULL,               -- JSON: the pattern's figures as they were
    state         text NOT NULL CONSTRAINT risk_report_state CHECK (state IN ('open', 'reported', 'dismissed')),
    found_at      timestamptz NOT NULL,
    reviewed_by   text,
    reviewed_at   timestamptz,
    reason        text NOT NULL DEFAULT '',
    CONSTRAINT risk_report_once UNIQUE (business_date, pattern, subject_id),
    CONSTRAINT risk_report_reviewed CHECK ((state = 'open') = (reviewed_at IS NULL))
);
CREATE INDEX risk_report_open ON risk_report (pattern) WHERE state = 'open';
CREATE INDEX risk_report_subject ON risk_report (subject_id);

-- The days that were looked through.
CREATE TABLE risk_report_day (
    business_date date CONSTRAINT risk_report_day_pk PRIMARY KEY,
    searched_at   timestamptz NOT NULL,
    found         integer NOT NULL
);
