"""A change of an account that its holder proves twice: by the payment password and by an SMS code.

The order is the state, what else hinders the change, the password, the code. A wrong password is counted as in a
purchase, and stays counted. Spec: CT 12.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from mpss.accounts.checks import check_state
from mpss.accounts.codes import Purpose, check_code, use_code
from mpss.accounts.model import AccountRow
from mpss.accounts.password_rules import candidate_digests, check_form, fingerprint
from mpss.accounts.password_tries import count_try
from mpss.accounts.spray import noticed
from mpss.accounts.state import Operation
from mpss.accounts.store import lock_account, phone_of
from mpss.db.database import UnitOfWork
from mpss.kernel.errors import ErrorCode, Refused
from mpss.runtime import Runtime

C = TypeVar("C")
R = TypeVar("R")


class Proofs(NamedTuple):
    """The payment password, an SMS code of the change's purpose, and where both came from."""

    password: str
    code: str
    source: str


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
            PASSWORD_LOCKED, WRONG_CODE, CODE_EXPIRED.
    """
    check_form(proofs.password, field="payment_password")
    key_store = runtime.ports.key_store
    candidates = candidate_digests(key_store, account_id, proofs.password)
    tried = fingerprint(key_store, proofs.password)
    async with runtime.database.read() as uow:
        phone = await phone_of(uow, account_id)
    if phone is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    code_id = await check_code(runtime, phone=phone, purpose=purpose, code=proofs.code)
    async with runtime.database.transaction() as uow:
        locked = await lock_account(uow, account_id)
        refusal = check_state(None if locked is None else locked[0], operation, at=now)
        if locked is None or refusal is not None:
            raise Refused(refusal or ErrorCode.UNKNOWN_ACCOUNT)
        account, usage = locked
        found = await check(uow, account)
        # The SMS code is what a challenge would ask for.
        wrong = await count_try(
            uow, runtime, account, usage, candidate_digests=candidates, tried=tried, challenged=False,
            source=proofs.source, now=now,
        )  # fmt: skip
        if wrong is None:
            await use_code(uow, code_id, now=now)
            return await carry_out(uow, account, found)
    # The counted try stays.
    noticed(runtime)
    raise Refused(wrong, field="payment_password")


async def nothing_else(uow: UnitOfWork, account: AccountRow) -> None:
    """The check of a change that only the account's state may hinder."""
