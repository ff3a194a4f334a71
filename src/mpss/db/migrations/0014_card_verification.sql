-- Bank cards verified by a small debit (CM 5.3.1.3), and bindings that nobody ends. Columns with constant defaults
-- rewrite nothing; the constraint is checked on few rows.

ALTER TABLE bank_card
    ADD COLUMN verify_by text NOT NULL DEFAULT 'sms_code'
        CONSTRAINT bank_card_verify_by CHECK (verify_by IN ('sms_code', 'debit')),
    ADD COLUMN verification_id uuid,                      -- the transaction of the debit
    ADD COLUMN tries_left smallint NOT NULL DEFAULT 0,    -- amounts that may still be named
    ADD COLUMN given_back boolean NOT NULL DEFAULT false, -- the debit is on its way back, or never was
    DROP CONSTRAINT bank_card_state,
    ADD CONSTRAINT bank_card_state
        CHECK (state IN ('requested', 'verified', 'refused', 'bound', 'unbound', 'expired'));
CREATE INDEX bank_card_waiting ON bank_card (requested_at) WHERE state IN ('requested', 'verified');
CREATE INDEX bank_card_debited ON bank_card (verification_id) WHERE verification_id IS NOT NULL AND NOT given_back;
