"""Carries out a command that came by SMS: command → flow → what to reply.

The sender is who the SMSC says it is, so a command needs no password, and none is ever taken by SMS. A flow that
changes an account writes its notice itself, and that is the reply; a text is given here only where no notice answers.
Spec: CT 5.2, 5.3. Decision: ADR-0008.
"""

from __future__ import annotations

from uuid import UUID

from mpss.accounts.cards import list_cards, unbind_by_digits
from mpss.accounts.open import open_by_sms
from mpss.accounts.password import request_link
from mpss.accounts.queries import AccountOverview, overview_by_phone
from mpss.catalog.queries import product_of_sms_code
from mpss.channels.sms.account_replies import balance_reply
from mpss.channels.sms.arguments import NotUnderstood
from mpss.channels.sms.commands import (
    AccountCommand,
    Balance,
    BuyProduct,
    Cancel,
    Command,
    Confirm,
    Help,
    ListCards,
    Open,
    PayMerchant,
    Recharge,
    RechargeForm,
    SetLanguage,
    SetPassword,
    TopUp,
    TopUpFromCard,
    Transfer,
    UnbindCard,
    Withdraw,
)
from mpss.channels.sms.grammar import parse
from mpss.channels.sms.replies import (
    ACCOUNT_HELP,
    ALREADY_PAID,
    CANCELLED,
    HELP,
    MISTAKES,
    REFUSALS,
    REVERSED,
    cards_reply,
)
from mpss.channels.sms.self_service import CHANNEL, look_after
from mpss.desk.model import Transaction, TransactionKind, TransactionState
from mpss.kernel.errors import ErrorCode, MpssError, Refused
from mpss.kernel.masking import mask_phone
from mpss.merchants.queries import merchant_of_sms_code
from mpss.notices.model import DEFAULT_LANGUAGE
from mpss.observability import log
from mpss.runtime import Runtime
from mpss.transactions.confirm import cancel, confirm
from mpss.transactions.purchases.purchase import request_purchase
from mpss.transactions.purchases.sale import Sale
from mpss.transactions.topups.card_reply import request_card_topup
from mpss.transactions.topups.recharge import top_up_by_recharge_card
from mpss.transactions.topups.voucher import redeem_voucher
from mpss.transactions.transfers.transfer import request_transfer
from mpss.transactions.withdrawals.withdrawal import request_withdrawal


async def handle(runtime: Runtime, *, phone: str, text: str, key: str) -> tuple[str | None, str]:
    """Do what `text` from `phone` (E.164) asks for, under idempotency key `key`.

    The reply, or None where the flow's own notice answers; and the language it is in.
    """
    account = await _account_of(runtime, phone)
    language = account.language if account is not None else DEFAULT_LANGUAGE
    try:
        command = parse(text, recharge=_recharge_form(runtime))
    except NotUnderstood as mistake:
        log.info("sms.not_understood", phone=mask_phone(phone), mistake=mistake.mistake)
        return MISTAKES[mistake.mistake][language], language
    if isinstance(command, Open) and command.language is not None and account is None:
        language = command.language
    if isinstance(command, SetLanguage):
        language = command.language
    try:
        reply = await _carry_out(runtime, command, phone=phone, account=account, language=language, key=key)
    except MpssError as refused:
        if refused.code is ErrorCode.INTERNAL:
            raise
        reply = REFUSALS[refused.code][language]
        log.info("sms.refused", phone=mask_phone(phone), command=type(command).__name__, code=refused.code)
    return reply, language


