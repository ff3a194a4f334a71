"""One notice for each change of an account, in the change's own unit of work (CT 5.4)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from mpss.db.database import UnitOfWork
from mpss.kernel.errors import MalformedField
from mpss.kernel.ids import OutboxId
from mpss.kernel.language import LANGUAGES
from mpss.outbox.model import notice
from mpss.outbox.store import enqueue
from mpss.ports.key_store import KeyStore

NO_PARAMS: Mapping[str, str | int] = {}


async def tell(
    uow: UnitOfWork,
    event: str,
    *,
    reference: UUID,
    phone: str,
    language: str,
    now: datetime,
    params: Mapping[str, str | int] = NO_PARAMS,
) -> None:
    """Write down an SMS to `phone`; `reference` is the account or the SMS code it speaks of."""
    row = notice(
        OutboxId.new(now), reference=reference, phone=phone, event=event, language=language, params=params, now=now
    )
    await enqueue(uow, [row])


class Holder(Protocol):
    """Whose account it is, as a notice needs to know."""

    @property
    def id(self) -> UUID: ...
    @property
    def phone(self) -> str: ...
    @property
    def language(self) -> str: ...


async def tell_holder(
    uow: UnitOfWork, account: Holder, event: str, *, now: datetime, params: Mapping[str, str | int] = NO_PARAMS
) -> None:
    """Write down an SMS to an account's phone, in its language, about the account."""
    await tell(uow, event, reference=account.id, phone=account.phone, language=account.language, now=now, params=params)


def sealed(key_store: KeyStore, secret: str) -> str:
    """A secret on its way into a notice, base64; it is unsealed when the SMS is sent, and never in the database."""
    return base64.b64encode(key_store.seal(secret.encode())).decode()


def check_language(language: str) -> str:
    """
    Raises:
        MalformedField: notices are not written in that language.
    """
    if language not in LANGUAGES:
        raise MalformedField(field="language", problem=f"must be one of {', '.join(LANGUAGES)}")
    return language
