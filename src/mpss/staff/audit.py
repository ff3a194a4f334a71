"""The audit record: who did what to what, written with the deed itself and never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mpss.db.database import UnitOfWork
from mpss.db.rows import copy_rows
from mpss.staff.store import AUDIT

NO_DETAIL: Mapping[str, Any] = {}


def audit_row(
    *, at: datetime, actor: str, action: str, subject: str, detail: Mapping[str, Any] = NO_DETAIL
) -> tuple[Any, ...]:
    """The row for the AUDIT set; `detail` is plain JSON without secrets, `subject` an id in its outside form."""
    return at, actor, action, subject, json.dumps(dict(detail), ensure_ascii=False, sort_keys=True)


async def record(
    uow: UnitOfWork,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any] = NO_DETAIL,
) -> None:
    """Add a line to the audit record, in the caller's unit of work."""
    await copy_rows(uow, AUDIT, [audit_row(at=at, actor=actor, action=action, subject=subject, detail=detail)])
