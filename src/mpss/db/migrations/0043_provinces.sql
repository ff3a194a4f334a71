-- Where the payer was, if that was told: a rule looks at it, also over history (CM 9.2, 9.4, 9.5). A nullable column.

ALTER TABLE transaction ADD COLUMN province text;
