-- Payment accounts, their usage counters, sessions and one-time codes.
-- New tables only.

CREATE TABLE account (
    id                uuid CONSTRAINT account_pk PRIMARY KEY,
    phone             text NOT NULL,             -- E.164
    home_province     text NOT NULL,
    kind              text NOT NULL CONSTRAINT account_kind CHECK (kind IN ('phone_bill', 'wallet', 'bank')),
    life              text NOT NULL CONSTRAINT account_life CHECK (life IN ('pending', 'active', 'closed')),
    ledger_account_id bigint NOT NULL,
    password_digest   bytea,
    password_key      smallint,                  -- version of the key the digest was made under
    daily_limit_fen   bigint NOT NULL CONSTRAINT account_daily_limit CHECK (daily_limit_fen >= 0),
    language          text NOT NULL DEFAULT 'zh-CN',
    terms_version     text NOT NULL,
    channel           text NOT NULL,
    opened_at         timestamptz NOT NULL,
    closed_at         timestamptz
);
CREATE UNIQUE INDEX account_phone ON account (phone, kind) WHERE life <> 'closed';

-- What the desk counts and locks for an account. Every change of an account locks this row first.
CREATE TABLE account_usage (
    account_id     uuid CONSTRAINT account_usage_pk PRIMARY KEY,
    day            date NOT NULL,
    spent_fen      bigint NOT NULL DEFAULT 0,
    spent_count    integer NOT NULL DEFAULT 0,
    wrong_day      date NOT NULL,
    wrong_today    smallint NOT NULL DEFAULT 0,
    wrong_in_a_row smallint NOT NULL DEFAULT 0,
    voucher_wrong  smallint NOT NULL DEFAULT 0,
    locked_until   timestamptz
) WITH (fillfactor = 70);

CREATE TABLE account_session (
    token_digest bytea CONSTRAINT account_session_pk PRIMARY KEY,
    phone        text NOT NULL,
    account_id   uuid,                           -- NULL until the number has an account
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX account_session_account ON account_session (account_id);

CREATE TABLE sms_code (
    id         uuid CONSTRAINT sms_code_pk PRIMARY KEY,
    phone      text NOT NULL,
    purpose    text NOT NULL,                    -- open, sign_in, unlock, set_password
    digest     bytea NOT NULL,
    source     text NOT NULL,                    -- who asked: an address or a channel, for rate limits
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries_left smallint NOT NULL,
    used_at    timestamptz
);
CREATE INDEX sms_code_phone ON sms_code (phone, purpose, created_at DESC);
CREATE INDEX sms_code_source ON sms_code (source, created_at DESC);

-- A link sent by SMS that sets the payment password once.
CREATE TABLE one_time_link (
    token_digest bytea CONSTRAINT one_time_link_pk PRIMARY KEY,
    account_id   uuid NOT NULL,
    purpose      text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);

-- Wrong payment passwords by keyed fingerprint, to see one password tried over many numbers.
CREATE TABLE password_failure (
    at          timestamptz NOT NULL,
    account_id  uuid NOT NULL,
    fingerprint bytea NOT NULL,
    source      text NOT NULL
);
-- Read once a second by each process, for the last minutes; a sweep keeps the table small.
CREATE INDEX password_failure_at ON password_failure (at);
