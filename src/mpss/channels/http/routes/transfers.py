"""Transfers (转账) and the relations that directed ones go by (定向转账关系). Spec: CM 5.3.2, 6.5."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.payee_model import Payee
from mpss.accounts.payees import add_payee, change_payee, dissolve_payee, list_payees
from mpss.accounts.proven import Proofs
from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import Exchange, exchange
from mpss.channels.http.fields import (
    AmountFen,
    Body,
    Currency,
    PageLimit,
    PayeeIdField,
    PaymentPassword,
    Phone,
    Province,
    SmsCode,
    TransactionIdField,
    View,
)
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.paging import Cursor, cut, decode_id, encode_id
from mpss.channels.http.refusals import PASSWORD_AND_CODE, PASSWORD_OR_CHALLENGE, SPENDING
from mpss.channels.http.views import AT_EXAMPLE, TRANSACTION_EXAMPLE, At, NextCursor, TransactionView, answered, reply
from mpss.desk.model import TransactionState
from mpss.kernel.errors import ErrorCode, Refused
from mpss.kernel.ids import PayeeId, TransactionId
from mpss.kernel.masking import mask_phone
from mpss.transactions.transfers.end import cancel_transfer
from mpss.transactions.transfers.queries import Transfer, get_transfer, transfers_of
from mpss.transactions.transfers.transfer import transfer

SUBJECT = Subject("Transfer")

PAYEE_EXAMPLE = "pye_019e6b3c5f7a7c3e8d2f4a6b8c0d1e2f"
_PROOF_ERRORS = (ErrorCode.UNKNOWN_ACCOUNT, *refusals_of(Operation.SET_PAYEE), *PASSWORD_AND_CODE)


class TransferBody(Body):
    payee_phone: Phone
    amount_fen: AmountFen
    currency: Currency
    payment_password: PaymentPassword
    visited_province: Province | None = Field(default=None, description="where the payer is, if not at home")
    sms_code: SmsCode | None = Field(
        default=None, description="a `challenge` code, where `challenge_required` asked for one", examples=["071625"]
    )


class TransferView(View):
    """A transfer as one of its two sides sees it. Amounts are whole fen of CNY."""

    transaction_id: str = Field(examples=[TRANSACTION_EXAMPLE])
    state: TransactionState = Field(
        description="REVIEWING: held until somebody has looked at it; WAITING: the payee has no wallet yet; "
        "RETURNED: it opened none in time, or the payer took it back",
        examples=["SUCCEEDED"],
    )
    direction: str = Field(description="out: sent, in: received", examples=["out"])
    counterpart: str = Field(description="the other side's masked number", examples=["+86189****0002"])
    amount_fen: int = Field(examples=[2500])
    currency: str = Field(examples=["CNY"])
    payee_id: str | None = Field(description="the directed relation it went by; null: none", examples=[PAYEE_EXAMPLE])
    return_at: datetime | None = Field(
        description="when it goes back, where the payee had no wallet", examples=[AT_EXAMPLE]
    )
    ended_at: datetime | None = Field(description="when it was received, or came back", examples=[AT_EXAMPLE])
    created_at: At


class TransfersView(View):
    items: list[TransferView]
    next_cursor: NextCursor


class _LimitsBody(Body):
    single_limit_fen: AmountFen = Field(description="of one transfer")
    daily_limit_fen: AmountFen = Field(description="of a day's transfers")
    currency: Currency
    payment_password: PaymentPassword
    sms_code: SmsCode = Field(description="a `payee` code sent to one's own phone")


class PayeeBody(_LimitsBody):
    payee_phone: Phone


class PayeeLimitsBody(_LimitsBody):
    """The relation's new limits."""


class PayeeView(View):
    """A directed relation (定向转账关系) from one's wallet to a number. Limits are whole fen of CNY."""

    payee_id: str = Field(examples=[PAYEE_EXAMPLE])
    phone: str = Field(examples=["+8618912340002"])
    single_limit_fen: int = Field(examples=[100_000])
    daily_limit_fen: int = Field(examples=[200_000])
    currency: str = Field(examples=["CNY"])
    created_at: At
    usable_from: datetime = Field(description="the end of its cooling period", examples=[AT_EXAMPLE])


