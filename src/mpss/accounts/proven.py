"""A change of an account that its holder proves twice: by the payment password, and by an SMS code, a one-time link or
a call from the account's own phone.

The order is the link, the state, what else hinders the change, the password, the code. A wrong password is counted as
in a purchase, and stays counted. Spec: CT 12.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from mpss.accounts import token_store
from mpss.accounts.codes import Purpose, check_code, use_code
from mpss.accounts.locks import lock_allowed
from mpss.accounts.model import AccountRow
from mpss.accounts.password_rules import candidate_digests, check_form, fingerprint
from mpss.accounts.password_tries import count_try
from mpss.accounts.spray import hot, noticed
from mpss.accounts.state import Operation
from mpss.accounts.store import phone_of
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime
from mpss.security.tokens import token_digest

C = TypeVar("C")
R = TypeVar("R")


class Proofs(NamedTuple):
    """The payment password, an SMS code of the change's purpose, and where both came from.

    `link` is the token of a one-time link of the operation, which stands in for the code; so does a call that the
    operator's network says comes from the account's own phone, `by_call`.
    """

    password: str
    code: str
    source: str
    link: str = ""
    by_call: bool = False


async def proven(
    runtime: Runtime,
    *,
    account_id: UUID,
    proofs: Proofs,
    purpose: Purpose,
    operation: Operation,
    now: datetime,
    check: Callable[[UnitOfWork, AccountRow], Awaitable[C]],
    carry_out: Callable[[UnitOfWork, AccountRow, C], Awaitable[R]],
) -> R:
    """Carry the change out in one unit of work. `check` raises what hinders it; what it finds goes to `carry_out`.

    Raises:
        MalformedField: the proofs' form.
        Refused: UNKNOWN_ACCOUNT, what the state refuses with, what `check` raises, PASSWORD_NOT_SET, WRONG_PASSWORD,
            PASSWORD_LOCKED, WRONG_CODE, CODE_EXPIRED; by a call CHALLENGE_REQUIRED in place of the last two.
    """
    check_form(proofs.password, field="payment_password")
    key_store = runtime.ports.key_store
    candidates = candidate_digests(key_store, account_id, proofs.password)
    tried = fingerprint(key_store, proofs.password)
    async with runtime.database.read() as uow:
        phone = await phone_of(uow, account_id)
    if phone is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    link = token_digest(proofs.link) if proofs.link else None
    code_id = None
    if link is None and not proofs.by_call:
        code_id = await check_code(runtime, phone=phone, purpose=purpose, code=proofs.code)
    # The SMS code, or the link in one, is what a challenge would ask for; a call has neither.
    challenged = proofs.by_call and await hot(runtime, tried, proofs.source)
    async with runtime.database.transaction() as uow:
        if link is not None:
            # Before the password: without a link that holds nobody tries one.
            await _check_link(uow, link, account_id, operation, now)
        account, usage = await lock_allowed(uow, account_id, operation, at=now)
        found = await check(uow, account)
        wrong = await count_try(
            uow, runtime, account, usage, candidate_digests=candidates, tried=tried, challenged=challenged,
            source=proofs.source, now=now,
        )  # fmt: skip
        if wrong is None:
            if code_id is not None:
                await use_code(uow, code_id, now=now)
            elif link is not None and not await token_store.use_link(uow, link, now=now):
                raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new link")
            return await carry_out(uow, account, found)
    # The counted try stays.
    noticed(runtime)
    raise Refused(wrong, field="payment_password")


async def _check_link(uow: UnitOfWork, link: bytes, account_id: UUID, operation: Operation, now: datetime) -> None:
    found = await token_store.find_link(uow, link, now=now)
    if found != (account_id, operation.value):
        raise Refused(ErrorCode.CODE_EXPIRED, detail="ask for a new link")


async def nothing_else(uow: UnitOfWork, account: AccountRow) -> None:
    """The check of a change that only the account's state may hinder."""
