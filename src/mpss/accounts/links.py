"""One-time links: sent by SMS to the phone itself, good once for one operation.

A link of SET_PASSWORD sets the payment password by itself. A link of any other operation stands in for the SMS code:
the payment password is asked for on its page, since none is ever sent by SMS.

The link is never in the database in clear: its row holds a digest, the notice's parameters hold it sealed
("url_sealed", base64 of `KeyStore.seal`), and `notices` unseals it as the SMS is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.notify import sealed, tell
from mpss.accounts.state import Operation
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from mpss.security.tokens import new_token, token_digest

PATH = "/password/"
"""A link that sets the password is the platform's public address, this, and the token."""
CHANGE_PATH = "/change/"
"""The same of a link of any other operation."""


async def send_link(
    uow: UnitOfWork,
    runtime: Runtime,
    *,
    account_id: UUID,
    phone: str,
    language: str,
    now: datetime,
    operation: Operation = Operation.SET_PASSWORD,
) -> None:
    """Send the number a fresh link of an operation, by default to set its password; older ones of any end.

    Raises:
        Refused: RATE_LIMITED, the number had its links for this hour.
    """
    policy, settings = runtime.policy, runtime.settings
    if (
        await token_store.count_links(uow, account_id, since=now - timedelta(hours=1))
        >= policy.codes_per_phone_per_hour
    ):
        raise Refused(ErrorCode.RATE_LIMITED, detail="too many links were asked for; wait an hour")
    of_password = operation is Operation.SET_PASSWORD
    token = new_token("pwd" if of_password else "chg")
    path = PATH if of_password else CHANGE_PATH
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    await token_store.void_links(uow, account_id, now=now)
    await token_store.insert_link(
        uow, token_digest(token), account_id=account_id, purpose=operation.value, now=now,
        expires_at=now + timedelta(seconds=policy.link_ttl_seconds),
    )  # fmt: skip
    params: dict[str, str | int] = {
        "url_sealed": sealed(runtime.ports.key_store, f"{base.rstrip('/')}{path}{token}"),
        "minutes": -(-policy.link_ttl_seconds // 60),
    }
    if not of_password:
        params["purpose"] = operation.value
    event = "password_link" if of_password else "account_link"
    await tell(uow, event, reference=account_id, phone=phone, language=language, now=now, params=params)


async def find_link(runtime: Runtime, *, token: str) -> UUID:
    """The account whose password the link sets.

    Raises:
        Refused: CODE_EXPIRED, whether it never was, ran out, was used, or is of another operation.
    """
    found, operation = await _find(runtime, token)
    if operation is not Operation.SET_PASSWORD:
        raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new link")
    return found


async def find_change(runtime: Runtime, *, token: str) -> tuple[UUID, Operation]:
    """The account and the operation of a link that does not set the password.

    Raises:
        Refused: CODE_EXPIRED, as `find_link`.
    """
    found, operation = await _find(runtime, token)
    if operation is Operation.SET_PASSWORD:
        raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new link")
    return found, operation


async def _find(runtime: Runtime, token: str) -> tuple[UUID, Operation]:
    async with runtime.database.read() as uow:
        found = await token_store.find_link(uow, token_digest(token), now=runtime.clock.now())
    if found is None:
        raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new link")
    return found.account_id, Operation(found.purpose)