class PayeesView(View):
    """All there are; their number is limited."""

    items: list[PayeeView]


@SUBJECT.operation(
    "POST",
    "/v1/transfers",
    summary="Transfer to a number",
    access=Access.SUBSCRIBER,
    says={
        201: Said("The payee has the money (SUCCEEDED), or it waits for the payee (WAITING)", TransactionView),
        202: Said("Held for review (REVIEWING); the result comes by SMS", TransactionView),
    },
    errors=(
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.SELF_TRANSFER,
        *refusals_of(Operation.TRANSFER),
        ErrorCode.PAYEE_REQUIRED,
        ErrorCode.PAYEE_COOLING,
        *PASSWORD_OR_CHALLENGE,
        *SPENDING,
        ErrorCode.BALANCE_LIMIT_EXCEEDED,
        ErrorCode.INSUFFICIENT_FUNDS,
    ),
    clauses=("CM 5.3.2", "CM 6.5"),
    money=True,
)
async def send_money(request: Request, body: TransferBody) -> Response:
    """Moves withdrawable money to the wallet of a number: by a directed relation, or freely where the policy allows.

    A number without a wallet gets the money when it opens one; where it does not in time, the money comes back.
    """
    told = exchange(request)
    answer = await transfer(
        told.runtime,
        caller=told.caller_name,
        key=told.key,
        channel="http",
        account_id=told.account_id,
        phone=told.session.phone,
        payee_phone=body.payee_phone,
        amount_fen=body.amount_fen,
        password=body.payment_password,
        source=f"http:{told.source}",
        sms_code=body.sms_code,
        province=body.visited_province,
        watched=told.watched,
    )
    return await answered(told, answer)


