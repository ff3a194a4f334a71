-- A bound card is looked up among the listed ones by its digests, not the listed ones gone through (CM 9.6). A new index.

CREATE INDEX risk_entry_aliases ON risk_entry USING gin (aliases)
    WHERE scope = 'bank_card' AND state IN ('listed', 'leaving');
