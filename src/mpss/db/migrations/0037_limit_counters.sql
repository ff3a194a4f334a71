-- What is counted for limits, made anew from the transactions themselves: top-ups are counted from now on, transfers that
-- came back count no more, and month, year and lifetime are counted from the first transaction on. Reads every
-- transaction; locks the tables of counters, which nobody writes meanwhile.

LOCK TABLE account_usage, transfer_usage, withdrawal_usage, topup_usage, customer_usage, payee
    IN SHARE ROW EXCLUSIVE MODE;

CREATE TEMPORARY TABLE counted_out ON COMMIT DROP AS
SELECT account_id, business_date AS day, amount_fen,
       kind = 'purchase' AS payment, funding = 'wallet' AS from_balance
  FROM transaction
 WHERE account_id IS NOT NULL
   AND (kind = 'purchase' AND (state = 'SUCCEEDED' AND funding <> 'group' OR funding NOT IN ('wallet', 'group')
          AND state IN ('FUNDING', 'IN_DOUBT', 'AUTHORIZED', 'COMPLETING', 'RELEASING', 'REVERSING'))
     OR kind = 'transfer' AND state IN ('SUCCEEDED', 'WAITING'))
 UNION ALL
SELECT g.master_account_id, t.business_date, t.amount_fen, false, true
  FROM group_purchase AS g JOIN transaction AS t ON t.id = g.transaction_id
 WHERE t.kind = 'purchase' AND t.state = 'SUCCEEDED';

UPDATE account_usage AS u SET month_fen = n.month_fen, year_fen = n.year_fen, life_fen = n.life_fen
  FROM (SELECT v.account_id,
               coalesce(sum(t.amount_fen) FILTER (
                   WHERE t.payment AND date_trunc('month', t.day) = date_trunc('month', v.day)), 0) AS month_fen,
               coalesce(sum(t.amount_fen) FILTER (
                   WHERE t.from_balance AND date_trunc('year', t.day) = date_trunc('year', v.day)), 0) AS year_fen,
               coalesce(sum(t.amount_fen) FILTER (WHERE t.from_balance), 0) AS life_fen
          FROM account_usage AS v LEFT JOIN counted_out AS t ON t.account_id = v.account_id
         GROUP BY v.account_id) AS n
 WHERE u.account_id = n.account_id
   AND (u.month_fen, u.year_fen, u.life_fen) IS DISTINCT FROM (n.month_fen, n.year_fen, n.life_fen);

UPDATE customer_usage AS c SET year_fen = n.year_fen
  FROM (SELECT v.customer_id, coalesce(sum(t.amount_fen), 0) AS year_fen
          FROM customer_usage AS v
          LEFT JOIN account AS a ON a.customer_id = v.customer_id
          LEFT JOIN counted_out AS t
            ON t.account_id = a.id AND t.from_balance AND date_trunc('year', t.day) = date_trunc('year', v.day)
         GROUP BY v.customer_id) AS n
 WHERE c.customer_id = n.customer_id AND c.year_fen <> n.year_fen;

UPDATE transfer_usage AS u
   SET sent_fen = n.sent_fen, free_fen = n.free_fen, sent_count = n.sent_count, month_fen = n.month_fen
  FROM (SELECT v.account_id,
               coalesce(sum(t.amount_fen) FILTER (WHERE t.business_date = v.day), 0) AS sent_fen,
               coalesce(sum(t.amount_fen) FILTER (
                   WHERE t.business_date = v.day AND f.payee_relation IS NULL), 0) AS free_fen,
               count(t.id) FILTER (WHERE t.business_date = v.day) AS sent_count,
               coalesce(sum(t.amount_fen), 0) AS month_fen
          FROM transfer_usage AS v
          LEFT JOIN (transaction AS t JOIN transfer AS f ON f.transaction_id = t.id)
            ON t.account_id = v.account_id AND t.state IN ('SUCCEEDED', 'WAITING')
           AND date_trunc('month', t.business_date) = date_trunc('month', v.day)
         GROUP BY v.account_id) AS n
 WHERE u.account_id = n.account_id;

UPDATE payee AS p SET sent_fen = n.sent_fen
  FROM (SELECT q.id, coalesce(sum(t.amount_fen), 0) AS sent_fen
          FROM payee AS q
          LEFT JOIN (transaction AS t JOIN transfer AS f ON f.transaction_id = t.id)
            ON f.payee_relation = q.id AND t.business_date = q.day AND t.state IN ('SUCCEEDED', 'WAITING')
         GROUP BY q.id) AS n
 WHERE p.id = n.id AND p.sent_fen <> n.sent_fen;

UPDATE withdrawal_usage AS u SET asked_fen = n.asked_fen, asked_count = n.asked_count, month_fen = n.month_fen
  FROM (SELECT v.account_id,
               coalesce(sum(t.amount_fen) FILTER (WHERE t.business_date = v.day), 0) AS asked_fen,
               count(t.id) FILTER (WHERE t.business_date = v.day) AS asked_count,
               coalesce(sum(t.amount_fen), 0) AS month_fen
          FROM withdrawal_usage AS v
          LEFT JOIN transaction AS t
            ON t.account_id = v.account_id AND t.kind = 'withdrawal' AND t.state IN ('FUNDING', 'IN_DOUBT', 'SUCCEEDED')
           AND date_trunc('month', t.business_date) = date_trunc('month', v.day)
         GROUP BY v.account_id) AS n
 WHERE u.account_id = n.account_id;

DELETE FROM topup_usage;
INSERT INTO topup_usage (account_id, day, day_fen, day_count, month_fen)
SELECT t.account_id, l.day, sum(t.amount_fen) FILTER (WHERE t.business_date = l.day),
       count(*) FILTER (WHERE t.business_date = l.day), sum(t.amount_fen)
  FROM transaction AS t
  JOIN (SELECT account_id, max(business_date) AS day FROM transaction
         WHERE kind IN ('cash_topup', 'voucher_topup', 'recharge_topup', 'online_bank_topup', 'bank_card_topup',
                        'bank_topup')
           AND state IN ('FUNDING', 'IN_DOUBT', 'RELEASING', 'SUCCEEDED') GROUP BY account_id) AS l
    ON l.account_id = t.account_id AND date_trunc('month', t.business_date) = date_trunc('month', l.day)
 WHERE t.kind IN ('cash_topup', 'voucher_topup', 'recharge_topup', 'online_bank_topup', 'bank_card_topup', 'bank_topup')
   AND t.state IN ('FUNDING', 'IN_DOUBT', 'RELEASING', 'SUCCEEDED')
 GROUP BY t.account_id, l.day;
