-- The order in which events of BOSS came, for lists page by page. Rewrites boss_event, which is short.

ALTER TABLE boss_event ADD COLUMN serial bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX boss_event_serial ON boss_event (serial);
