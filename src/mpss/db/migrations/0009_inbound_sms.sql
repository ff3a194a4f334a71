-- Messages from phones that an SMSC may send again: which were taken, which were answered. Texts are not kept: a
-- message may hold a card password. New table only.

CREATE TABLE inbound_sms (
    id          uuid CONSTRAINT inbound_sms_pk PRIMARY KEY,   -- the idempotency key of what the message asks for
    phone       text NOT NULL,
    reference   text NOT NULL,                                -- the SMSC's; it counts from 0 to 65535 and begins again
    received_at timestamptz NOT NULL,
    answered_at timestamptz,
    CONSTRAINT inbound_sms_reference UNIQUE (phone, reference)
);
CREATE INDEX inbound_sms_received ON inbound_sms (received_at);
