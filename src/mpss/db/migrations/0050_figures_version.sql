-- One row that counts the changes of what the desk keeps in memory: the schedules of fees, the tables of limits and the
-- rules against fraud. A desk reads the count with each batch, and these tables only where it moved.

CREATE TABLE figures_version (
    version bigint NOT NULL
);
CREATE UNIQUE INDEX figures_version_one ON figures_version ((true));
INSERT INTO figures_version (version) VALUES (1);

CREATE FUNCTION figures_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE figures_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER fee_schedule_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON fee_schedule
    FOR EACH STATEMENT EXECUTE FUNCTION figures_changed();
CREATE TRIGGER limit_version_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON limit_version
    FOR EACH STATEMENT EXECUTE FUNCTION figures_changed();
CREATE TRIGGER limit_rule_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON limit_rule
    FOR EACH STATEMENT EXECUTE FUNCTION figures_changed();
CREATE TRIGGER risk_rule_version_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON risk_rule_version
    FOR EACH STATEMENT EXECUTE FUNCTION figures_changed();
