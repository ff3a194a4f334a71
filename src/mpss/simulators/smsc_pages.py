"""The pages on which a person looks at the town's handsets. Every text is escaped: it came from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any

from mpss.kernel.clock import SHANGHAI

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; padding: .4rem; vertical-align: top }}
tr {{ border-bottom: 1px solid #d5dce3 }} ol {{ list-style: none; padding: 0 }}
li {{ max-width: 75%; margin: .5rem 0; padding: .5rem .8rem; border-radius: .8rem; background: #eef2f6 }}
li {{ white-space: pre-wrap }}
li.sent {{ margin-left: auto; background: #d3efdc }} small {{ color: #5a6875; display: block }}
input {{ font: inherit; width: 70%; padding: .4rem }} button {{ font: inherit; padding: .4rem 1rem }}
</style></head><body><h1>{title}</h1>
"""


def handsets_page(handsets: Sequence[dict[str, Any]], stats: dict[str, Any]) -> str:
    """A line for each handset: its number, how many messages it received, the last one."""
    rows = "".join(
        f'<tr><td><a href="/phones/{escape(line["phone"])}">{escape(line["phone"])}</a></td>'
        f"<td>{line['received']}</td><td>{escape(line['last'] or '')}</td></tr>"
        for line in handsets
    )
    bound = escape(", ".join(stats["bound"])) or "nobody"
    return (
        _HEAD.format(title="The town's handsets")
        + f"<p>Bound: {bound}. Received: {stats['received']}. On the way upstream: {stats['waiting_upstream']}.</p>"
        + f"<table><tr><th>Phone</th><th>Received</th><th>Last message</th></tr>{rows}</table></body></html>"
    )


def handset_page(phone: str, messages: Sequence[dict[str, Any]]) -> str:
    """One handset's conversation with our number, oldest first, and a form that sends."""
    lines = "".join(
        f'<li class="{"sent" if message["sent"] else "received"}">{escape(message["text"])}'
        f"<small>{_time(message['at'])}</small></li>"
        for message in messages
    )
    return (
        _HEAD.format(title=escape(phone))
        + f'<p><a href="/">All handsets</a></p><ol>{lines or "<li>No messages yet.</li>"}</ol>'
        + f'<form method="post" action="/phones/{escape(phone)}"><label>Message <input name="text" required '
        + 'maxlength="500" autocomplete="off"></label> <button>Send</button></form></body></html>'
    )


def _time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
