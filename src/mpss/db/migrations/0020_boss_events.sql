-- What BOSS told of subscriptions, and which subscription an account belongs to. New tables only.

-- Each event once, by the id BOSS gave it, whether it was applied or not.
CREATE TABLE boss_event (
    id              text CONSTRAINT boss_event_pk PRIMARY KEY,
    kind            text NOT NULL,
    phone           text NOT NULL,                  -- the number when it happened; of a change the old one
    subscription_id text NOT NULL,
    sequence        bigint NOT NULL CONSTRAINT boss_event_sequence CHECK (sequence > 0),
    payload         text NOT NULL,                  -- JSON
    occurred_at     timestamptz NOT NULL,
    received_at     timestamptz NOT NULL,
    account_id      uuid,                           -- NULL: no account of ours
    applied_at      timestamptz,                    -- NULL: it changed nothing
    result          text NOT NULL CONSTRAINT boss_event_result
                    CHECK (result IN ('applied', 'stale', 'no_account', 'number_taken', 'ended'))
);
CREATE INDEX boss_event_received ON boss_event (received_at, id);
CREATE INDEX boss_event_phone ON boss_event (phone, received_at);

-- The subscription instance an account belongs to; a number sold again is another subscription.
CREATE TABLE account_subscription (
    account_id      uuid CONSTRAINT account_subscription_pk PRIMARY KEY,
    subscription_id text NOT NULL,
    sim_serial      text,
    boss_status     text NOT NULL,
    status_sequence bigint NOT NULL,                -- the highest sequence applied, of each aspect
    number_sequence bigint NOT NULL,
    card_sequence   bigint NOT NULL
);
CREATE INDEX account_subscription_of ON account_subscription (subscription_id);
