"""The page of a simulated shop: its latest orders and webhooks. Every text is escaped: it came from outside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from mpss.simulators.merchant_book import BookedOrder, ReceivedWebhook
from mpss.simulators.page import page, shown_time, table


def shop_page(name: str, orders: Sequence[BookedOrder], webhooks: Sequence[ReceivedWebhook]) -> str:
    """The page as HTML; the latest rows first."""
    sold = [
        (
            shown_time(order.received_at),
            escape(order.order.get("merchant_order_no") or order.transaction_id),
            f"{order.order['amount_fen'] / 100:.2f}",
            escape(order.order["phone"]),
            escape(order.answer.get("content") or order.answer.get("reason", "")),
            str(order.asked),
        )
        for order in reversed(orders)
    ]
    told = [
        (
            shown_time(webhook.received_at),
            escape(str(webhook.body.get("type", ""))),
            escape(json.dumps(webhook.body.get("data"), ensure_ascii=False)),
            str(webhook.times),
        )
        for webhook in reversed(webhooks)
    ]
    return page(
        name,
        "<p>What the platform sent to this shop, the latest first. Times are Shanghai's.</p>\n<h2>Orders</h2>\n"
        + table(("Received", "Order", "Yuan", "Phone", "Answer", "Asked"), sold, empty="No order yet.")
        + "\n<h2>Webhooks</h2>\n"
        + table(("Received", "Event", "Data", "Times"), told, empty="No webhook yet."),
    )
