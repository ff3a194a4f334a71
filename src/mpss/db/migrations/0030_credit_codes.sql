-- The unified social credit code (统一社会信用代码) of a merchant's company. A new column, NULL of those registered before.

ALTER TABLE merchant ADD COLUMN credit_code text;
CREATE UNIQUE INDEX merchant_credit_code ON merchant (credit_code) WHERE state <> 'closed';
