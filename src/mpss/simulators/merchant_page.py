"""The page of a simulated shop: its latest orders and webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from mpss.simulators.merchant_book import BookedOrder, ReceivedWebhook

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}th{background:#f4f4f4}"
)


def shop_page(name: str, orders: Sequence[BookedOrder], webhooks: Sequence[ReceivedWebhook]) -> str:
    """The page as HTML; the latest rows first."""
    sold = _table(
        ("received", "order", "amount", "phone", "answer", "asked"),
        (
            (
                order.received_at,
                order.order.get("merchant_order_no") or order.transaction_id,
                f"{order.order['amount_fen'] / 100:.2f}",
                order.order["phone"],
                order.answer.get("content") or order.answer.get("reason", ""),
                str(order.asked),
            )
            for order in reversed(orders)
        ),
    )
    told = _table(
        ("received", "event", "data", "times"),
        (
            (
                webhook.received_at,
                str(webhook.body.get("type", "")),
                json.dumps(webhook.body.get("data"), ensure_ascii=False),
                str(webhook.times),
            )
            for webhook in reversed(webhooks)
        ),
    )
    title = escape(name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><h2>Orders</h2>{sold}<h2>Webhooks</h2>{told}</html>"
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
