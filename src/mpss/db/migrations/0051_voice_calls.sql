-- Telephone calls to the voice channel: where each stands in its dialogue. A new table; a job empties it.

CREATE TABLE voice_call (
    id            uuid CONSTRAINT voice_call_pk PRIMARY KEY,  -- scopes the keys of what the call changes
    reference     text NOT NULL CONSTRAINT voice_call_reference UNIQUE,  -- the voice platform's name of the call
    phone         text,                          -- E.164; NULL: withheld, or no mobile number of the mainland
    step          integer NOT NULL,              -- the document the caller hears
    standing      text NOT NULL,                 -- JSON: the place in the dialogue, what is said there; no password
    claimed_until timestamptz,                   -- a process carries the step's answer out
    started_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);
CREATE INDEX voice_call_expires ON voice_call (expires_at);
