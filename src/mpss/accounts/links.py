"""One-time links: sent by SMS to the phone itself, good for setting the payment password once.

The link is never in the database in clear: its row holds a digest, the notice's parameters hold it sealed
("url_sealed", base64 of `KeyStore.seal`), and `notices` unseals it as the SMS is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.notify import sealed, tell
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from mpss.security.tokens import new_token, token_digest

SET_PASSWORD = "set_password"  # noqa: S105 - a purpose, not a password
PATH = "/password/"
"""A link is the platform's public address, this, and the token."""


async def send_link(
    uow: UnitOfWork, runtime: Runtime, *, account_id: UUID, phone: str, language: str, now: datetime
) -> None:
    """Send the number a fresh link to set its password; older ones end.

    Raises:
        Refused: RATE_LIMITED, the number had its links for this hour.
    """
    policy, settings = runtime.policy, runtime.settings
    if (
        await token_store.count_links(uow, account_id, since=now - timedelta(hours=1))
        >= policy.codes_per_phone_per_hour
    ):
        raise Refused(ErrorCode.RATE_LIMITED, detail="too many links were asked for; wait an hour")
    token = new_token("pwd")
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    await token_store.void_links(uow, account_id, now=now)
    await token_store.insert_link(
        uow, token_digest(token), account_id=account_id, purpose=SET_PASSWORD, now=now,
        expires_at=now + timedelta(seconds=policy.link_ttl_seconds),
    )  # fmt: skip
    params: dict[str, str | int] = {
        "url_sealed": sealed(runtime.ports.key_store, f"{base.rstrip('/')}{PATH}{token}"),
        "minutes": -(-policy.link_ttl_seconds // 60),
    }
    await tell(uow, "password_link", reference=account_id, phone=phone, language=language, now=now, params=params)


async def find_link(runtime: Runtime, *, token: str) -> UUID:
    """The account whose password the link sets.

    Raises:
        Refused: CODE_EXPIRED, whether it never was, ran out or was used.
    """
    async with runtime.database.read() as uow:
        account_id = await token_store.find_link(uow, token_digest(token), now=runtime.clock.now())
    if account_id is None:
        raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new link")
    return account_id
