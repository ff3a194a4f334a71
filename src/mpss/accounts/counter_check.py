"""Whether the customer at a counter is the account's holder (柜台核验): what was shown against what is on record.

Where a document is on record, its kind and number are compared, by the digest it is found by, in constant time; wrong
ones are counted, and too many in a day stop every counter until the next. Where none is, the phone proves what takes
the account away or opens it again: an SMS code of the purpose `account`. The clerk's words go to the audit record.

Spec: CM 5.2.5, 6.7.3, 6.8, 7.5, 8.2. Decision: ADR-0032.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from mpss.accounts.codes import Purpose, check_code, use_code
from mpss.accounts.customer_model import DocumentKind
from mpss.accounts.customer_store import count_mismatches, find_customers, insert_mismatch
from mpss.accounts.customers import document_digests
from mpss.accounts.identity import parse_document_number
from mpss.accounts.model import AccountRow
from mpss.accounts.sim_cooling import refuse_new_sim
from mpss.db.database import UnitOfWork
from mpss.kernel.clock import SHANGHAI
from mpss.kernel.errors import ErrorCode, MalformedField
from mpss.kernel.ids import AccountId
from mpss.kernel.phone import parse_phone
from mpss.kernel.text import check_line
from mpss.runtime import Runtime
from mpss.staff.audit import record
from mpss.staff.model import StaffMember

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """What the customer showed: in the clerk's words without the number; kind and number; a code sent to the phone."""

    document: str
    kind: DocumentKind | None = None
    number: str | None = None
    code: str | None = None

    def __repr__(self) -> str:
        return f"Shown({self.document!r})"


class Checked(NamedTuple):
    """What was shown, ready to be compared: the digests its document may be on record by, the code's id."""

    document: str
    digests: tuple[bytes, ...]
    code_id: UUID | None


async def look_at(runtime: Runtime, shown: Shown, *, phone: str) -> Checked:
    """Before the unit of work: what can be said of `shown` without the account.

    Raises:
        MalformedField: `phone`, `document`, `document_kind`, `document_number`, or `code`.
        Refused: WRONG_CODE, CODE_EXPIRED.
    """
    phone = parse_phone(phone)
    check_line(shown.document, field="document")
    if (shown.kind is None) != (shown.number is None):
        missing = "document_kind" if shown.kind is None else "document_number"
        raise MalformedField(field=missing, problem="goes with the other: kind and number")
    digests: tuple[bytes, ...] = ()
    if shown.kind is not None and shown.number is not None:
        today = runtime.clock.now().astimezone(SHANGHAI).date()
        number = parse_document_number(shown.kind, shown.number, today=today)
        digests = tuple(document_digests(runtime.ports.key_store, shown.kind, number))
    code_id = None
    if shown.code is not None:
        code_id = await check_code(runtime, phone=phone, purpose=Purpose.ACCOUNT, code=shown.code)
    return Checked(shown.document, digests, code_id)


async def not_the_holder(
    uow: UnitOfWork,
    runtime: Runtime,
    account: AccountRow,
    checked: Checked,
    *,
    staff: StaffMember,
    now: datetime,
    by_phone: bool,
) -> ErrorCode | None:
    """Why the customer is not taken for the holder of a locked account; None: they are.

    A refusal is to be raised after the unit of work has committed, since the try is counted in it. `by_phone`: without
    a document on record, a code is needed.

    Raises:
        MalformedField: `document_number` or `code` is needed and missing.
        Refused: CODE_EXPIRED, another request used it meanwhile; SIM_COOLING, the phone may be another's.
    """
    holder = None
    if account.customer_id is not None:
        holder = (await find_customers(uow, [account.customer_id])).get(account.customer_id)
    if holder is None:
        if by_phone:
            await refuse_new_sim(uow, runtime, account.id, now=now)
        if checked.code_id is not None:
            await use_code(uow, checked.code_id, now=now)
        elif by_phone:
            raise MalformedField(field="code", problem="must be given: no document of the holder is on record")
        return None
    if not checked.digests:
        raise MalformedField(field="document_number", problem="must be given: the holder's document is on record")
    if await count_mismatches(uow, account.id, since=now - _DAY) >= runtime.policy.counter_tries_per_day:
        return ErrorCode.RATE_LIMITED
    if any([hmac.compare_digest(holder.number_digest, digest) for digest in checked.digests]):  # noqa: C419 - all of it
        return None
    await insert_mismatch(uow, account.id, staff_id=staff.id, now=now)
    detail = {"document": checked.document, **staff.place}
    await record(
        uow, at=now, actor=str(staff.id), action="counter.document_mismatch", subject=AccountId.outside(account.id),
        detail=detail,
    )  # fmt: skip
    return ErrorCode.IDENTITY_MISMATCH
