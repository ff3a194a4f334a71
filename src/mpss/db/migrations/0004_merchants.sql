-- Merchants (CP/SP), their goods and stock, fees.
-- New tables only.

CREATE TABLE merchant (
    id                 uuid CONSTRAINT merchant_pk PRIMARY KEY,
    name               text NOT NULL,
    province           text NOT NULL,
    state              text NOT NULL CONSTRAINT merchant_state CHECK (state IN ('active', 'suspended', 'closed')),
    ledger_account_id  bigint NOT NULL,
    api_key_digest     bytea NOT NULL,
    public_key         bytea NOT NULL,           -- Ed25519, 32 bytes
    notify_url         text NOT NULL,            -- delivery orders and webhooks go here
    webhook_secret     bytea NOT NULL,           -- sealed under a key of the key store
    created_at         timestamptz NOT NULL
);
CREATE UNIQUE INDEX merchant_api_key ON merchant (api_key_digest);
CREATE UNIQUE INDEX merchant_name ON merchant (name);

CREATE TABLE merchant_nonce (
    merchant_id uuid NOT NULL,
    nonce       text NOT NULL,
    expires_at  timestamptz NOT NULL,
    CONSTRAINT merchant_nonce_pk PRIMARY KEY (merchant_id, nonce)
);
CREATE INDEX merchant_nonce_expiry ON merchant_nonce (expires_at);

CREATE TABLE product (
    id           uuid CONSTRAINT product_pk PRIMARY KEY,
    merchant_id  uuid NOT NULL REFERENCES merchant,
    name         text NOT NULL,
    description  text NOT NULL,
    category     text NOT NULL,
    price_fen    bigint NOT NULL CONSTRAINT product_price CHECK (price_fen > 0),
    scope        text NOT NULL CONSTRAINT product_scope CHECK (scope IN ('local', 'national', 'visited')),
    state        text NOT NULL CONSTRAINT product_state CHECK (state IN ('draft', 'submitted', 'published', 'withdrawn', 'refused')),
    has_stock    boolean NOT NULL,               -- false: the quantity available is unlimited
    picture      bytea,
    picture_type text,
    review_note  text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX product_browse ON product (category, published_at DESC) WHERE state = 'published';
CREATE INDEX product_merchant ON product (merchant_id, id);

-- The quantity available, in portions: slot 0 is the common store, each desk keeps a portion in a slot of its own,
-- so that two desks selling one product do not wait for each other. The quantity is the sum.
CREATE TABLE product_stock (
    product_id uuid NOT NULL,
    slot       smallint NOT NULL,
    available  integer NOT NULL CONSTRAINT product_stock_available CHECK (available >= 0),
    CONSTRAINT product_stock_pk PRIMARY KEY (product_id, slot)
) WITH (fillfactor = 50);

-- What sold lately, refreshed by a job; the hot list reads it.
CREATE TABLE product_heat (
    product_id   uuid CONSTRAINT product_heat_pk PRIMARY KEY,
    sold         bigint NOT NULL,
    refreshed_at timestamptz NOT NULL
);

-- The payer's fee by kind of transaction; one row is in force at a time.
CREATE TABLE fee_schedule (
    kind         text NOT NULL,
    valid_from   timestamptz NOT NULL,
    fixed_fen    bigint NOT NULL CONSTRAINT fee_fixed CHECK (fixed_fen >= 0),
    basis_points integer NOT NULL CONSTRAINT fee_basis_points CHECK (basis_points BETWEEN 0 AND 10000),
    min_fen      bigint NOT NULL CONSTRAINT fee_min CHECK (min_fen >= 0),
    max_fen      bigint NOT NULL,
    CONSTRAINT fee_schedule_pk PRIMARY KEY (kind, valid_from),
    CONSTRAINT fee_range CHECK (max_fen >= min_fen)
);
