-- What must leave after the commit: delivery orders, notices, webhooks.
-- New tables only.

CREATE TABLE outbox (
    id          uuid CONSTRAINT outbox_pk PRIMARY KEY,   -- a delivery order's is its transaction's
    kind        text NOT NULL CONSTRAINT outbox_kind CHECK (kind IN ('delivery', 'notice', 'webhook')),
    reference   uuid NOT NULL,            -- transaction or account it speaks of
    recipient   text NOT NULL,            -- phone of a notice, merchant id of a delivery or webhook
    payload     text NOT NULL,            -- JSON
    serial      bigint GENERATED ALWAYS AS IDENTITY,     -- shown in a notice's text
    state       text NOT NULL CONSTRAINT outbox_state CHECK (state IN ('pending', 'done', 'dead')),
    attempts    smallint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    finished_at timestamptz,
    last_error  text,
    resend      boolean NOT NULL DEFAULT false -- asked for by hand since it was claimed: the result does not end it
) WITH (fillfactor = 80);
CREATE INDEX outbox_due ON outbox (kind, due_at) WHERE state = 'pending';
-- Mostly transactions, whose ids grow with time.
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';
CREATE INDEX outbox_reference ON outbox USING brin (reference) WITH (pages_per_range = 16);

CREATE TABLE outbox_attempt (
    outbox_id   uuid NOT NULL,
    attempt     smallint NOT NULL,
    at          timestamptz NOT NULL,
    outcome     text NOT NULL,            -- approved, declined, in_doubt
    detail      text NOT NULL DEFAULT '',
    duration_ms integer NOT NULL,
    CONSTRAINT outbox_attempt_pk PRIMARY KEY (outbox_id, attempt)
);
