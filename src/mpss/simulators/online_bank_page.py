"""What the online bank's customers see, in zh-CN and en. Every text is escaped: it came from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from mpss.simulators.online_bank_store import BankOrder
from mpss.simulators.page import page, shown_time, table


class _Words(NamedTuple):
    title: str
    purpose: str
    amount: str
    number: str
    pay_by: str
    agree: str
    refuse: str
    back: str
    paid: str
    refused: str
    unsigned: str
    taken: str
    unknown: str


_WORDS = {
    "zh-CN": _Words(
        "网上银行付款", "用途", "金额", "订单号", "请在此前支付", "确认支付", "取消", "返回商户", "已支付。",
        "未支付，订单已取消。", "订单签名无效或已过期，请回到商户重新下单。", "订单号已被使用，请回到商户重新下单。",
        "没有这张订单，请回到商户重新下单。",
    ),
    "en": _Words(
        "Pay by online banking", "For", "Amount", "Order", "Pay before", "Pay", "Cancel", "Back to the merchant",
        "It is paid.", "It was not paid; the order is cancelled.",
        "The order's signature is wrong or too old. Go back to the merchant and order again.",
        "The order's number was used before. Go back to the merchant and order again.",
        "There is no such order. Go back to the merchant and order again.",
    ),
}  # fmt: skip


def pay_page(order: BankOrder, *, language: str, back: str) -> str:
    """The page where the customer agrees or refuses; of an order that is decided, what became of it.

    `back` is the merchant's address.
    """
    words, content = _WORDS[language], order.content or {}
    facts = [
        (words.purpose, escape(str(content.get("description", "")))),
        (words.amount, f'<span class="amount">¥{(order.amount_fen or 0) / 100:,.2f}</span>'),
        (words.number, f"<code>{escape(order.order_no)}</code>"),
    ]
    if order.state == "waiting":
        facts.append((words.pay_by, shown_time(str(content["expires_at"]))))
        rest = (
            '<form class="choice" method="post" action="/pay">\n'
            f'<input type="hidden" name="order_no" value="{escape(order.order_no)}">\n'
            f'<input type="hidden" name="token" value="{escape(order.token)}">\n'
            f'<button name="decision" value="agree">{words.agree}</button>\n'
            f'<button class="second" name="decision" value="refuse">{words.refuse}</button>\n</form>'
        )
    else:
        told = words.paid if order.state == "paid" else words.refused
        rest = f'<p role="status">{told}</p>\n<p><a href="{escape(back)}">{words.back}</a></p>'
    listed = "\n".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)
    return page(words.title, f"<dl>\n{listed}\n</dl>\n{rest}", language=language)


def problem_page(problem: str, *, language: str) -> str:
    """Why there is nothing to pay: `problem` is "unsigned", "taken" or "unknown"."""
    words = _WORDS[language]
    return page(words.title, f'<p role="alert">{getattr(words, problem)}</p>', language=language)


def orders_page(orders: Sequence[BankOrder]) -> str:
    """The latest orders, the latest first."""
    rows = [
        (
            shown_time(order.at),
            escape(order.order_no),
            "" if order.amount_fen is None else f"{order.amount_fen / 100:.2f}",
            escape(order.reason or order.state),
            escape(order.gateway_reference),
        )
        for order in reversed(orders)
    ]
    heads = ("At", "Order", "Yuan", "State", "Reference")
    intro = "<p>Orders customers came with, the latest first. Times are Shanghai's.</p>\n"
    return page("Online bank", intro + table(heads, rows, empty="No order yet."))
