-- Purchases that members of a corporate account made with the company's money, and their reversals. A new table.

CREATE TABLE group_purchase (
    transaction_id    uuid CONSTRAINT group_purchase_pk PRIMARY KEY,
    member_id         uuid NOT NULL,            -- the group_member whose quota holds it
    master_account_id uuid NOT NULL,
    member_account_id uuid NOT NULL
);
CREATE INDEX group_purchase_of_account ON group_purchase (member_account_id, transaction_id);
CREATE INDEX group_purchase_of_member ON group_purchase (member_id);
