"""The merchants' tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mpss.db.rows import RowSet
from mpss.merchants.model import MerchantRow, MerchantState


def _row(record: Sequence[Any]) -> tuple[UUID, MerchantRow]:
    id_, name, province, state, ledger_account_id = record
    return id_, MerchantRow(id_, name, province, MerchantState(state), ledger_account_id)


MERCHANTS: RowSet[UUID, MerchantRow] = RowSet(
    name="merchant",
    order=30,
    load="SELECT id, name, province, state, ledger_account_id FROM merchant WHERE id = ANY(%(keys)b::uuid[])",
    make=_row,
)
