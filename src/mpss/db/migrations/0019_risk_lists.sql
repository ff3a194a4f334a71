-- The grey and the black list (CM 9.6 to 9.9): who or what is watched or refused, why, and who said so. A new table.

CREATE TABLE risk_entry (
    id             uuid CONSTRAINT risk_entry_pk PRIMARY KEY,
    colour         text NOT NULL CONSTRAINT risk_entry_colour CHECK (colour IN ('grey', 'black')),
    scope          text NOT NULL CONSTRAINT risk_entry_scope CHECK
        (scope IN ('number', 'person', 'account', 'card', 'merchant', 'terminal', 'bank_card', 'address')),
    value          text NOT NULL,              -- of a person and a bank card a keyed digest, in hexadecimal
    aliases        text[] NOT NULL DEFAULT '{}', -- of a bank card: its digests under every version of the key
    subject_id     uuid,                       -- of an account and a merchant
    shown          text NOT NULL,              -- what people see of the value
    state          text NOT NULL CONSTRAINT risk_entry_state CHECK
        (state IN ('proposed', 'listed', 'leaving', 'released', 'refused')),
    reason         text NOT NULL,
    evidence       text NOT NULL,
    entered_by     text NOT NULL,              -- a member of staff, or "rule:" and its name
    entered_at     timestamptz NOT NULL,
    listed_at      timestamptz,
    until          timestamptz,                -- NULL: until somebody releases it
    approval_id    uuid,                       -- what waits for a second person, or did last
    released_by    text,
    released_at    timestamptz,
    release_reason text NOT NULL DEFAULT '',
    CONSTRAINT risk_entry_released CHECK ((state = 'released') = (released_at IS NOT NULL))
);
CREATE UNIQUE INDEX risk_entry_standing ON risk_entry (scope, value, colour)
    WHERE state IN ('proposed', 'listed', 'leaving');
CREATE INDEX risk_entry_subject ON risk_entry (subject_id)
    WHERE state IN ('listed', 'leaving') AND subject_id IS NOT NULL;
CREATE INDEX risk_entry_until ON risk_entry (until) WHERE state IN ('listed', 'leaving') AND until IS NOT NULL;
