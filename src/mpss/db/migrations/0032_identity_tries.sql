-- Wrong ends of a document's number in a day, where a real-name account's password is reset. A new table.

CREATE TABLE identity_try (
    account_id uuid CONSTRAINT identity_try_pk PRIMARY KEY,
    day        date NOT NULL,
    wrong      integer NOT NULL
);
