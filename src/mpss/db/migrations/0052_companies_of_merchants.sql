-- A company on a list is found by the merchant it is, which is there before the entry is (CM 9.6, 9.8). A nullable
-- column; a job fills it in for merchants that were written before.

ALTER TABLE merchant ADD COLUMN person_digest text;     -- as an entry of scope person keeps the company's code
