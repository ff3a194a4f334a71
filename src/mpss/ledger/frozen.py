"""What of a floored account must not leave it: the sum of its freezes of amounts, beside what is held.

Whoever keeps the freezes writes their sum here, in the unit of work that changes one; `mpss verify` compares the two.
Decision: ADR-0028.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from mpss.db.database import UnitOfWork

_LOCK: LiteralString = """
    -- In id order, as the desk locks them.
    SELECT ledger_account_id FROM ledger_balance WHERE ledger_account_id = ANY(%(ids)s)
     ORDER BY ledger_account_id FOR UPDATE
"""
_SET: LiteralString = """
    UPDATE ledger_balance AS b SET frozen_fen = n.frozen_fen
      FROM unnest(%(ids)s::bigint[], %(frozen)s::bigint[]) AS n (ledger_account_id, frozen_fen)
     WHERE b.ledger_account_id = n.ledger_account_id AND b.frozen_fen <> n.frozen_fen
"""


async def set_frozen(uow: UnitOfWork, frozen_fen: Mapping[int, int]) -> None:
    """Replace what is frozen of each ledger account, in fen."""
    ids = list(frozen_fen)
    await uow.execute(_LOCK, {"ids": ids})
    await uow.execute(_SET, {"ids": ids, "frozen": [frozen_fen[each] for each in ids]})
