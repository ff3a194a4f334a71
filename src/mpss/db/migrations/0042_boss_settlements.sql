-- A question that BOSS leaves open may be settled by a member of staff. The checks are looked at for the rows there are:
-- few.

ALTER TABLE boss_question
    ADD COLUMN settled_how text         -- gone: the next comparison no longer found it; else what somebody chose
        CONSTRAINT boss_question_settled_how CHECK (settled_how IN ('gone', 'accepted', 'kept')),
    ADD COLUMN settled_by  uuid,        -- a member of staff
    ADD COLUMN reason      text NOT NULL DEFAULT '';
UPDATE boss_question SET settled_how = 'gone' WHERE settled_at IS NOT NULL;
ALTER TABLE boss_question
    ADD CONSTRAINT boss_question_settled CHECK ((settled_at IS NULL) = (settled_how IS NULL));
-- What somebody chose to keep is not asked again while both sides say the same.
CREATE INDEX boss_question_kept ON boss_question (account_id) WHERE settled_how = 'kept';

-- What BOSS says takes effect as an event also where somebody settled a question so.
ALTER TABLE boss_event
    DROP CONSTRAINT boss_event_source,
    ADD CONSTRAINT boss_event_source CHECK (source IN ('feed', 'asked', 'comparison', 'settled'));
