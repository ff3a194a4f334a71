"""What the online bank's customers see. Every text is escaped: it came from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mpss.simulators.online_bank_store import BankOrder
from mpss.simulators.page import page, shown_time, table

_STATES = {"paid": "已支付", "refused": "已取消", "waiting": "待支付"}


def pay_page(order: BankOrder) -> str:
    """The page where the customer agrees or refuses; an order that is decided is only shown."""
    content = order.content or {}
    amount = f"{(order.amount_fen or 0) / 100:.2f}"
    said = f"<p>{escape(str(content.get('description', '')))}</p>\n<p><strong>¥{amount}</strong></p>\n"
    if order.state != "waiting":
        return page("网上银行", said + f"<p>{_STATES[order.state]}</p>", language="zh-CN")
    form = (
        '<form method="post" action="/pay">\n'
        f'<input type="hidden" name="order_no" value="{escape(order.order_no)}">\n'
        f'<input type="hidden" name="token" value="{escape(order.token)}">\n'
        '<button name="decision" value="agree">确认支付</button>\n'
        '<button name="decision" value="refuse">取消</button>\n</form>'
    )
    return page("网上银行", said + form, language="zh-CN")


def problem_page(problem: str) -> str:
    return page("网上银行", f"<p>{escape(problem)}</p>", language="zh-CN")


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
