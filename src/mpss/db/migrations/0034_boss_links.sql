-- A number may leave its account for good, and BOSS is asked and compared with. Rebuilds one index on account.

ALTER TABLE account ADD COLUMN number_left_at timestamptz;  -- the number was given up or is another's since then
UPDATE account AS a SET number_left_at = now()
  FROM account_subscription AS s
 WHERE s.account_id = a.id AND s.boss_status IN ('cancelled', 'transferred') AND a.life <> 'closed';
-- Who has the number next may open an account, also while money of the last one waits to be paid out.
DROP INDEX account_phone;
CREATE UNIQUE INDEX account_phone ON account (phone, kind) WHERE life <> 'closed' AND number_left_at IS NULL;
CREATE INDEX account_number_left ON account (phone) WHERE number_left_at IS NOT NULL;

ALTER TABLE account_subscription
    ADD COLUMN owner         text NOT NULL DEFAULT '',   -- BOSS's reference of whose it is; '': not told
    ADD COLUMN service_class text NOT NULL DEFAULT '',
    ADD COLUMN compared_at   timestamptz;                -- when BOSS last said how it stands

-- Events of the feed, and what was missed and found by asking or at night.
ALTER TABLE boss_event ADD COLUMN source text NOT NULL DEFAULT 'feed'
    CONSTRAINT boss_event_source CHECK (source IN ('feed', 'asked', 'comparison'));

-- Cards (SIM) that a subscription no longer uses: a purse on one is stopped.
CREATE TABLE replaced_sim (
    account_id  uuid NOT NULL,
    sim_serial  text NOT NULL,                  -- '': BOSS never told which it was
    event_id    text NOT NULL,
    replaced_at timestamptz NOT NULL,
    CONSTRAINT replaced_sim_pk PRIMARY KEY (account_id, event_id)
);
CREATE INDEX replaced_sim_serial ON replaced_sim (sim_serial);

-- A comparison of every account with BOSS: the nightly one of a day, or one an operator asked for (day NULL).
CREATE TABLE boss_comparison (
    id            uuid CONSTRAINT boss_comparison_pk PRIMARY KEY,
    day           date CONSTRAINT boss_comparison_day UNIQUE,
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    working_until timestamptz NOT NULL,         -- until then somebody is at it
    after_account uuid,                         -- the last account compared
    accounts      bigint NOT NULL DEFAULT 0,
    missed        bigint NOT NULL DEFAULT 0,    -- events that were missed, and took effect now
    questions     bigint NOT NULL DEFAULT 0     -- differences that no event explains
);

-- What BOSS and we have differently and no event explains; settled by the comparison that no longer finds it.
CREATE TABLE boss_question (
    id         uuid CONSTRAINT boss_question_pk PRIMARY KEY,
    account_id uuid NOT NULL,
    kind       text NOT NULL,
    ours       text NOT NULL,
    theirs     text NOT NULL,
    found_at   timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    settled_at timestamptz
);
CREATE UNIQUE INDEX boss_question_open ON boss_question (account_id, kind) WHERE settled_at IS NULL;
