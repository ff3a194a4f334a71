-- Accounts whose holder's document has run out and was not renewed. A column that is NULL, and two indexes on few rows.

ALTER TABLE account ADD COLUMN document_expired_since timestamptz;
CREATE INDEX account_document_expired ON account (customer_id) WHERE document_expired_since IS NOT NULL;
CREATE INDEX customer_valid_until ON customer (valid_until) WHERE level = 'real' AND valid_until IS NOT NULL;