@SUBJECT.operation(
    "GET",
    "/v1/transfers",
    summary="List one's transfers",
    access=Access.SUBSCRIBER,
    says={200: Said("A page of what was sent and received, newest first", TransfersView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.3.2",),
)
async def list_transfers(
    request: Request, limit: Annotated[PageLimit, Query()] = 50, cursor: Annotated[Cursor, Query()] = None
) -> Response:
    """Sent and received, with what waits. A transfer that was declined at once is not in it."""
    told = exchange(request)
    account_id, before = told.account_id, decode_id(cursor)
    async with told.runtime.database.read() as uow:
        found = await transfers_of(uow, account_id=account_id, before=before, limit=limit + 1)
    found, following = cut(found, limit, lambda line: encode_id(line.id))
    return reply(TransfersView(items=[_transfer_view(line, account_id) for line in found], next_cursor=following))


@SUBJECT.operation(
    "GET",
    "/v1/transfers/{transaction_id}",
    summary="Read one transfer",
    access=Access.SUBSCRIBER,
    says={200: Said("The transfer as it stands", TransferView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.UNKNOWN_TRANSACTION),
    clauses=("CM 5.3.2",),
)
async def read_transfer(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """A transfer that the caller sent or received."""
    told = exchange(request)
    account_id = told.account_id
    async with told.runtime.database.read() as uow:
        found = await get_transfer(uow, transaction_id)
    if found is None or account_id not in (found.payer_id, found.payee_id):
        raise Refused(ErrorCode.UNKNOWN_TRANSACTION)
    return reply(_transfer_view(found, account_id))


@SUBJECT.operation(
    "POST",
    "/v1/transfers/{transaction_id}/cancel",
    summary="Take back a transfer that waits",
    access=Access.SUBSCRIBER,
    says={200: Said("The money is back in one's wallet (RETURNED)", TransferView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.UNKNOWN_TRANSACTION, ErrorCode.ILLEGAL_STATE),
    clauses=("CM 5.3.2",),
)
async def take_back(request: Request, transaction_id: Annotated[TransactionIdField, Path()]) -> Response:
    """By its payer, before the payee has it. Needs no key: a repeat finds it returned."""
    told = exchange(request)
    await cancel_transfer(told.runtime, account_id=told.account_id, transfer_id=transaction_id)
    return await read_transfer(request, transaction_id)


@SUBJECT.operation(
    "POST",
    "/v1/payees",
    summary="Set up a directed relation",
    access=Access.SUBSCRIBER,
    says={201: Said("It is set up, and counts from `usable_from` on", PayeeView)},
    errors=(*_PROOF_ERRORS, ErrorCode.SELF_TRANSFER, ErrorCode.PAYEE_EXISTS, ErrorCode.TOO_MANY_PAYEES),
    clauses=("CM 5.3.2.1",),
)
async def set_up_payee(request: Request, body: PayeeBody) -> Response:
    """Permits transfers to a number up to the relation's own limits, after a cooling period."""
    told = exchange(request)
    made = await add_payee(
        told.runtime,
        account_id=told.account_id,
        payee_phone=body.payee_phone,
        single_limit_fen=body.single_limit_fen,
        daily_limit_fen=body.daily_limit_fen,
        proofs=_proofs(told, body),
    )
    return reply(payee_view(made), 201)


@SUBJECT.operation(
    "GET",
    "/v1/payees",
    summary="List one's directed relations",
    access=Access.SUBSCRIBER,
    says={200: Said("Those that stand, oldest first", PayeesView)},
    errors=(ErrorCode.UNKNOWN_ACCOUNT,),
    clauses=("CM 5.3.2.1",),
)
async def read_payees(request: Request) -> Response:
    """Whom the caller may transfer to beyond what goes freely, those in their cooling period too."""
    told = exchange(request)
    found = await list_payees(told.runtime, account_id=told.account_id)
    return reply(PayeesView(items=[payee_view(payee) for payee in found]))


@SUBJECT.operation(
    "PUT",
    "/v1/payees/{payee_id}",
    summary="Give a directed relation other limits",
    access=Access.SUBSCRIBER,
    says={200: Said("The relation with its new limits, which hold at once", PayeeView)},
    errors=(*_PROOF_ERRORS, ErrorCode.UNKNOWN_PAYEE),
    clauses=("CM 5.3.2.1",),
)
async def limit_payee(request: Request, payee_id: Annotated[PayeeIdField, Path()], body: PayeeLimitsBody) -> Response:
    """With the same proofs as setting it up."""
    told = exchange(request)
    changed = await change_payee(
        told.runtime,
        account_id=told.account_id,
        payee_id=payee_id,
        single_limit_fen=body.single_limit_fen,
        daily_limit_fen=body.daily_limit_fen,
        proofs=_proofs(told, body),
    )
    return reply(payee_view(changed))


@SUBJECT.operation(
    "DELETE",
    "/v1/payees/{payee_id}",
    summary="Dissolve a directed relation",
    access=Access.SUBSCRIBER,
    says={204: Said("Dissolved")},
    errors=(ErrorCode.UNKNOWN_ACCOUNT, *refusals_of(Operation.UNBIND_CARD), ErrorCode.UNKNOWN_PAYEE),
    clauses=("CM 5.3.2.2", "CM 6.5.2.2"),
)
async def drop_payee(request: Request, payee_id: Annotated[PayeeIdField, Path()]) -> Response:
    """At once, and without a password: it only takes away. What waits for its payee goes on waiting."""
    told = exchange(request)
    await dissolve_payee(told.runtime, account_id=told.account_id, payee_id=payee_id)
    return Response(status_code=204)


def _proofs(told: Exchange, body: _LimitsBody) -> Proofs:
    return Proofs(body.payment_password, body.sms_code, f"http:{told.source}")


def _transfer_view(found: Transfer, account_id: UUID) -> TransferView:
    sent = found.payer_id == account_id
    return TransferView(
        transaction_id=TransactionId.outside(found.id),
        state=TransactionState(found.state),
        direction="out" if sent else "in",
        counterpart=mask_phone(found.payee_phone if sent else found.payer_phone),
        amount_fen=found.amount_fen,
        currency="CNY",
        payee_id=PayeeId.outside(found.relation_id) if sent and found.relation_id is not None else None,
        return_at=found.return_at,
        ended_at=found.ended_at,
        created_at=found.created_at,
    )


def payee_view(payee: Payee) -> PayeeView:
    """The relation as its owner, and the clerk who set it up, sees it."""
    return PayeeView(
        payee_id=PayeeId.outside(payee.id),
        phone=payee.phone,
        single_limit_fen=payee.single_limit_fen,
        daily_limit_fen=payee.daily_limit_fen,
        currency="CNY",
        created_at=payee.created_at,
        usable_from=payee.usable_from,
    )
