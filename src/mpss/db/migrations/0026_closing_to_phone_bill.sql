-- The rest of a closed account may go to its phone bill. The new check is looked at for the rows there are: few.

ALTER TABLE account_closing
    DROP CONSTRAINT account_closing_payout,
    ADD CONSTRAINT account_closing_payout CHECK (payout IN ('none', 'cash', 'bank_card', 'phone_bill'));
