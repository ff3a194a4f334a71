-- What a subscriber wants to be told and when; payment passwords that were; the password one signs in with.
-- New tables only.

CREATE TABLE notice_preference (
    account_id  uuid NOT NULL,
    event_group text NOT NULL,
    wanted      boolean NOT NULL,
    CONSTRAINT notice_preference_pk PRIMARY KEY (account_id, event_group)
);

-- Asia/Shanghai; from `starts` on until `ends`, over midnight where `ends` is the earlier. Equal: none.
CREATE TABLE quiet_hours (
    account_id uuid CONSTRAINT quiet_hours_pk PRIMARY KEY,
    starts     time NOT NULL,
    ends       time NOT NULL
);

-- Digests of payment passwords that were replaced, so that none comes back at once.
CREATE TABLE password_history (
    account_id  uuid NOT NULL,
    replaced_at timestamptz NOT NULL,
    digest      bytea NOT NULL,
    key         smallint NOT NULL,       -- version of the key the digest was made under
    CONSTRAINT password_history_pk PRIMARY KEY (account_id, replaced_at)
);

-- For signing in alone; it moves no money.
CREATE TABLE login_password (
    account_id   uuid CONSTRAINT login_password_pk PRIMARY KEY,
    hash         text NOT NULL,          -- argon2id with its parameters and salt
    set_at       timestamptz NOT NULL,
    wrong        smallint NOT NULL DEFAULT 0,
    locked_until timestamptz
);
