-- The fees a new center starts with: none. A change is a new row with a later valid_from.
-- Locks nothing that is in use.

INSERT INTO fee_schedule (kind, valid_from, fixed_fen, basis_points, min_fen, max_fen)
VALUES ('purchase', '2000-01-01 00:00:00+08', 0, 0, 0, 0)
ON CONFLICT DO NOTHING;
