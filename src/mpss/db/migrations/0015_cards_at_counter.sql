-- Bank cards bound by the clerk of a service hall (CM 6.6.1.1): one more way to verify their owner. Checked on few rows.

ALTER TABLE bank_card
    DROP CONSTRAINT bank_card_verify_by,
    ADD CONSTRAINT bank_card_verify_by CHECK (verify_by IN ('sms_code', 'debit', 'counter'));
