-- Documents shown at a counter that were not the holder's. A new table alone.

CREATE TABLE counter_mismatch (
    account_id uuid NOT NULL,
    staff_id   uuid NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX counter_mismatch_account ON counter_mismatch (account_id, at);
