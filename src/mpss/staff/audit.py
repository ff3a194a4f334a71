"""Who did what: the audit record, append-only (the running role may only add, a trigger refuses the owner too)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

from mpss.db.database import UnitOfWork

_RECORD: LiteralString = """
    INSERT INTO audit_record (at, actor, action, subject, detail)
    VALUES (%(at)s, %(actor)s, %(action)s, %(subject)s, %(detail)s)
"""


async def record(
    uow: UnitOfWork, *, at: datetime, actor: str, action: str, subject: str, detail: Mapping[str, Any]
) -> None:
    """Write down that `actor` did `action` to `subject`, in the act's unit of work.

    `action` is an area and a verb ("merchant.suspend"); `subject` an outside id; `detail` holds plain JSON values and no secrets.
    """
    text = json.dumps(dict(detail), ensure_ascii=False, separators=(",", ":"))
    await uow.execute(_RECORD, {"at": at, "actor": actor, "action": action, "subject": subject, "detail": text})
