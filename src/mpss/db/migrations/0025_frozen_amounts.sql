-- Freezes of an amount: how much of a wallet must not leave it, whether it is there yet or comes in later.
-- Takes ledger_balance and account_freeze for an instant: a column with a constant default rewrites nothing.

ALTER TABLE ledger_balance
    ADD COLUMN frozen_fen bigint NOT NULL DEFAULT 0          -- the sum of what its freezes of amounts still freeze
        CONSTRAINT ledger_balance_frozen CHECK (frozen_fen >= 0);

-- amount_fen is what was ordered, left_fen what of it still stands; both NULL: the whole account.
ALTER TABLE account_freeze
    DROP CONSTRAINT account_freeze_hold,
    DROP COLUMN hold_id,
    ADD COLUMN left_fen bigint,
    ADD CONSTRAINT account_freeze_left CHECK (
        (amount_fen IS NULL) = (left_fen IS NULL) AND (left_fen BETWEEN 0 AND amount_fen)
        AND (left_fen > 0) = (released_at IS NULL));
CREATE INDEX account_freeze_to_end ON account_freeze (until) WHERE released_at IS NULL AND until IS NOT NULL;
