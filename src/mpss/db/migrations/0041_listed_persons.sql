-- A person on a list is found by the documents of the accounts, which are there before the entry is (CM 9.6, 9.8).
-- A nullable column and an index; a job fills the column in for customers that were written before.

ALTER TABLE customer ADD COLUMN person_digest text;     -- as an entry of scope person keeps the document's number
CREATE INDEX customer_person ON customer (person_digest);
