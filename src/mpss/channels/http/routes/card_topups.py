"""Top-up from a bound bank card, over the air (银行卡空中充值). Spec: CT 5.1; CM 6.4.2."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mpss.accounts.state import Operation, refusals_of
from mpss.channels.http.authentication import Access
from mpss.channels.http.exchange import exchange
from mpss.channels.http.fields import AmountFen, Body, CardIdField, Currency, PaymentPassword, SmsCode
from mpss.channels.http.operation import Said, Subject
from mpss.channels.http.refusals import PASSWORD_OR_CHALLENGE, TOPUP_LIMITS
from mpss.channels.http.views import TransactionView, answered
from mpss.kernel.errors import ErrorCode
from mpss.transactions.topups.card import top_up_from_card

SUBJECT = Subject("Top-up")


class CardTopupBody(Body):
    card_id: CardIdField
    amount_fen: AmountFen
    currency: Currency
    payment_password: PaymentPassword
    sms_code: SmsCode | None = Field(
        default=None, description="a `challenge` code, where `challenge_required` asked for one", examples=["071625"]
    )


@SUBJECT.operation(
    "POST",
    "/v1/topups/bank-card",
    summary="Top up from a bound bank card",
    access=Access.SUBSCRIBER,
    says={
        201: Said("The card's money is in the wallet", TransactionView),
        202: Said("The bank has not said yet; the result comes by SMS", TransactionView),
    },
    errors=(
        ErrorCode.NOT_FOUND,
        ErrorCode.UNKNOWN_CARD,
        ErrorCode.ILLEGAL_STATE,
        ErrorCode.UNKNOWN_ACCOUNT,
        *refusals_of(Operation.TOP_UP),
        *PASSWORD_OR_CHALLENGE,
        ErrorCode.BLACKLISTED,
        ErrorCode.RISK_REFUSED,
        *TOPUP_LIMITS,
        ErrorCode.FUNDING_DECLINED,
    ),
    clauses=("CT 5.1", "CM 6.4.2"),
    money=True,
)
async def top_up_by_bank_card(request: Request, body: CardTopupBody) -> Response:
    """Debits a bound card in real time and puts the money into the wallet of who is signed in.

    Where the bank does not answer it is asked about; a debit that is given up is reversed at the bank (CANCELLED).
    """
    told = exchange(request)
    answer = await top_up_from_card(
        told.runtime,
        account_id=told.account_id,
        phone=told.session.phone,
        key=told.key,
        card_id=body.card_id,
        amount_fen=body.amount_fen,
        password=body.payment_password,
        source=f"http:{told.source}",
        channel="http",
        sms_code=body.sms_code,
        watched=told.watched,
    )
    return await answered(told, answer)
