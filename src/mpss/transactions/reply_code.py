"""The four digits a payer replies with: they tell apart what waits for one number's reply, and are no secret."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg

from mpss.desk.model import Answer
from mpss.runtime import Runtime
from mpss.transactions.store import OPEN_CONFIRMATION, reply_codes

NO_CODE = ""
"""In place of a code where too much waits for the number's reply."""
_CODES = 10_000
_CODE_REST = timedelta(days=7)
"""How long a code is not given to the same number again."""
_CODE_TRIES = 5


async def with_reply_code(runtime: Runtime, *, phone: str, submit: Callable[[str], Awaitable[Answer]]) -> Answer:
    """Submit a command that asks `phone` for a reply, with a code that is free for the number.

    The code is NO_CODE where `policy.confirmations_per_phone` wait for the number already; the command is then refused
    with RATE_LIMITED.
    """
    for last in (False,) * (_CODE_TRIES - 1) + (True,):
        async with runtime.database.read() as uow:
            codes = await reply_codes(uow, phone=phone, since=runtime.clock.now() - _CODE_REST)
        too_many = codes.waiting >= runtime.policy.confirmations_per_phone or len(codes.taken) >= _CODES
        code = NO_CODE if too_many else _free_code(codes.taken)
        try:
            return await submit(code)
        except psycopg.errors.UniqueViolation as problem:
            # Somebody else asked this number at the same moment and drew the same code.
            if last or problem.diag.constraint_name != OPEN_CONFIRMATION:
                raise
    raise AssertionError("unreachable")


def _free_code(taken: set[str]) -> str:
    while (code := f"{secrets.randbelow(_CODES):04d}") in taken:
        pass
    return code
