-- Who holds an account: names, documents and their images, all sealed; what waits for review; corporate members.
-- New tables; a column and an index on few rows.

CREATE TABLE customer (
    id             uuid CONSTRAINT customer_pk PRIMARY KEY,
    kind           text NOT NULL CONSTRAINT customer_kind CHECK (kind IN ('individual', 'corporate')),
    name_sealed    bytea NOT NULL,             -- AES-256-GCM under the "seal" key, as everything sealed here
    document_kind  text NOT NULL,
    number_sealed  bytea NOT NULL,
    number_digest  bytea NOT NULL,             -- HMAC of kind and number under the "identity" key
    valid_until    date,                       -- the last day; NULL: without end
    sex            text CONSTRAINT customer_sex CHECK (sex IN ('male', 'female')),
    nationality    text NOT NULL,
    occupation     text NOT NULL,
    address_sealed bytea NOT NULL,
    contact_sealed bytea NOT NULL,
    level          text NOT NULL CONSTRAINT customer_level CHECK (level IN ('weak', 'real')),
    face_to_face   boolean NOT NULL DEFAULT false,
    verifications  text[] NOT NULL DEFAULT '{}',  -- external channels that confirmed the name
    verified_at    timestamptz,
    warned_at      timestamptz,                -- that the document runs out
    created_at     timestamptz NOT NULL,
    CONSTRAINT customer_verified CHECK ((level = 'real') = (verified_at IS NOT NULL))
);
CREATE UNIQUE INDEX customer_document ON customer (number_digest) WHERE level = 'real';
CREATE INDEX customer_running_out ON customer (valid_until)
    WHERE level = 'real' AND warned_at IS NULL AND valid_until IS NOT NULL;

CREATE TABLE identity_image (
    customer_id    uuid NOT NULL,
    kind           text NOT NULL CONSTRAINT identity_image_kind CHECK (kind IN ('front', 'back', 'licence')),
    content_sealed bytea NOT NULL,
    media_type     text NOT NULL,
    size           integer NOT NULL,           -- bytes before sealing
    uploaded_by    text NOT NULL,
    uploaded_at    timestamptz NOT NULL,
    CONSTRAINT identity_image_pk PRIMARY KEY (customer_id, kind, uploaded_at)
);

-- What a subscriber says of themselves, for a member of staff to look at.
CREATE TABLE identity_submission (
    id           uuid CONSTRAINT identity_submission_pk PRIMARY KEY,
    account_id   uuid NOT NULL,
    customer_id  uuid NOT NULL,                -- who they say they are
    state        text NOT NULL CONSTRAINT identity_submission_state
                 CHECK (state IN ('submitted', 'approved', 'refused')),
    submitted_at timestamptz NOT NULL,
    decided_at   timestamptz,
    decided_by   uuid,
    reason       text NOT NULL DEFAULT '',
    CONSTRAINT identity_submission_decided CHECK ((state = 'submitted') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX identity_submission_waiting ON identity_submission (account_id) WHERE state = 'submitted';
CREATE INDEX identity_submission_account ON identity_submission (account_id, id);

-- One customer has at most one account of class III (PBOC notice 261 of 2016).
CREATE UNIQUE INDEX account_one_class_3 ON account (customer_id) WHERE account_class = 'class_3' AND life <> 'closed';

CREATE TABLE group_member (
    id                uuid CONSTRAINT group_member_pk PRIMARY KEY,
    master_account_id uuid NOT NULL,
    member_account_id uuid NOT NULL,
    quota_month_fen   bigint NOT NULL CONSTRAINT group_member_month CHECK (quota_month_fen >= 0),
    quota_single_fen  bigint NOT NULL CONSTRAINT group_member_single CHECK (quota_single_fen >= 0),
    used_month        date NOT NULL,           -- the first day of the month that `used_fen` is of
    used_fen          bigint NOT NULL DEFAULT 0,
    added_at          timestamptz NOT NULL,
    removed_at        timestamptz
);
CREATE UNIQUE INDEX group_member_once ON group_member (member_account_id) WHERE removed_at IS NULL;
CREATE INDEX group_member_of ON group_member (master_account_id, id) WHERE removed_at IS NULL;
