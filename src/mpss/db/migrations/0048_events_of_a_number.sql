-- What waits for a number's owner is looked up against the events that ended that. boss_event is short: locked a moment.

CREATE INDEX boss_event_ends ON boss_event (phone, occurred_at)
 WHERE kind IN ('cancel_user', 'cancel_system', 'transfer_owner', 'change_number');
