-- Staff API keys, two-person approvals, the audit record.
-- New tables only.

CREATE TABLE staff_member (
    id             uuid CONSTRAINT staff_member_pk PRIMARY KEY,
    name           text NOT NULL CONSTRAINT staff_member_name UNIQUE,
    api_key_digest bytea NOT NULL CONSTRAINT staff_member_api_key UNIQUE,
    permissions    text[] NOT NULL,
    hall           text,                  -- of a clerk: where the cash is
    clerk          text,
    active         boolean NOT NULL DEFAULT true,
    created_at     timestamptz NOT NULL,
    -- Idempotency keys are scoped to the hall and clerk, so these name one person for good.
    CONSTRAINT staff_member_clerk UNIQUE (hall, clerk),
    CONSTRAINT staff_member_clerk_whole CHECK ((hall IS NULL) = (clerk IS NULL))
);

CREATE TABLE approval (
    id          uuid CONSTRAINT approval_pk PRIMARY KEY,
    kind        text NOT NULL,
    payload     text NOT NULL,            -- JSON: what will be done
    proposed_by uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by  uuid,
    decided_at  timestamptz,
    state       text NOT NULL CONSTRAINT approval_state CHECK (state IN ('proposed', 'approved', 'refused')),
    CONSTRAINT approval_two_people CHECK (decided_by <> proposed_by)
);

CREATE TABLE audit_record (
    id      bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_record_pk PRIMARY KEY,
    at      timestamptz NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  text NOT NULL DEFAULT '{}'
);
CREATE TRIGGER audit_record_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
