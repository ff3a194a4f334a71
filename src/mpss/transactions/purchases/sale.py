"""What a sale needs to be decided, whoever asks for it: its parties, its terms, what it leaves. Pure.

Shared by the purchase that is paid at once and the one that waits for its payer. Spec: CT 5.3; CM 6.11.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from mpss.accounts.channel_store import CHANNEL_USAGE
from mpss.accounts.checks import check_state, spend
from mpss.accounts.group_model import GroupSource
from mpss.accounts.limit_model import Counts, CustomerUsageRow, LimitOperation, caps_of, count_customer
from mpss.accounts.limit_store import CUSTOMER_USAGE, LIMITS
from mpss.accounts.model import AccountRow, UsageRow
from mpss.accounts.state import Operation
from mpss.accounts.store import ACCOUNTS, USAGE
from mpss.catalog.model import ProductRow, ProductState, StockRow, in_scope
from mpss.catalog.store import PRODUCTS, STOCK
from mpss.config import Policy
from mpss.db.rows import NeedsMore
from mpss.desk.model import Decision, Funding, Snapshot, Touch, Transaction, TransactionKind
from mpss.fees.quote import in_force, quote
from mpss.fees.store import FEES
from mpss.kernel.errors import ErrorCode
from mpss.kernel.ids import OutboxId
from mpss.ledger.model import Balance, JournalEntry
from mpss.ledger.post import BALANCES
from mpss.merchants.limit_model import MerchantUsageRow
from mpss.merchants.limit_store import MERCHANT_USAGE
from mpss.merchants.model import LEAVING, MerchantRow, MerchantState
from mpss.merchants.store import MERCHANTS
from mpss.outbox.model import delivery, webhook
from mpss.outbox.store import OUTBOX
from mpss.risk.rule_store import EVERY_RULE, RECENT, RULE_VERSIONS
from mpss.risk.screen import above_grey_limit, screen
from mpss.risk.store import LISTED, blacklisted
from mpss.transactions.by_channel import count_by_channel, put_by_channel
from mpss.transactions.funding.model import BillUsageRow, spend_from_bill
from mpss.transactions.funding.store import BILL_USAGE
from mpss.transactions.notify import Facts, tell
from mpss.transactions.postings import purchase_legs
from mpss.transactions.purchases.allowance import pay_merchant
from mpss.transactions.purchases.group import (
    GroupPayer,
    GroupTerms,
    check_single,
    find_group,
    settle_group,
    spend_group_money,
)
from mpss.transactions.store import MERCHANT_ORDERS, order_key

# Members bound once: looked up on its class each takes 0.1 µs in Python 3.11.
_PURCHASE, _WALLET, _PAY = TransactionKind.PURCHASE, Funding.WALLET, Operation.PAY
_SELLING, _ON_SALE = MerchantState.ACTIVE, ProductState.PUBLISHED
_FEE_KIND, _LIMITED = TransactionKind.PURCHASE.value, LimitOperation.PAYMENT.value
_NO_STOCK = StockRow(0, False)
_OF_PAYER, _OF_SELLER, _OF_PRODUCT = (USAGE, ACCOUNTS, LISTED, RECENT), (MERCHANTS, LISTED), (PRODUCTS, STOCK)


class Sale(NamedTuple):
    """What is bought, from whom, by whom. `price_fen` is what the payer was shown: the product's unit price, or the
    free amount; `fee_fen` the fee shown, or None where none was."""

    account_id: UUID
    merchant_id: UUID
    product_id: UUID | None
    quantity: int
    price_fen: int | None
    fee_fen: int | None
    merchant_order_no: str | None = None
    visited_province: str | None = None
    metadata: str | None = None


class Parties(NamedTuple):
    """The rows of a sale, once all are known."""

    account: AccountRow
    usage: UsageRow
    balance: Balance
    merchant: MerchantRow
    product: ProductRow | None
    group: GroupPayer | None = None


def sale_touches(sale: Sale, channel: str) -> Iterable[Touch]:
    """The rows that deciding a sale needs."""
    yield _OF_PAYER, sale.account_id
    yield _OF_SELLER, sale.merchant_id
    yield RULE_VERSIONS, EVERY_RULE
    yield FEES, _FEE_KIND
    yield LIMITS, _LIMITED
    yield CHANNEL_USAGE, (sale.account_id, _LIMITED, channel)
    if sale.product_id is not None:
        yield _OF_PRODUCT, sale.product_id
    if sale.merchant_order_no is not None:
        yield MERCHANT_ORDERS, order_key(sale.merchant_id, sale.merchant_order_no)


def find_parties(
    sale: Sale, snapshot: Snapshot, *, at: datetime, check_scope: bool = True, source: GroupSource | None = None
) -> Parties | ErrorCode:
    """Unknown party → scope → state, in the order of the desk's checks; `source` is the company whose money pays.

    A sale whose scope was found right when it was asked for is confirmed with `check_scope` False.
    """
    account = snapshot[ACCOUNTS].get(sale.account_id)
    if account is None:
        return ErrorCode.UNKNOWN_ACCOUNT
    merchant = snapshot[MERCHANTS].get(sale.merchant_id)
    if merchant is None:
        return ErrorCode.UNKNOWN_MERCHANT
    product = None
    if sale.product_id is not None:
        product = snapshot[PRODUCTS].get(sale.product_id)
        if product is None or product.merchant_id != sale.merchant_id:
            return ErrorCode.UNKNOWN_PRODUCT
        if check_scope and not in_scope(
            product.scope,
            merchant_province=merchant.province,
            home_province=account.home_province,
            visited_province=sale.visited_province,
        ):
            return ErrorCode.OUT_OF_SCOPE
    refusal = check_state(account, _PAY, at=at)
    if refusal is not None:
        return refusal
    if merchant.state is not _SELLING:
        return ErrorCode.MERCHANT_CLOSING if merchant.state in LEAVING else ErrorCode.MERCHANT_NOT_ACTIVE
    if product is not None and product.state is not _ON_SALE:
        return ErrorCode.PRODUCT_NOT_ON_SALE
    usage, balance = snapshot[USAGE][sale.account_id], snapshot[BALANCES][account.ledger_account_id]
    if source is None:
        return Parties(account, usage, balance, merchant, product)
    group = find_group(source, sale.account_id, snapshot, at=at)
    return group if isinstance(group, ErrorCode) else Parties(account, usage, balance, merchant, product, group)


def amount_of(sale: Sale, product: ProductRow | None) -> int:
    """What the merchant gets, in fen; zero where a free amount is missing."""
    return (sale.price_fen or 0) if product is None else product.price_fen * sale.quantity


class Terms(NamedTuple):
    """What a sale costs the payer and what it leaves of the limits, the stock and the wallet; `bill` is what the month
    has paid from the phone bill then, where that pays."""

    amount_fen: int
    fee_fen: int
    restricted_fen: int
    usage: UsageRow
    stock: StockRow | None
    bill: BillUsageRow | None = None
    customer: CustomerUsageRow | None = None
    group: GroupTerms | None = None
    merchant: MerchantUsageRow | None = None
    by_channel: Counts | None = None


def settle_terms(
    sale: Sale,
    parties: Parties,
    usage: UsageRow,
    snapshot: Snapshot,
    today: date,
    policy: Policy,
    *,
    at: datetime,
    channel: str,
    funding: Funding = Funding.WALLET,
    source_open: bool = False,
    card_id: UUID | None = None,
    proven: bool = True,
    watched: bool = False,
) -> Terms | ErrorCode:
    """Lists → limits → risk rules → stock and price → fee → funds. The fee is the one in force at `at`.

    `card_id` is the bound card that pays, `proven` that an SMS code showed the phone, `watched` that it was asked for
    from a place on the grey list.
    From the phone bill, its own caps count amount and fee; there and at a bank the funds are for the other side to say.
    `source_open`: the payer has not chosen the source yet, so the wallet need not have the funds.

    Raises:
        NeedsMore: the desk's portion of the stock, or of what the merchant may be paid today, is too small, and there
            may be more elsewhere.
    """
    account, group = parties.account, parties.group
    listed = None if group is None else group.master.id
    named = (sale.account_id, sale.merchant_id, card_id, listed)
    if blacklisted(snapshot, named):
        return ErrorCode.BLACKLISTED
    product = parties.product
    amount_fen = amount_of(sale, product)
    limit_fen = policy.single_limit_fen
    percent = policy.grey_limit_percent
    if above_grey_limit(snapshot, named, amount_fen, limit_fen, percent, watched=watched):
        return ErrorCode.SINGLE_LIMIT_EXCEEDED
    from_balance, payer = funding is _WALLET, account if group is None else group.master
    caps = caps_of(snapshot[LIMITS].get(_LIMITED), payer.account_class, channel, at)
    customer = None
    if group is None:
        refusal, usage = spend(usage, account, amount_fen, today, policy, caps, from_balance=from_balance)
    else:
        refusal = check_single(amount_fen, policy, caps)
    if refusal is None and from_balance and account.customer_id is not None:
        refusal, customer = count_customer(snapshot[CUSTOMER_USAGE].get(account.customer_id), amount_fen, today, caps)
    if refusal is None and amount_fen > caps.channel_fen:
        refusal = ErrorCode.SINGLE_LIMIT_EXCEEDED
    by_channel = None
    if refusal is None and group is None and CHANNEL_USAGE in snapshot:
        passed = count_by_channel(sale.account_id, _LIMITED, channel, amount_fen, caps, snapshot)
        if isinstance(passed, ErrorCode):
            return passed
        by_channel = passed
    seller, allowance = parties.merchant, None
    if refusal is None and (seller.single_limit_fen is not None or seller.daily_limit_fen is not None):
        allowed = pay_merchant(seller, amount_fen, snapshot, today)
        if isinstance(allowed, ErrorCode):
            return allowed
        allowance = allowed
    if refusal is None:
        refusal = screen(
            snapshot, sale.account_id, _PURCHASE, amount_fen, at=at, proven=proven,
            merchant_id=sale.merchant_id, province=sale.visited_province,
        )  # fmt: skip
    if refusal is not None:
        return refusal
    stock = None
    if product is not None:
        if sale.price_fen is not None and sale.price_fen != product.price_fen:
            return ErrorCode.PRICE_CHANGED
        if product.has_stock:
            stock = snapshot[STOCK].get(product.id, _NO_STOCK)
            if stock.available < sale.quantity:
                if not stock.exhausted:
                    raise NeedsMore(STOCK, product.id, sale.quantity)
                return ErrorCode.OUT_OF_STOCK
            stock = StockRow(stock.available - sale.quantity, stock.exhausted)
    fee_fen = quote(in_force(snapshot[FEES].get(_FEE_KIND), at), amount_fen)
    if sale.fee_fen is not None and sale.fee_fen != fee_fen:
        return ErrorCode.PRICE_CHANGED
    if not from_balance and funding is Funding.PHONE_BILL:
        refusal, bill = spend_from_bill(
            snapshot[BILL_USAGE].get(parties.account.id), amount_fen + fee_fen, today, policy
        )
        return refusal or Terms(amount_fen, fee_fen, 0, usage, stock, bill, merchant=allowance, by_channel=by_channel)
    if not from_balance and funding is Funding.BANK_CARD:
        return Terms(amount_fen, fee_fen, 0, usage, stock, merchant=allowance, by_channel=by_channel)
    if group is not None:
        spent = settle_group(group, amount_fen, fee_fen, snapshot, today, caps)
        if isinstance(spent, ErrorCode):
            return spent
        return Terms(amount_fen, fee_fen, spent.restricted_fen, usage, stock, group=spent, merchant=allowance)
    balance = parties.balance
    total_fen = amount_fen + fee_fen
    if balance.balance_fen - balance.held_fen - balance.frozen_fen < total_fen and not source_open:
        return ErrorCode.INSUFFICIENT_FUNDS
    # What may not be withdrawn is spent first.
    restricted_fen = min(balance.restricted_fen, total_fen)
    return Terms(
        amount_fen, fee_fen, restricted_fen, usage, stock, customer=customer, merchant=allowance, by_channel=by_channel
    )


def carry_out(decision: Decision, parties: Parties, terms: Terms) -> Decision:
    """Add to a decided purchase what it does: the entry, the rows it changes, what must leave after the commit."""
    paid = decision.transaction
    account, merchant, product = parties.account, parties.merchant, parties.product
    now = paid.finished_at or paid.created_at
    payer = account if parties.group is None else parties.group.master
    decision.entry = JournalEntry(
        paid.id,
        paid.kind,
        purchase_legs(
            wallet=payer.ledger_account_id,
            payable=merchant.ledger_account_id,
            amount_fen=terms.amount_fen,
            fee_fen=terms.fee_fen,
            restricted_fen=terms.restricted_fen,
        ),
    )
    decision.puts.append((USAGE, account.id, terms.usage))
    if terms.customer is not None:
        decision.puts.append((CUSTOMER_USAGE, account.customer_id, terms.customer))
    if product is not None and terms.stock is not None:
        decision.puts.append((STOCK, product.id, terms.stock))
    if terms.merchant is not None:
        decision.puts.append((MERCHANT_USAGE, merchant.id, terms.merchant))
    if terms.by_channel is not None:
        put_by_channel(decision, _LIMITED, terms.by_channel)
    if parties.group is not None and terms.group is not None:
        goods = product.name if product is not None else ""
        spend_group_money(
            decision, parties.group, terms.group, member=account, merchant=merchant.name, product=goods
        )  # fmt: skip
    else:
        _tell_payer(decision, parties, terms, now)
    if product is not None:
        ordered = delivery(
            paid.id,
            merchant_id=merchant.id,
            product_id=product.id,
            quantity=paid.quantity,
            amount_fen=terms.amount_fen,
            phone=account.phone,
            merchant_order_no=paid.merchant_order_no,
            now=now,
        )
        decision.inserts.append((OUTBOX, ordered))
    else:
        decision.inserts.append((OUTBOX, tell_merchant(paid, "purchase.succeeded", account.phone)))
    return decision


def _tell_payer(decision: Decision, parties: Parties, terms: Terms, now: datetime) -> None:
    """The notice of a purchase from the payer's own wallet."""
    facts: Facts = {
        "amount_fen": terms.amount_fen,
        "fee_fen": terms.fee_fen,
        "merchant": parties.merchant.name,
        "product": parties.product.name if parties.product is not None else "",
        "balance_fen": parties.balance.balance_fen - terms.amount_fen - terms.fee_fen,
        "transaction": str(decision.transaction.id),
    }
    tell(decision, parties.account, "paid", facts, at=now)


def tell_merchant(transaction: Transaction, event: str, phone: str) -> tuple[Any, ...]:
    """The webhook that tells a merchant what became of a sale; `reason` is the refusal's code, where there is one."""
    assert transaction.merchant_id is not None
    now = transaction.finished_at or transaction.created_at
    data: dict[str, Any] = {
        "transaction_id": str(transaction.id),
        "merchant_order_no": transaction.merchant_order_no,
        "amount_fen": transaction.amount_fen,
        "phone": phone,
    }
    if transaction.refusal is not None:
        data["reason"] = transaction.refusal.value
    return webhook(
        OutboxId.new(now),
        merchant_id=transaction.merchant_id,
        event=event,
        reference=transaction.id,
        data=data,
        now=now,
    )
