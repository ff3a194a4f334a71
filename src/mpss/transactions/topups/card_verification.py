"""Binding a bank card by a small debit (小额验证): who sees the card's account can name the amount (CM 5.3.1.3).

    bank verifies card, name, phone ──► debit of 1-99 fen ──► its owner names the amount ──► BOUND
                                          │                     three times wrong ─────────► REFUSED
                                          └─ silence: wait      nobody names it ───────────► EXPIRED
    however it ends, the debit goes back by a reversal that is insisted upon

Invariants: (1) a debit is written down before it is asked for, inquired about and given up as any; (2) the amount is in
no notice, statement or answer; (3) a card that waits no more has its debit on its way back, by the flow or by the job.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from uuid import UUID

from mpss.accounts.card_model import CardState, VerifyBy
from mpss.accounts.card_store import count_card_try, debits_since, expire_cards, find_card, prepare_debit
from mpss.accounts.cards import (
    BoundCard,
    active_account,
    bind_verified,
    found_card,
    moved,
    refuse_unless,
    shown,
    verify_card,
)
from mpss.accounts.machine import CardEvent
from mpss.desk.model import Transaction, TransactionKind, TransactionState, digest_of
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import CardId, FundingId, TransactionId
from mpss.runtime import Runtime
from mpss.transactions.funding.bank_request import new_request
from mpss.transactions.funding.store import get_request, taking_request
from mpss.transactions.model import Asked
from mpss.transactions.queries import get_transaction
from mpss.transactions.topups.card_call import ask_of_debit
from mpss.transactions.topups.card_verification_answer import AnswerVerification, DebitCardCommand, ReturnDebitCommand
from mpss.transactions.topups.card_verification_store import (
    ended_verifications,
    mark_given_back,
    owner_of_card,
    refuse_undebited,
)

CALLER, CHANNEL = "card_verification", "platform"
_DAY = timedelta(days=1)
_AT_ONCE = 64


async def request_binding_by_debit(
    runtime: Runtime, *, account_id: UUID, bank: str, card_number: str, holder_name: str
) -> tuple[BoundCard, bool]:
    """Have the bank verify the card and debit it by a small amount; the card, and whether the bank has debited it.

    False: the bank has not said; the phone is told when it has.

    Raises:
        MalformedField: `bank`, `card_number`, `holder_name`.
        Refused: as `accounts.cards.request_binding`; RATE_LIMITED, too many debits of the account's cards today;
            CARD_REFUSED also where the bank does not debit it.

    Spec: CM 5.3.1.3.
    """
    policy, since = runtime.policy, runtime.clock.now() - _DAY
    async with runtime.database.read() as uow:
        _refuse_too_many(await debits_since(uow, account_id, since), policy.card_verifications_per_day)
    _, card = await verify_card(
        runtime, account_id=account_id, bank=bank, card_number=card_number, holder_name=holder_name,
        verify_by=VerifyBy.DEBIT,
    )  # fmt: skip
    now = runtime.clock.now()
    debit_id, debit = TransactionId.new(now), await new_request(runtime)
    async with runtime.database.transaction() as uow:
        await active_account(uow, account_id, at=now)
        # Again, now that the account is locked: two requests may have come at once.
        _refuse_too_many(await debits_since(uow, account_id, since), policy.card_verifications_per_day)
        await prepare_debit(uow, card.id, verification_id=debit_id, tries=policy.card_verification_tries)
    amount_fen = secrets.randbelow(policy.card_verification_limit_fen) + 1
    card_name = str(CardId.from_uuid(card.id))
    digest = digest_of(TransactionKind.CARD_VERIFICATION, card_name)
    asked = Asked(debit_id, CALLER, card_name, digest, now, CHANNEL)
    await runtime.desk.submit(DebitCardCommand(asked, card, amount_fen, debit, policy))
    told = await ask_verification(runtime, debit.id, first=True)
    if told is not None and told.state is TransactionState.DECLINED:
        async with runtime.database.transaction() as uow:
            await refuse_undebited(uow)
        raise Refused(ErrorCode.CARD_REFUSED, detail="the bank did not debit the card")
    return shown(runtime, card), told is not None and told.state is TransactionState.SUCCEEDED


async def confirm_by_amount(runtime: Runtime, *, account_id: UUID, card_id: UUID, amount_fen: int) -> BoundCard:
    """Bind a card by the amount it was debited; the debit goes back.

    Raises:
        Refused: UNKNOWN_ACCOUNT, ACCOUNT_NOT_ACTIVE, UNKNOWN_CARD; ILLEGAL_STATE, the card does not wait for an amount,
            or its bank has not said whether it was debited; WRONG_CODE, another amount; CARD_REFUSED, too often.

    Spec: CM 5.3.1.3.
    """
    now = runtime.clock.now()
    refusal: Refused | None = None
    async with runtime.database.transaction() as uow:
        account = await active_account(uow, account_id, at=now)
        card = await found_card(uow, card_id, account_id)
        refuse_unless(card, CardEvent.CONFIRM)
        if card.verify_by is not VerifyBy.DEBIT:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the card is confirmed by the code its phone was sent")
        debit = None if card.verification_id is None else await get_transaction(uow, card.verification_id)
        if debit is None or debit.pending:
            raise Refused(ErrorCode.ILLEGAL_STATE, detail="the bank has not said whether it debited the card; wait")
        if debit.state is not TransactionState.SUCCEEDED:
            raise Refused(ErrorCode.CARD_REFUSED, detail="the bank did not debit the card")
        if now >= card.requested_at + timedelta(hours=runtime.policy.card_binding_hours):
            card = await moved(uow, card, CardEvent.EXPIRE, now)
            refusal = Refused(ErrorCode.ILLEGAL_STATE, detail="the binding has expired")
        elif amount_fen == debit.amount_fen:
            card = await bind_verified(uow, runtime.ports.key_store, account, card, now)
        else:
            await count_card_try(uow, card.id)
            refusal = Refused(ErrorCode.WRONG_CODE, field="amount_fen")
            if card.tries_left <= 1:
                card = await moved(uow, card, CardEvent.REFUSE, now)
                refusal = Refused(ErrorCode.CARD_REFUSED, detail="other amounts were named too often")
    if card.state is not CardState.VERIFIED:
        await give_back(runtime, card_id=card.id, debit_id=debit.id)
    if refusal is not None:
        raise refusal
    return shown(runtime, card)


async def give_back(runtime: Runtime, *, card_id: UUID, debit_id: UUID) -> None:
    """Send the debit of a card that waits no more back to its bank, insisting; asked for again, it goes once."""
    now = runtime.clock.now()
    async with runtime.database.read() as uow:
        debit, taken = await get_transaction(uow, debit_id), await taking_request(uow, debit_id)
    assert debit is not None
    assert taken is not None
    reversal, key = await new_request(runtime), f"return {TransactionId.outside(debit_id)}"
    asked = Asked(TransactionId.new(now), CALLER, key, digest_of(key), now, CHANNEL)
    answer = await runtime.desk.submit(ReturnDebitCommand(asked, debit, taken, reversal, runtime.policy))
    if not answer.recorded:
        return  # It is no debit any more: there is nothing to send back.
    async with runtime.database.transaction() as uow:
        await mark_given_back(uow, [card_id])
    if not answer.repeated:
        await ask_verification(runtime, reversal.id)


async def end_verifications(runtime: Runtime) -> int:
    """The job: end bindings that nobody confirmed or that their bank did not answer, and send debits back; how many."""
    before = runtime.clock.now() - timedelta(hours=runtime.policy.card_binding_hours)
    async with runtime.database.transaction() as uow:
        ended = await expire_cards(uow, before=before) + await refuse_undebited(uow)
        found = await ended_verifications(uow, limit=_AT_ONCE)
        await mark_given_back(uow, [row.card_id for row in found if row.state != TransactionState.SUCCEEDED])
    standing = [row for row in found if row.state == TransactionState.SUCCEEDED]
    await asyncio.gather(*(give_back(runtime, card_id=row.card_id, debit_id=row.debit_id) for row in standing))
    return ended + len(standing)


async def ask_verification(runtime: Runtime, request_id: UUID, *, first: bool = False) -> Transaction | None:
    """Send a request about a card's debit, or ask what became of it, and record the answer.

    What it serves as it stands then, the debit or its return; None where there is no such request, or it is settled.
    """
    async with runtime.database.read() as uow:
        request = await get_request(uow, request_id)
        if request is None or request.settled:
            return None
        served = await get_transaction(uow, request.transaction_id)
        assert served is not None
        back = served if served.kind is TransactionKind.CARD_VERIFICATION_RETURN else None
        debit = served if served.original_id is None else await get_transaction(uow, served.original_id)
        assert debit is not None
        taken = await taking_request(uow, debit.id)
        card_id = CardId.parse(request.subject, field="subject")
        card = await find_card(uow, card_id, account_id=await owner_of_card(uow, card_id))
    assert card is not None
    told = await ask_of_debit(runtime, request, taken, card, first=first, event="card_verification.not_approved")
    command = AnswerVerification(
        debit, told.at, request_id, told.outcome, told.due_at, FundingId.new(told.at), card, runtime.policy, back,
        told.give_up,
    )  # fmt: skip
    answered = (await runtime.desk.submit(command)).transaction
    if told.give_up is not None and answered.state is TransactionState.RELEASING:
        return await ask_verification(runtime, told.give_up.id) or answered
    return answered


def _refuse_too_many(debits: int, most: int) -> None:
    if debits >= most:
        raise Refused(ErrorCode.RATE_LIMITED, detail="too many cards were debited today; use an SMS code")
