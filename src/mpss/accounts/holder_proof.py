"""The end of the document's number (证件号码后六位), which a reset of the payment password asks of a real-name account.

Whoever holds the phone alone, found or stolen, does not know it. Invariants: (1) it is compared in constant time and
never logged; (2) a wrong one is counted before the answer, and after `policy.identity_tail_tries` of a day none is
looked at until the next. Spec: CM 7.5, 7.2.1; DOMAIN 1.6.
"""

from __future__ import annotations

import hmac
from uuid import UUID

from mpss.accounts import customer_store as store
from mpss.accounts.customer_model import NameLevel
from mpss.accounts.model import AccountRow
from mpss.accounts.store import lock_account
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, Refused
from mpss.ports.key_store import KeyStore
from mpss.runtime import Runtime

FIELD = "identity_tail"
TAIL = 6


async def document_of(uow: UnitOfWork, key_store: KeyStore, account: AccountRow) -> str | None:
    """The number in clear of the document that a real-name account's holder showed, letters and digits alone."""
    if account.customer_id is None:
        return None
    customer = (await store.find_customers(uow, [account.customer_id])).get(account.customer_id)
    if customer is None or customer.level is not NameLevel.REAL:
        return None
    number = key_store.unseal(customer.number_sealed).decode()
    return "".join(sign for sign in number if sign.isascii() and sign.isalnum())


async def asks_holder(runtime: Runtime, *, account_id: UUID) -> bool:
    """Whether a link to a new password asks for the document: the account is real-name, and this is no first password.

    A first password, or the one after a hall took the old one away, follows a look at the document itself.
    """
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        if locked is None or locked[0].password_digest is None:
            return False
        return await document_of(uow, runtime.ports.key_store, locked[0]) is not None


async def is_real_name(runtime: Runtime, *, account_id: UUID) -> bool:
    """Whether the account's holder showed a document whose end can be asked for."""
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        return locked is not None and await document_of(uow, runtime.ports.key_store, locked[0]) is not None


async def prove_holder(runtime: Runtime, *, account_id: UUID, tail: str | None) -> None:
    """Compare the end of the document's number, where the account is real-name; a wrong one is counted at once.

    Raises:
        Refused: IDENTITY_REQUIRED, it is missing; IDENTITY_MISMATCH, it is another; RATE_LIMITED, too many were wrong
            today.

    Spec: CM 7.5.
    """
    now, key_store = runtime.clock.now(), runtime.ports.key_store
    today = now.astimezone(SHANGHAI).date()
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        number = None if locked is None else await document_of(uow, key_store, locked[0])
        if number is None:
            return
        if tail is None:
            raise Refused(
                ErrorCode.IDENTITY_REQUIRED, detail="the last six characters of the document's number", field=FIELD
            )
        if await store.wrong_tails(uow, account_id, day=today) >= runtime.policy.identity_tail_tries:
            raise Refused(ErrorCode.RATE_LIMITED, detail="wrong too often today; visit a service hall", field=FIELD)
        right = hmac.compare_digest(number[-TAIL:].encode(), tail.upper().encode())
        if not right:
            await store.count_wrong_tail(uow, account_id, day=today)
    if not right:
        raise Refused(ErrorCode.IDENTITY_MISMATCH, field=FIELD)
