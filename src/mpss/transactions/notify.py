"""The notices of a decision: SMS that are written down with what it commits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from mpss.accounts.model import AccountRow
from mpss.desk.model import Decision
from mpss.kernel.ids import OutboxId
from mpss.outbox.model import notice
from mpss.outbox.store import OUTBOX

Facts = Mapping[str, str | int]
NO_FACTS: Facts = {}


def tell(
    decision: Decision,
    account: AccountRow,
    event: str,
    facts: Facts = NO_FACTS,
    *,
    at: datetime,
    about: UUID | None = None,
) -> None:
    """An SMS to the account's phone, in its language, about the decided transaction or what `about` names."""
    tell_number(decision, account.phone, account.language, event, facts, at=at, about=about)


def tell_number(
    decision: Decision,
    phone: str,
    language: str,
    event: str,
    facts: Facts,
    *,
    at: datetime,
    about: UUID | None = None,
) -> None:
    """As `tell`, to a number that may have no account."""
    row = notice(
        OutboxId.new(at), reference=about or decision.transaction.id, phone=phone, event=event, language=language,
        params=facts, now=at,
    )  # fmt: skip
    decision.inserts.append((OUTBOX, row))