async def _carry_out(
    runtime: Runtime, command: Command, *, phone: str, account: AccountOverview | None, language: str, key: str
) -> str | None:
    match command:
        case Help(about_account):
            return (ACCOUNT_HELP if about_account else HELP)[language]
        case Open():
            await open_by_sms(runtime, phone=phone, language=language)
            return None
        case Confirm(code, funding):
            answered = await confirm(runtime, phone=phone, code=code, funding=funding)
            return _after_answer(answered, language)
        case Cancel(code):
            return _after_answer(await cancel(runtime, phone=phone, code=code), language, cancelling=True)
    if account is None:
        raise Refused(ErrorCode.UNKNOWN_ACCOUNT)
    if isinstance(command, AccountCommand):
        return await look_after(runtime, command, account=account, language=language)
    match command:
        case Balance():
            return balance_reply(account)
        case SetPassword():
            await request_link(runtime, phone=phone)
            return None
        case TopUp(card_password):
            topped_up = await redeem_voucher(
                runtime, account_id=account.id, key=key, password=card_password, channel=CHANNEL, caller=_caller(phone)
            )
            return _refusal(topped_up.transaction, language)
        case Recharge(card_number):
            recharged = await top_up_by_recharge_card(
                runtime,
                account_id=account.id,
                key=key,
                card_number=card_number,
                channel=CHANNEL,
                caller=_caller(phone),
            )
            return _refusal(recharged.transaction, language)
        case ListCards():
            return cards_reply(await list_cards(runtime, account_id=account.id), language)
        case UnbindCard(last_digits):
            await unbind_by_digits(runtime, account_id=account.id, last_digits=last_digits)
            return None
        case TopUpFromCard(amount_fen, last_digits):
            asked = await request_card_topup(
                runtime, caller=_caller(phone), key=key, channel=CHANNEL, account_id=account.id, phone=phone,
                amount_fen=amount_fen, last_digits=last_digits,
            )  # fmt: skip
            return _refusal(asked.transaction, language)
        case BuyProduct() | PayMerchant():
            sale = await _sale(runtime, command, account.id)
            asked = await request_purchase(
                runtime, caller=_caller(phone), key=key, channel=CHANNEL, sale=sale, phone=phone
            )
            return _refusal(asked.transaction, language)
        case Transfer(payee_phone, amount_fen):
            asked = await request_transfer(
                runtime, caller=_caller(phone), key=key, channel=CHANNEL, account_id=account.id, phone=phone,
                payee_phone=payee_phone, amount_fen=amount_fen,
            )  # fmt: skip
            return _refusal(asked.transaction, language)
        case Withdraw(amount_fen, last_digits):
            asked = await request_withdrawal(
                runtime, caller=_caller(phone), key=key, channel=CHANNEL, account_id=account.id, phone=phone,
                amount_fen=amount_fen, last_digits=last_digits,
            )  # fmt: skip
            return _refusal(asked.transaction, language)


async def _sale(runtime: Runtime, command: BuyProduct | PayMerchant, account_id: UUID) -> Sale:
    """The sale that the numbers in the message name."""
    async with runtime.database.read() as uow:
        if isinstance(command, BuyProduct):
            product = await product_of_sms_code(uow, command.sms_code)
            if product is None:
                raise Refused(ErrorCode.UNKNOWN_PRODUCT)
            return Sale(account_id, product.merchant_id, product.id, command.quantity, price_fen=None, fee_fen=None)
        merchant = await merchant_of_sms_code(uow, command.sms_code)
        if merchant is None:
            raise Refused(ErrorCode.UNKNOWN_MERCHANT)
        return Sale(account_id, merchant.id, None, 0, price_fen=command.amount_fen, fee_fen=None)


def _recharge_form(runtime: Runtime) -> RechargeForm | None:
    settings = runtime.settings
    if runtime.ports.recharge_card is None:
        return None
    return RechargeForm(settings.recharge_card_prefix, settings.recharge_card_digits)


async def _account_of(runtime: Runtime, phone: str) -> AccountOverview | None:
    try:
        return await overview_by_phone(runtime, phone=phone)
    except Refused:
        return None


def _caller(phone: str) -> str:
    """Whose keys they are: apart from those the account uses over HTTP."""
    return f"sms:{phone}"


def _refusal(transaction: Transaction, language: str) -> str | None:
    return None if transaction.refusal is None else REFUSALS[transaction.refusal][language]


def _after_answer(transaction: Transaction, language: str, *, cancelling: bool = False) -> str | None:
    """What to say to a yes or no, by what became of the purchase; "paid" is said by the purchase's own notice."""
    match transaction.state:
        case TransactionState.CANCELLED:
            return CANCELLED[language]
        case (
            TransactionState.SUCCEEDED | TransactionState.WAITING | TransactionState.FUNDING | TransactionState.IN_DOUBT
        ):
            return ALREADY_PAID[language] if cancelling else None
        case TransactionState.REVIEWING:
            return REFUSALS[ErrorCode.ILLEGAL_STATE][language] if cancelling else None
        case TransactionState.REVERSED | TransactionState.RETURNED:
            return REVERSED[language]
        case TransactionState.EXPIRED:
            return REFUSALS[ErrorCode.CONFIRMATION_EXPIRED][language]
        case _ if transaction.kind is TransactionKind.WITHDRAWAL and transaction.refusal is ErrorCode.FUNDING_DECLINED:
            return None  # What the bank refused is told by the withdrawal's own notice.
        case _:
            return _refusal(transaction, language)
