-- Top-up vouchers (充值凭证): digests only, never the card password.
-- New tables only.

CREATE TABLE voucher_batch (
    id           uuid CONSTRAINT voucher_batch_pk PRIMARY KEY,
    number       bigint GENERATED ALWAYS AS IDENTITY,  -- the first nine digits of its vouchers' serials
    face_fen     bigint NOT NULL CONSTRAINT voucher_face CHECK (face_fen > 0),
    quantity     integer NOT NULL CONSTRAINT voucher_quantity CHECK (quantity > 0),
    state        text NOT NULL CONSTRAINT voucher_batch_state CHECK (state IN ('generated', 'activated', 'void')),
    valid_until  date NOT NULL,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL,
    activated_by text,
    activated_at timestamptz
);

CREATE TABLE voucher (
    digest         bytea CONSTRAINT voucher_pk PRIMARY KEY,      -- keyed digest of the 16-digit card password
    batch_id       uuid NOT NULL,
    serial         text NOT NULL CONSTRAINT voucher_serial UNIQUE, -- 18 digits, printed openly
    redeemed_by    uuid,
    transaction_id uuid,
    redeemed_at    timestamptz,
    CONSTRAINT voucher_redeemed_whole CHECK ((redeemed_by IS NULL) = (transaction_id IS NULL))
);
CREATE INDEX voucher_of_batch ON voucher (batch_id);
