-- When a subscription last got another card or another number: for a while its SMS codes alone are not enough. A column
-- without a default rewrites nothing; what was replaced before is looked up in a table of few rows.

ALTER TABLE account_subscription ADD COLUMN sim_changed_at timestamptz;
UPDATE account_subscription AS s SET sim_changed_at = r.at
  FROM (SELECT account_id, max(replaced_at) AS at FROM replaced_sim GROUP BY account_id) AS r
 WHERE r.account_id = s.account_id;
